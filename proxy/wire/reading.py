"""What comes of reading a provider's answer, whole or streamed, in whatever wire format."""

from typing import Protocol

from msgspec import Struct, field

from proxy.core.outcome import Outcome
from proxy.core.usage import Usage


class Answer(Struct, gc=False):
    """A whole 2xx answer, judged. `body` is what the client gets: the provider's own bytes where the formats are the
    same. `texts` are the generated pieces, kept only for counting where `usage` is None. `resource_id`: what the provider's
    account may keep it under, to be asked for later."""

    outcome: Outcome
    body: bytes
    usage: Usage | None = None
    model: str | None = None
    texts: list[str] = field(default_factory=list)
    resource_id: str | None = None


class StreamReader(Protocol):
    """Reads a provider's stream as it comes and gives back what the client may see of it.

    `feed` takes any split of the bytes and returns whole events in the client's format, ready to write (often the very
    object it was given). The terminator (`[DONE]`) is never returned by `feed`: the relay writes `terminator` itself when
    the stream has earned it. Attributes are read after each `feed`:

    `content`: an event that carries content has been seen (the commit point). `failure`: an error event, or an event that
    cannot be read; nothing of it was returned, and nothing will be. `done`: the terminal event was seen. `usage`,
    `model`: last non-null. `data_events`: how many events with data so far, so that comments do not count as life.
    `resource_id`: what the provider's account may keep the answer under, None where it keeps none.
    """

    content: bool
    failure: Outcome | None
    done: bool
    usage: Usage | None
    model: str | None
    data_events: int
    terminator: bytes

    @property
    def resource_id(self) -> str | None: ...

    def feed(self, data: bytes) -> bytes: ...

    def end(self) -> Outcome:
        """The verdict, once the stream is done or the provider closed it in order: OK, STREAM_BROKEN (no finish reason, an
        event cut in the middle) or MALFORMED (finished without any content)."""
        ...

    def texts(self) -> list[str]:
        """Generated text so far, one string per choice and kind, for counting where no usage came."""
        ...
