"""A realtime session as a simulated provider holds it: it echoes what it is told, and counts what it answers.

Just enough of RFC 6455 to talk to a real client: frames of one piece, close and ping answered. `response.create` is answered
with `response.done` and its usage, every other text with itself.
"""

import json
from collections.abc import Mapping

from proxy.wire.websocket import accept_of

USAGE = {"input_tokens": 12, "output_tokens": 30, "total_tokens": 42, "input_token_details": {"cached_tokens": 4}}
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


def asks_to_upgrade(fields: Mapping[bytes, bytes]) -> bool:
    return fields.get(b"upgrade", b"").lower() == b"websocket"


def answer_upgrade(fields: Mapping[bytes, bytes], identity: str) -> bytes:
    """The 101, and the first event right behind it."""
    accept = accept_of(fields[b"sec-websocket-key"].decode())
    lines = [b"HTTP/1.1 101 Switching Protocols", b"upgrade: websocket", b"connection: Upgrade"]
    lines.append(b"sec-websocket-accept: " + accept)
    offered = fields.get(b"sec-websocket-protocol", b"").split(b",")[0].strip()
    if offered:
        lines.append(b"sec-websocket-protocol: " + offered)
    event = {"type": "session.created", "event_id": "e1", "session": {"id": identity, "type": "realtime"}}
    return b"\r\n".join([*lines, b"", b""]) + frame(json.dumps(event).encode())


def frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """One frame of a server."""
    size = len(payload)
    if size < 126:
        return bytes([0x80 | opcode, size]) + payload
    if size < 65536:
        return bytes([0x80 | opcode, 126]) + size.to_bytes(2, "big") + payload
    return bytes([0x80 | opcode, 127]) + size.to_bytes(8, "big") + payload


class Session:
    """`feed` takes what a client sends and gives what it is answered; `closed` once it has said goodbye."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.closed = False

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        out = b""
        while (taken := self._take()) is not None:
            out += self._answer(*taken)
        return out

    def _take(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, at = buffer[1] & 0x7F, 2
        if size >= 126:
            at += 2 if size == 126 else 8
            size = int.from_bytes(buffer[2:at], "big")
        if len(buffer) < at + 4 + size:
            return None
        mask = buffer[at : at + 4]
        body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(buffer[at + 4 : at + 4 + size]))
        opcode = buffer[0] & 0x0F
        del buffer[: at + 4 + size]
        return opcode, body

    def _answer(self, opcode: int, body: bytes) -> bytes:
        if opcode == _CLOSE:
            self.closed = True
            return frame(body, _CLOSE)
        if opcode == _PING:
            return frame(body, _PONG)
        if opcode == _TEXT and b'"response.create"' in body:
            done = {
                "type": "response.done",
                "event_id": "e2",
                "response": {"id": "r", "status": "completed", "usage": USAGE},
            }
            return frame(json.dumps(done).encode())
        return frame(body, opcode)
