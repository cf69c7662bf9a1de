"""A payer that answers 270 and 278 by a scenario: for trying Baton, for tests and for the demo."""
