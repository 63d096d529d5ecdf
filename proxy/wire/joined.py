"""Reading the stream of an answer that goes on where another was cut.

The reader of the target's own format judges the stream as it always does; a joint then takes out of what the client would
get what it has already. So any pair of formats can be joined, relayed or translated, and what the provider reports of itself
(usage, model, failures) stays as it is for the books.

`content` means here: something that the client does not have yet. An answer that turns out to be another one is a failure,
DIVERGED, of which nothing was passed on. Invariant: any split of the bytes gives the same output and verdict.
"""

from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.wire.joints.joint import Joint
from proxy.wire.reading import StreamReader

_DIVERGED = "the answer is not the one that was begun"


class JoinedReader(StreamReader):
    """See the module's text. `begun`: the provider has sent content, be it old or new. `extends`: the target was asked to go
    on, and so may rightly have nothing more to say."""

    __slots__ = ("_inner", "_joint")

    def __init__(self, inner: StreamReader, joint: Joint, extends: bool) -> None:
        super().__init__()
        inner.extends = extends
        self._inner = inner
        self._joint = joint

    @property
    def begun(self) -> bool:
        return self._inner.content

    def feed(self, data: bytes) -> bytes:
        if self._silent:
            return b""
        out = self._inner.feed(data)
        if out:
            out = self._joint.join(out)
        self._follow()
        return out

    def forgo(self) -> None:
        self._inner.forgo()

    def end(self) -> Outcome:
        if self.failure is not None:
            return self.failure
        inner = self._inner
        outcome = inner.end()
        self._follow()
        if not outcome.ok:
            return outcome
        self._silent = True
        self.terminator = self._joint.join(inner.terminator)
        if self._joint.diverged or not self._joint.complete:
            return Outcome(OutcomeKind.DIVERGED, message=_DIVERGED)
        return OK

    @property
    def finish(self) -> str | None:
        return self._inner.finish

    def fragments(self, kind: str) -> list[bytearray]:
        return self._inner.fragments(kind)

    def texts(self) -> list[str]:
        return self._inner.texts()

    def _follow(self) -> None:
        """What can be seen of this reader after these bytes."""
        inner, joint = self._inner, self._joint
        self.data_events = inner.data_events
        self.model = inner.model
        self.usage = inner.usage
        self.content = joint.beyond
        self.done = inner.done
        if joint.diverged:
            self._fail(Outcome(OutcomeKind.DIVERGED, message=_DIVERGED))
        elif inner.failure is not None:
            self._fail(inner.failure)
