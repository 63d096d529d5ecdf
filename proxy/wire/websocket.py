"""WebSocket as far as a relay must know it: the handshake, and what the frames of a realtime session tell in passing.

The relay never depends on what is read here. A `FrameSniffer` follows the frames of one direction by their lengths, looks
into none but short text messages that say `response.done`, and goes blind at the first byte that is not as it should be, or
compressed; the bytes flow on. What it finds: the usage of the session so far, and whether this end said goodbye.

Browsers cannot set headers, so OpenAI's clients put the key into a subprotocol (`openai-insecure-api-key.…`); it is a key of
this proxy, and never goes upstream, nor does what would choose an account there. Source: RFC 6455, OpenAI's realtime guide.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

import msgspec
from msgspec import Struct

from proxy.core.call import Call, Envelope
from proxy.core.exchange import ClientRequest, HeaderList
from proxy.core.usage import Usage
from proxy.wire.lenient import UNREADABLE
from proxy.wire.openai_envelope import EnvelopeError, read_model
from proxy.wire.openai_usage import make_usage

PATHS = frozenset({"/v1/realtime", "/realtime"})
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_PROTOCOL = "openai-insecure-api-key."
#: Subprotocols that are not the session's: the client's key, and the choice of an account.
_PRIVATE = (_KEY_PROTOCOL, "openai-organization.", "openai-project.")
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NOTHING = frozenset((b"content-length", b"transfer-encoding", b"expect"))


def is_handshake(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether these are the headers of an opening handshake that everybody reads as one: each of its four once and exactly,
    and no body."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in _NOTHING or (lower in found and lower in _ONCE):
            return False
        found[lower] = value.strip()
    tokens = {token.strip().lower() for token in found.get(b"connection", b"").split(b",")}
    return (
        found.get(b"upgrade", b"").lower() == b"websocket"
        and b"upgrade" in tokens
        and tokens <= {b"upgrade", b"keep-alive"}
        and found.get(b"sec-websocket-version") == b"13"
        and _is_key(found.get(b"sec-websocket-key", b""))
    )


_ONCE = frozenset((b"connection", b"upgrade", b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-protocol"))


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 16
    except binascii.Error:
        return False


def list_protocols(headers: Mapping[str, str]) -> list[str]:
    """The subprotocols that a client offers, what cannot be one left out."""
    offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
    return [name for name in offered if name and _TOKEN.issuperset(name)]


def find_key(headers: Mapping[str, str]) -> str | None:
    """The client's key, where it came as a subprotocol."""
    keys = [name for name in list_protocols(headers) if name.startswith(_KEY_PROTOCOL)]
    return keys[0].removeprefix(_KEY_PROTOCOL) if len(keys) == 1 else None


def read_session(request: ClientRequest) -> Envelope:
    """The outside of a realtime request: the model stands in the query. Raises EnvelopeError."""
    try:
        pairs = parse_qsl(request.query, keep_blank_values=True, strict_parsing=bool(request.query), max_num_fields=50)
    except ValueError:
        raise EnvelopeError("Invalid query.", "model", "invalid_value") from None
    models = [value for name, value in pairs if name == "model"]
    if len(models) > 1:
        raise EnvelopeError("Invalid 'model': it stands in the query more than once.", "model", "invalid_value")
    model = read_model(msgspec.Raw(msgspec.json.encode(models[0]))) if models else ""
    if not model:
        raise EnvelopeError("you must provide a model parameter", "model")
    fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in pairs if name != "model"}
    return Envelope(model, True, False, fields, b"", opaque=True)


@dataclass(slots=True)
class Handshake:
    """What goes upstream: `path` with its query, `lines` of headers."""

    path: str
    lines: str


def write_handshake(call: Call, model: str) -> Handshake:
    """The opening handshake for this upstream model; the client's key to the frames is passed on as it is. Extensions are
    not offered: frames that are compressed could not be followed."""
    query = [("model", model)]
    query += [(name, msgspec.json.decode(bytes(raw), type=str)) for name, raw in call.envelope.fields.items()]  # type: ignore[call-overload]
    path = "/realtime?" + "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    lines = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    lines += f"sec-websocket-key: {call.headers.get('sec-websocket-key', '')}\r\n"
    public = [name for name in list_protocols(call.headers) if not name.startswith(_PRIVATE)]
    if public:
        lines += f"sec-websocket-protocol: {', '.join(public)}\r\n"
    return Handshake(path, lines)


def accept_of(key: str) -> bytes:
    """What a server answers to a client's key."""
    return base64.b64encode(hashlib.sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest())


def answer_handshake(client: Mapping[str, str], answer: HeaderList) -> list[tuple[bytes, bytes]] | None:
    """The client's answer to a provider's 101; None: that is no sound answer to this client's handshake."""
    headers = dict(answer)
    accept = accept_of(client.get("sec-websocket-key", ""))
    if headers.get(b"sec-websocket-accept") != accept or headers.get(b"upgrade", b"").lower() != b"websocket":
        return None
    if b"sec-websocket-extensions" in headers:
        return None
    reply = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", accept)]
    protocol = headers.get(b"sec-websocket-protocol")
    if protocol is not None:
        if protocol.decode("latin-1") not in list_protocols(client):
            return None
        reply.append((b"sec-websocket-protocol", protocol))
    return reply


class _Response(Struct, gc=False):
    usage: dict[str, object] | None = None


class _Done(Struct, gc=False):
    type: str = ""
    response: _Response | None = None


_DONE = msgspec.json.Decoder(_Done)
#: Bytes of a message that are kept to see what it is, and bytes of one that is worth reading.
_START = 256
_MAX_MESSAGE = 1024 * 1024
_SIGN = b'"response.done"'
_FINAL, _RESERVED, _OPCODE, _MASK = 0x80, 0x70, 0x0F, 0x80
_TEXT, _CLOSE = 1, 8
#: How many bytes of length follow these short ones.
_LENGTHS = {126: 2, 127: 8}


class FrameSniffer:
    """Follows one direction. `masked`: the client's. `closed`: a close frame was seen. `usage`: the sum over all responses
    so far."""

    __slots__ = ("_blind", "_head", "_keeps", "_left", "_masked", "_message", "_opcode", "closed", "usage")

    def __init__(self, masked: bool) -> None:
        self._masked = masked
        self._head = bytearray()
        self._left = 0
        self._opcode = 0
        self._message = bytearray()
        self._keeps = False
        self._blind = False
        self.closed = False
        self.usage: Usage | None = None

    def feed(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not self._blind:
            if self._left:
                taken = data[at : at + self._left]
                self._left -= len(taken)
                at += len(taken)
                self._keep(taken)
                if not self._left:
                    self._finish()
            else:
                at = self._take_head(data, at)

    def _take_head(self, data: bytes, at: int) -> int:
        """One byte of a frame's head after the other: it has 14 at most."""
        head = self._head
        head.append(data[at])
        if len(head) < 2:
            return at + 1
        short = head[1] & 0x7F
        if head[0] & _RESERVED or bool(head[1] & _MASK) != self._masked:
            self._blind = True
            return at + 1
        size = 2 + _LENGTHS.get(short, 0) + (4 if self._masked else 0)
        if len(head) == size:
            self._begin(bytes(head), short)
            head.clear()
        return at + 1

    def _begin(self, head: bytes, short: int) -> None:
        self._opcode = head[0]
        self._left = int.from_bytes(head[2 : 2 + _LENGTHS[short]], "big") if short in _LENGTHS else short
        kind = head[0] & _OPCODE
        if kind == _CLOSE:
            self.closed = True
        elif 0 < kind < _CLOSE:  # control frames may stand inside a message, and continuations have no kind
            self._message.clear()
            self._keeps = kind == _TEXT and not self._masked
        if not self._left:
            self._finish()

    def _keep(self, data: bytes) -> None:
        message = self._message
        if not self._keeps or self._opcode & _OPCODE >= _CLOSE:
            return
        message += data
        if len(message) > _MAX_MESSAGE or (len(message) >= _START and _SIGN not in message[:_START]):
            self._keeps = False
            message.clear()

    def _finish(self) -> None:
        """A frame is over; perhaps a message with it."""
        if self._keeps and self._opcode & _FINAL and self._opcode & _OPCODE < _CLOSE:
            self._keeps = False
            if _SIGN in self._message[:_START]:
                self._note(bytes(self._message))

    def _note(self, message: bytes) -> None:
        try:
            done = _DONE.decode(message)
        except UNREADABLE:
            return
        if done.type != "response.done" or done.response is None or done.response.usage is None:
            return
        # Realtime says `token` where all others say `tokens`.
        told = done.response.usage
        details = {f"{side}_tokens_details": told.get(f"{side}_token_details") for side in ("input", "output")}
        spent = make_usage({**told, **details})
        if spent is not None:
            self.usage = spent if self.usage is None else _add(self.usage, spent)


def _add(one: Usage, other: Usage) -> Usage:
    return Usage(
        input=one.input + other.input,
        output=one.output + other.output,
        cached=one.cached + other.cached,
        cache_write=one.cache_write + other.cache_write,
        reasoning=one.reasoning + other.reasoning,
        audio_in=one.audio_in + other.audio_in,
        audio_cached=one.audio_cached + other.audio_cached,
        image_in=one.image_in + other.image_in,
        image_cached=one.image_cached + other.image_cached,
        audio_out=one.audio_out + other.audio_out,
        image_out=one.image_out + other.image_out,
        tier=other.tier,
    )
