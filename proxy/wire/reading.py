"""What comes of reading a provider's answer, whole or streamed, in whatever wire format."""

from abc import ABC, abstractmethod

from msgspec import Struct, field

from proxy.core.outcome import Outcome
from proxy.core.usage import Usage

#: Characters of generated text kept for counting; what is beyond is not counted.
MAX_TEXT = 2 * 1024 * 1024


class Answer(Struct, gc=False):
    """A whole 2xx answer, judged. `body` is what the client gets: the provider's own bytes where the formats are the
    same. `texts` are the generated pieces, kept only for counting where `usage` is None. `resource_id`: what the provider's
    account may keep it under, to be asked for later. `finish`: why its first choice ended, in the provider's own word."""

    outcome: Outcome
    body: bytes
    usage: Usage | None = None
    model: str | None = None
    texts: list[str] = field(default_factory=list)
    resource_id: str | None = None
    finish: str | None = None


class StreamReader(ABC):
    """Reads a provider's stream as it comes and gives back what the client may see of it.

    `feed` takes any split of the bytes and returns whole events in the client's format, ready to write (often the very
    object it was given). The terminator (`[DONE]`) is never returned by `feed`: the relay writes `terminator` itself when
    the stream has earned it. Attributes are read after each `feed`:

    `content`: an event that carries content has been seen (the commit point). `failure`: an error event, or an event that
    cannot be read; nothing of it was returned, and nothing will be. `done`: the terminal event was seen. `usage`,
    `model`: last non-null. `data_events`: how many events with data so far, so that comments do not count as life.
    `resource_id`: what the provider's account may keep the answer under, None where it keeps none. `extends`, to be set: the
    provider was asked to go on with an answer, and may rightly have nothing more to say. `given`: usage of which only
    the input counts, where a provider tells that before it generates anything, and the rest at the end.
    """

    __slots__ = (
        "_kept",
        "_silent",
        "_texts",
        "content",
        "data_events",
        "done",
        "extends",
        "failure",
        "given",
        "model",
        "resource_id",
        "terminator",
        "usage",
    )

    def __init__(self, terminator: bytes = b"") -> None:
        self._texts: dict[str, bytearray] = {}
        self._kept = 0
        #: It has failed or ended: whatever comes now is nobody's.
        self._silent = False
        self.content = False
        self.failure: Outcome | None = None
        self.done = False
        self.extends = False
        self.usage: Usage | None = None
        self.given: Usage | None = None
        self.model: str | None = None
        self.data_events = 0
        self.terminator = terminator
        self.resource_id: str | None = None

    @abstractmethod
    def feed(self, data: bytes) -> bytes: ...

    @abstractmethod
    def end(self) -> Outcome:
        """The verdict, once the stream is done or the provider closed it in order: OK, STREAM_BROKEN (no finish reason, an
        event cut in the middle) or MALFORMED (finished without any content)."""

    def forgo(self) -> None:  # noqa: B027 (not every format has such a rest)
        """The connection broke: what is left of an unfinished event says nothing about what came before it."""

    @property
    def written(self) -> int:
        """Characters of generated text so far."""
        return self._kept

    @property
    def finish(self) -> str | None:
        """Why the first choice ended, in the provider's own word or in ours; None: it did not say (so far)."""
        return None

    def fragments(self, kind: str) -> list[bytearray]:
        """What was generated so far of one kind (`content`, `refusal`, `tool`), per choice, block or call; not to be
        changed."""
        return [text for key, text in self._texts.items() if key == kind or key.startswith(f"{kind}:")]

    def texts(self) -> list[str]:
        """Generated text so far, one string per choice and kind, for counting where no usage came."""
        return [text.decode() for text in self._texts.values()]

    def _keep(self, kind: str, text: str, index: int = 0, content: bool = True) -> None:
        """Note generated text of a choice or block. `content` False: it tells of content that is yet to come."""
        if not text:
            return
        if content:
            self.content = True
        self._kept += len(text)
        if self._kept > MAX_TEXT:
            return
        key = kind if index == 0 else f"{kind}:{index}"
        written = self._texts.get(key)
        if written is None:
            written = self._texts[key] = bytearray()
        written += text.encode()

    def _fail(self, outcome: Outcome) -> bytes:
        """Nothing goes on from here."""
        self.failure = outcome
        self._silent = True
        return b""
