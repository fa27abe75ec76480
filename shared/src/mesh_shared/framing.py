"""What is refused before there is a request: two hosts or none, heads without end, handshakes that are none.

Our server keeps a head however long it is, takes the fields after a body for fields before it, and answers
what is no HTTP with a line of text.
"""

import re
from collections.abc import Sequence
from typing import Any

import orjson

from mesh_shared.errors import AddressTooLong, HeadTooLarge, HostUnclear, MalformedRequest, MeshError
from mesh_shared.silence import Connection
from mesh_shared.web import problems

MAX_ADDRESS_BYTES = 8000
"""Path and query; what RFC 9110 §4.1 asks for at least."""
MAX_HEAD_BYTES = 1 << 16
Fields = Sequence[tuple[bytes, bytes]]
_HANDSHAKE = (b"sec-websocket-key", b"sec-websocket-version")
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")


class Framed(Connection):
    """One connection. Whatever it refuses is a problem document, and its end."""

    _refusal: MeshError = MalformedRequest("The bytes are no HTTP request.")
    _loose = 0
    """Bytes since the last head, piece of a body or end of a request: those that somebody must keep."""
    _is_in_head = True

    def data_received(self, data: bytes) -> None:
        self._loose += len(data)
        super().data_received(data)
        if self._loose > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refusal = _too_long(self.url) if self._is_in_head else HeadTooLarge()
            self.send_400_response("")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # RFC 9110 §6.5.1: a trailer is no field of the head
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if (refusal := self._fault()) is not None:
            self._refusal = refusal
            raise refusal  # the parser gives up, and whoever feeds it answers
        self._loose, self._is_in_head = 0, False
        super().on_headers_complete()

    def _fault(self) -> MeshError | None:
        """What is wrong with a head that is here whole."""
        if [name for name, _ in self.headers].count(b"host") != 1:
            return HostUnclear()
        if len(self.url) > MAX_ADDRESS_BYTES:
            return AddressTooLong()
        is_large = self._loose > MAX_HEAD_BYTES and _size(self.headers) > MAX_HEAD_BYTES
        return HeadTooLarge() if is_large else None

    def on_body(self, body: bytes) -> None:
        self._loose = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._loose, self._is_in_head = 0, True
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """What is no handshake is refused: our server would wait for the rest of it without end."""
        if self.url.startswith(b"/") and _is_handshake(self.scope["method"], self.headers):
            super().handle_websocket_upgrade()
            if getattr(self.transport.get_protocol(), "handshake_initiated", False):
                return
        self._refusal = MalformedRequest("The request opens no WebSocket.")
        self.send_400_response("")

    def send_400_response(self, msg: str) -> None:
        """Answers with the refusal, where that is not in the place of another answer, and hangs up."""
        if self._is_turn():
            self.transport.write(self._answer())
        self.transport.close()

    def fields(self, code: str) -> dict[str, str]:
        """Fields of the answer to a refusal with that code, beside its length."""
        return {
            "content-type": problems.MEDIA_TYPE,
            "x-content-type-options": "nosniff",
            "connection": "close",
        }

    def _answer(self) -> bytes:
        refusal = self._refusal
        code, status = refusal.code(), refusal.status
        body = orjson.dumps(problems.document("", status, code, refusal.title, refusal.detail, {}))
        fields = self.fields(code) | {"content-length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode() + body

    def _is_turn(self) -> bool:
        """True when nothing was said yet to what is refused, and everything to what came before it."""
        last: Any = self.cycle
        if last is None or last.response_complete:
            return True
        return not (self._is_in_head or last.response_started or self.pipeline)


def _size(fields: Fields) -> int:
    return sum(len(name) + len(value) for name, value in fields)


def _is_handshake(method: str, fields: Fields) -> bool:
    """RFC 6455 §4.1."""
    said = sorted((name, value) for name, value in fields if name in _HANDSHAKE)
    match said:
        case [(_, key), (_, b"13")]:
            return method == "GET" and _KEY.fullmatch(key) is not None
        case _:
            return False


def _too_long(url: bytes) -> MeshError:
    return AddressTooLong() if len(url) > MAX_ADDRESS_BYTES else HeadTooLarge()
