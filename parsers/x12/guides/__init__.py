"""Implementation guides as data: TOML files, read once by `parsers.x12.guide`.

elements.toml   data elements of release 005010: type, least and most characters, what they hold
segments.toml   segments and composites of release 005010: their elements and syntax notes
codes.toml      code lists that several guides share
shared.toml     segment lines that several guides share
*-*.toml        one guide each, its loops and segments in order
"""
