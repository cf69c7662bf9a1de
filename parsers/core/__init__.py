"""The message envelope of CAQH CORE connectivity, rule version 2.2.0: SOAP 1.2 and HTTP MIME multipart, as bytes.

envelope   the fields, the kinds of message, their names in SOAP
payloads   the table of PayloadType values
multipart  MIME parts, bounded
markup     XML, bounded, without any DTD
soap       the SOAP form
mime       the HTTP MIME form
checking   an envelope field by field: the error code of the first thing that is wrong
"""
