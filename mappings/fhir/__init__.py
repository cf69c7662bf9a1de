"""FHIR R4 (4.0.1) rendering: rows of what Baton knows in, resources as plain JSON values out.

Every function takes mappings of column names to values (docs/database.md) and gives a dict that `json` can write.
Elements without a value are absent.  Nothing here reads a clock, a store or a setting.
"""
