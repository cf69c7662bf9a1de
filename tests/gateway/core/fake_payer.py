"""A payer's CORE endpoint of our own making for tests: stdlib parsers, hand-written answers, nothing of the gateway's."""

from __future__ import annotations

import asyncio
import base64
import email
import socket
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import uvicorn

SOAP = (
    '<?xml version="1.0"?><env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Body>'
    '<ns:{root} xmlns:ns="http://www.caqh.org/SOAP/WSDL/CORERule2.2.0.xsd"><PayloadType>{type}</PayloadType>'
    "<ProcessingMode>{mode}</ProcessingMode><PayloadID>{id}</PayloadID><TimeStamp>2026-03-02T14:30:01Z</TimeStamp>"
    "<SenderID>PAYER</SenderID><ReceiverID>BATON</ReceiverID><CORERuleVersion>2.2.0</CORERuleVersion>{payload}"
    "<ErrorCode>{code}</ErrorCode><ErrorMessage>None</ErrorMessage></ns:{root}></env:Body></env:Envelope>"
)


class FakePayer:
    """`answer(fields)` gives the document of a response, or bytes of its own in `raw`.  `asked`: fields of each request.

    `error`: an ErrorCode to say; `status`: an HTTP status to end with; `hold`: answers wait for it."""

    def __init__(self, answer: Callable[[dict[str, str]], bytes | None]) -> None:
        self.asked: list[dict[str, str]] = []
        self.reset(answer)
        self.port = 0

    def reset(self, answer: Callable[[dict[str, str]], bytes | None]) -> None:
        """As it was when it was made."""
        self.answer = answer
        self.asked.clear()
        self.error = "Success"
        self.status = 200
        self.hold: asyncio.Event | None = None

    async def start(self, ssl_context: Any = None) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        factory = None if ssl_context is None else lambda config, default: ssl_context
        config = uvicorn.Config(self, log_config=None, lifespan="off", ws="none", ssl_context_factory=factory)
        self._server = uvicorn.Server(config)
        self._server.capture_signals = __import__("contextlib").nullcontext  # type: ignore[method-assign]
        self._task = asyncio.create_task(self._server.serve([listening]))

    async def stop(self) -> None:
        if self.hold is not None:
            self.hold.set()
        self._server.should_exit = True
        await self._task

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        content_type = dict(scope["headers"])[b"content-type"].decode()
        fields = self.read(content_type, body)
        self.asked.append(fields)
        if self.hold is not None:
            await self.hold.wait()
        answered_type, answered = self.write(content_type, fields)
        headers = [(b"content-type", answered_type.encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": answered if self.status < 500 else b"<html>down</html>"})

    def read(self, content_type: str, body: bytes) -> dict[str, str]:
        if content_type.startswith("multipart/form-data"):
            message = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
            return {
                str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True).decode()  # type: ignore[union-attr]
                for part in message.get_payload()
            }
        root = ElementTree.fromstring(body)
        fields = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
        if fields.get("ProcessingMode") == "Batch" and fields.get("Payload"):
            fields["Payload"] = base64.b64decode(fields["Payload"]).decode()
        fields["root"] = next(iter(root[-1])).tag.rpartition("}")[2]
        return fields

    def write(self, content_type: str, fields: dict[str, str]) -> tuple[str, bytes]:
        document = self.answer(fields)
        mode, id_ = fields["ProcessingMode"], fields["PayloadID"]
        if content_type.startswith("multipart/form-data"):
            values = {"ProcessingMode": mode, "PayloadID": id_, "ErrorCode": self.error, "ErrorMessage": "None"}
            body = "".join(
                f'--Zz\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in values.items()
            ).encode()
            if document is not None:
                body += b'--Zz\r\nContent-Disposition: form-data; name="Payload"\r\n\r\n' + document + b"\r\n"
            return "multipart/form-data; boundary=Zz", body + b"--Zz--\r\n"
        text = ""
        if document is not None:
            content = document.decode() if mode == "RealTime" else base64.b64encode(document).decode()
            text = f"<Payload><![CDATA[{content}]]></Payload>"
        root = fields["root"].replace("Request", "") + "Response"
        filled = SOAP.format(root=root, type="X", mode=mode, id=id_, payload=text, code=self.error)
        return "application/soap+xml; charset=utf-8", filled.encode()
