"""HL7 v2 (2.1 to 2.9, any separators): header scan, lazy reading, timestamps, batches, acknowledgements."""
