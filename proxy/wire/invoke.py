"""The stream of InvokeModel: frames of AWS's event stream, each with one event of the model's own format in it.

A frame of the type `chunk` carries `{"bytes": base64, "p": padding}`; of Claude the bytes are the data of one server-sent
event. They are unpacked into the event that Anthropic itself would have sent and given to the reader of such streams, so
that clients of its format get the model's own bytes. Exceptions come as frames, as in ConverseStream.
Source: the service model of botocore, Anthropic's SDK.
"""

from base64 import b64decode

import msgspec
from msgspec import Struct

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.wire.converse.answer import judge_exception
from proxy.wire.eventstream import Frame, FrameSplitter
from proxy.wire.reading import StreamReader


class Chunk(Struct, gc=False):
    bytes: str = ""


class Kind(Struct, gc=False):
    type: str = ""


_CHUNK = msgspec.json.Decoder(Chunk).decode
_KIND = msgspec.json.Decoder(Kind).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


class InvokeReader(StreamReader):
    """Over the reader of the events inside. A message is stored nowhere."""

    __slots__ = (
        "_inner",
        "_splitter",
    )

    def __init__(self, inner: StreamReader) -> None:
        super().__init__(inner.terminator)
        self._inner = inner
        self._splitter = FrameSplitter()

    def feed(self, data: bytes) -> bytes:
        out: list[bytes] = []
        for frame in self._splitter.feed(data):
            if self.failure is None and not self.done:
                out.append(self._take(frame))
        if self._splitter.failure and self.failure is None and not self.done:
            self.failure = Outcome(OutcomeKind.MALFORMED, message=self._splitter.failure)
        return b"".join(out)

    def forgo(self) -> None:
        self._splitter = FrameSplitter()
        self._inner.forgo()

    def end(self) -> Outcome:
        if self.failure is None and not self.done and self._splitter.pending:
            self.failure = Outcome(OutcomeKind.STREAM_BROKEN, message="the stream ended inside a frame")
        self._inner.extends = self.extends
        return self.failure or self._inner.end()

    @property
    def finish(self) -> str | None:
        return self._inner.finish

    @property
    def written(self) -> int:
        return self._inner.written

    def fragments(self, kind: str) -> list[bytearray]:
        return self._inner.fragments(kind)

    def texts(self) -> list[str]:
        return self._inner.texts()

    def _take(self, frame: Frame) -> bytes:
        inner = self._inner
        out = inner.feed(self._unpack(frame))
        self.failure = self.failure or inner.failure
        self.content, self.done, self.usage, self.model = inner.content, inner.done, inner.usage, inner.model
        self.data_events, self.terminator = inner.data_events, inner.terminator
        return out

    def _unpack(self, frame: Frame) -> bytes:
        """The event inside, b"" for none."""
        headers = frame.headers
        if headers.get(":message-type") == "exception":
            self.failure = judge_exception(str(headers.get(":exception-type", "")), frame.payload)
        elif headers.get(":event-type") == "chunk":
            try:
                data = b64decode(_CHUNK(frame.payload).bytes, validate=True)
                return b"event: %b\ndata: %b\n\n" % (_KIND(data).type.encode(), data)
            except _UNREADABLE:
                self.failure = Outcome(OutcomeKind.MALFORMED, message="an event of the stream cannot be read")
        return b""
