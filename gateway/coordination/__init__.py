"""The care-coordination brain: pure.  `decide` turns one stimulus and what is known into changes."""
