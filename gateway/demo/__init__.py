"""`make demo`: a day at General Hospital and its payers, on the embedded default, with real sockets and files."""
