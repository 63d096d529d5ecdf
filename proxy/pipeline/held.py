"""An attempt whose stream is held back beyond its first content, for a client that prefers a whole answer to an early one.

Until so much has come the client has nothing, so whatever breaks off in that time is answered by somebody else, unseen. What
keeps the client waiting is told by comments, as any silence is. A hold never costs an answer: it ends when there is no room
for more, and where nothing may be said meanwhile, when the client would give up.
"""

from proxy.core.outcome import OutcomeKind
from proxy.pipeline.attempt import Attempt

#: A rough figure: what a client wants held back need not be counted.
CHARACTERS_PER_TOKEN = 4


class HeldAttempt(Attempt):
    """See the module's text. `_held` holds what the client will get."""

    __slots__ = ()

    def _commit(self, out: bytes) -> None:
        """There is content. Enough of it?"""
        reader = self.reader
        assert reader is not None  # it has told of content
        if not self._flowing:
            self._begin_flow(self._services.loop.time())
        wanted = self._wanted() * CHARACTERS_PER_TOKEN
        room = self._held_size + len(out) <= self._services.max_answer
        if reader.written < wanted and room:
            self._held.append(out)
            self._held_size += len(out)
        else:
            super()._commit(out)

    def _wanted(self) -> int:
        """Tokens that are held back."""
        return self._journey.route.route.hold

    def _limit(self) -> tuple[float, OutcomeKind]:
        moment, kind = super()._limit()
        return (min(moment, self._journey.commit_by) if self._is_waited_for() else moment), kind

    def _watch(self) -> None:
        if self._is_waited_for() and self._services.loop.time() >= self._journey.commit_by < self._journey.deadline:
            super()._commit(b"")
        super()._watch()

    def _is_waited_for(self) -> bool:
        """Content is held back from a client that has heard nothing yet."""
        return self._flowing and not self._streaming and not self._journey.downstream.started
