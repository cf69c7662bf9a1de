"""The SOAP 1.2 form: WS-Security UsernameToken in the header, the envelope in the body, MTOM where a batch has it.

Child elements are unqualified and only the root is in the namespace of the rule; readers take any prefix and spelling.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from urllib.parse import unquote
from xml.sax.saxutils import escape, quoteattr

from parsers.core.envelope import (
    FIELDS,
    KIND_OF_ROOT,
    MAX_VALUE,
    NAMES,
    RULE_VERSION,
    CoreError,
    Envelope,
    Kind,
    unwrap,
)
from parsers.core.markup import Element, read_markup
from parsers.core.multipart import Part, boundary_of, parameter, read_parts

SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
_CORE = "http://www.caqh.org/SOAP/WSDL/CORERule{}.xsd"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_TOKEN = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"  # noqa: S105
_XOP = "http://www.w3.org/2004/08/xop/include"
CONTENT_TYPE = "application/soap+xml; charset=utf-8"
_INVISIBLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNDERSTOOD = frozenset({"Security"})


def namespace(version: str) -> str:
    """Of the schema of a rule version, such as 2.2.0; servers that say 4.0.0 (Phase IV, now vC3.1.0) name it so too."""
    return _CORE.format(version.lower().removeprefix("v"))


class SoapFault(CoreError):
    """No envelope in the body, or one that SOAP itself refuses.  `code`: Sender | VersionMismatch | MustUnderstand."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text, "SOAP")
        self.code = code


class FaultReceived(SoapFault):
    """The other side answered with a fault of this code."""


def read_soap(content_type: str, body: bytes, *, whole: bool = True) -> Envelope:
    """One message, request or response.  `whole` False: the credentials of one that is only begun.

    Raises CoreError, SoapFault."""
    parts: list[Part] = []
    markup = body
    if content_type.lower().startswith("multipart/related"):
        parts = read_parts(body, boundary_of(content_type, body), whole=whole)
        if not parts:
            raise CoreError("no root part", "MIME")
        start = parameter(content_type, "start").strip("<>")
        markup = next((part.body for part in parts if start and part.content_id == start), parts[0].body)
    root = read_markup(markup, whole=whole)
    if root.name != "Envelope":
        raise SoapFault("Sender", "no SOAP envelope")
    if root.space != SOAP12:
        raise SoapFault("VersionMismatch", "SOAP 1.2 is wanted")
    header, content = root.find("Header"), root.find("Body")
    user, password = _credentials(header)
    if not whole:
        return Envelope(form="soap", fields={}, user=user, password=password)
    if header is not None:
        _understand(header)
    message = next((child for child in content.children), None) if content is not None else None
    if message is None:
        raise SoapFault("Sender", "an empty SOAP body")
    if message.name == "Fault":
        raise FaultReceived(_fault_code(message), "the other side answered with a SOAP fault")
    envelope = next((each for each in message.walk() if each.name in KIND_OF_ROOT), None)  # some servers wrap it
    if envelope is None:
        raise SoapFault("Sender", "an element in the SOAP body that is no CORE envelope")
    return _envelope(envelope, KIND_OF_ROOT[envelope.name], parts, (user, password))


def _envelope(message: Element, kind: Kind, parts: Sequence[Part], credentials: tuple[str, str]) -> Envelope:
    fields: dict[str, str] = {}
    payload: bytes | None = None
    exact = True
    repeated: list[str] = []
    for child in message.children:
        name = NAMES.get(child.name.lower())
        if name is None:
            continue
        if name in fields or (name == "Payload" and payload is not None):
            repeated.append(name)
        elif name == "Payload":
            payload, exact = _payload(child, parts)
        else:
            fields[name] = child.text.strip()[:MAX_VALUE]
    user, password = credentials
    return Envelope(
        form="soap",
        fields=fields,
        payload=payload,
        kind=kind,
        user=user,
        password=password,
        exact=exact,
        repeated=tuple(repeated),
    )


def _payload(element: Element, parts: Sequence[Part]) -> tuple[bytes, bool]:
    include = next((child for child in element.children if child.space == _XOP and child.name == "Include"), None)
    if include is None:
        return unwrap(element.text.encode())
    wanted = unquote(include.attributes.get("href", "").removeprefix("cid:"))
    for part in parts:
        if part.content_id == wanted:
            return part.body, True
    raise CoreError("the payload names a part that is not there", "Payload")


def _credentials(header: Element | None) -> tuple[str, str]:
    """User name and password in plain text; a digest cannot be held against a stored hash and counts as none."""
    token = None
    if header is not None:
        token = next((e for e in header.walk() if e.name == "UsernameToken" and e.space == WSSE), None)
    user, password = (token.find("Username"), token.find("Password")) if token is not None else (None, None)
    if password is not None and password.attributes.get("Type", "#PasswordText").endswith("#PasswordDigest"):
        password = None
    return (
        user.text.strip()[:MAX_VALUE] if user is not None else "",
        password.text[:MAX_VALUE] if password is not None else "",
    )


def _understand(header: Element) -> None:
    for child in header.children:
        if child.attributes.get("mustUnderstand") in ("1", "true") and child.name not in _UNDERSTOOD:
            raise SoapFault("MustUnderstand", "a SOAP header that is not understood here")


def _fault_code(fault: Element) -> str:
    value = next((e.text.strip() for e in fault.walk() if e.name in ("Value", "faultcode")), "Receiver")
    return value.rpartition(":")[2] or "Receiver"


# -- writing -----------------------------------------------------------------------------------------------------------


def write_soap(
    root: str,
    fields: dict[str, str],
    payload: bytes | None,
    *,
    credentials: tuple[str, str] | None = None,
) -> bytes:
    """A message as one XML document.  A batch payload goes as base64, a real-time one as text in CDATA."""
    parts = [f'<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{SOAP12}">']
    if credentials is not None:
        user, password = (escape(_visible(text)) for text in credentials)
        parts.append(
            f'<soap:Header><wsse:Security soap:mustUnderstand="true" xmlns:wsse="{WSSE}"><wsse:UsernameToken>'
            f'<wsse:Username>{user}</wsse:Username><wsse:Password Type="{_TOKEN}#PasswordText">{password}'
            "</wsse:Password></wsse:UsernameToken></wsse:Security></soap:Header>"
        )
    space = quoteattr(namespace(fields.get("CORERuleVersion") or RULE_VERSION))
    parts.append(f"<soap:Body><cor:{root} xmlns:cor={space}>")
    for name in FIELDS:
        if name == "Payload":
            if payload is not None:
                parts.append(f"<Payload>{_content(payload, fields.get('ProcessingMode', ''))}</Payload>")
        elif name in fields:
            parts.append(f"<{name}>{escape(_visible(fields[name]))}</{name}>")
    parts.append(f"</cor:{root}></soap:Body></soap:Envelope>")
    return "".join(parts).encode()


def write_fault(code: str, text: str) -> bytes:
    """A SOAP 1.2 fault.  code: Sender | Receiver | VersionMismatch | MustUnderstand; `text` is ours."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{SOAP12}"><soap:Body><soap:Fault>'
        f"<soap:Code><soap:Value>soap:{code}</soap:Value></soap:Code>"
        f"<soap:Reason><soap:Text xml:lang={quoteattr('en')}>{escape(text)}</soap:Text></soap:Reason>"
        "</soap:Fault></soap:Body></soap:Envelope>"
    ).encode()


def _content(payload: bytes, mode: str) -> str:
    if mode == "RealTime":
        try:
            text = payload.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        if text and text == _visible(text):
            return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"
    return base64.b64encode(payload).decode("ascii")


def _visible(text: str) -> str:
    """Without the characters that XML 1.0 cannot carry."""
    return "".join(
        c for c in text if c in "\t\n" or 0x20 <= ord(c) < 0xD800 or 0xE000 <= ord(c) < 0xFFFE or c > "\uffff"
    )
