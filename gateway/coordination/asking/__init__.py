"""Questions to payers: when they are due, what they say, and what is done when no answer comes."""
