"""The WSDL of a CORE endpoint: the five operations, document style, SOAP 1.2, made from the tables of this package."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from parsers.core.envelope import FIELDS, KINDS, RULE_VERSION, Kind
from parsers.core.soap import namespace

CORE = namespace(RULE_VERSION)
TARGET = "http://www.caqh.org/SOAP/WSDL/"
_OPTIONAL = frozenset({"PayloadLength", "CheckSum", "Payload"})
_RESPONSE_ONLY = frozenset({"ErrorCode", "ErrorMessage"})
_REAL_TIME_OMITS = frozenset({"PayloadLength", "CheckSum"})


def write_wsdl(location: str) -> bytes:
    """The document for an endpoint at the URL `location`."""
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<wsdl:definitions name="CORE" targetNamespace="{TARGET}" xmlns:tns="{TARGET}" xmlns:cor="{CORE}"',
        ' xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/"',
        ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"><wsdl:types>',
        f'<xsd:schema targetNamespace="{CORE}" elementFormDefault="unqualified">',
    ]
    for kind in KINDS.values():
        parts += [_element(kind.request, kind, response=False), _element(kind.response, kind, response=True)]
    parts.append("</xsd:schema></wsdl:types>")
    for kind in KINDS.values():
        for root in (kind.request, kind.response):
            parts.append(
                f'<wsdl:message name="{root}Message"><wsdl:part name="body" element="cor:{root}"/></wsdl:message>'
            )
    parts.append('<wsdl:portType name="CORETransactions">')
    for kind in KINDS.values():
        parts.append(
            f'<wsdl:operation name="{kind.operation}"><wsdl:input message="tns:{kind.request}Message"/>'
            f'<wsdl:output message="tns:{kind.response}Message"/></wsdl:operation>'
        )
    parts.append(
        '</wsdl:portType><wsdl:binding name="CoreSoapBinding" type="tns:CORETransactions">'
        '<soap12:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>'
    )
    body = '<soap12:body use="literal"/>'
    for kind in KINDS.values():
        parts.append(
            f'<wsdl:operation name="{kind.operation}"><soap12:operation soapAction="{kind.operation}" '
            f'style="document"/><wsdl:input>{body}</wsdl:input><wsdl:output>{body}</wsdl:output></wsdl:operation>'
        )
    parts.append(
        '</wsdl:binding><wsdl:service name="Core"><wsdl:port name="CoreSoapPort" binding="tns:CoreSoapBinding">'
        f"<soap12:address location={quoteattr(location)}/></wsdl:port></wsdl:service></wsdl:definitions>"
    )
    return "".join(parts).encode()


def _element(root: str, kind: Kind, *, response: bool) -> str:
    """One root.  A real-time payload is text, a batch payload binary; credentials are in the SOAP header."""
    fields = []
    for name in FIELDS:
        if (name in _RESPONSE_ONLY and not response) or (kind.mode == "RealTime" and name in _REAL_TIME_OMITS):
            continue
        binary = "xsd:base64Binary" if kind.mode == "Batch" else "xsd:string"
        type_ = binary if name == "Payload" else "xsd:int" if name == "PayloadLength" else "xsd:string"
        optional = ' minOccurs="0"' if name in _OPTIONAL else ""
        fields.append(f'<xsd:element name="{name}" type="{type_}"{optional}/>')
    return (
        f'<xsd:element name="{root}"><xsd:complexType><xsd:sequence>{"".join(fields)}</xsd:sequence>'
        "</xsd:complexType></xsd:element>"
    )
