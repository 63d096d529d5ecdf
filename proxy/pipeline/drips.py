"""A stream that still comes, and so slowly that nobody has anything of it: a drip is a cut.

Idle limits judge silence, and a token every twenty seconds is none. So the text of a stream is measured, half a minute at
a time, from its first content on; below the provider's `detect.min_rate` the attempt ends as if it had fallen silent.
A stretch without any text is not judged here (tools are at work, or the model reasons in silence): that is what the
idle limit is for. Nor is one in which the client did not keep up.

A token is four characters, or one event where those are shorter: good enough to tell one a second from fifty.
"""

from proxy.wire.reading import StreamReader

SPAN = 30.0
_CHARACTERS = 4


class Drips:
    """The pace of one stream. `least`: tokens a second."""

    __slots__ = ("_characters", "_events", "_least", "_since")

    def __init__(self, least: float, now: float) -> None:
        self._least = least
        self._since = now
        self._characters = 0
        self._events = 0

    @property
    def due(self) -> float:
        """When to look again."""
        return self._since + SPAN

    def excuse(self, now: float) -> None:
        """The client did not keep up: measure anew from here."""
        self._since = now

    def judge(self, reader: StreamReader, now: float) -> str | None:
        """What is wrong, as a sentence without a full stop; None: nothing, or it is too early to tell."""
        if now < self.due:
            return None
        seconds = now - self._since
        characters, events = reader.written - self._characters, reader.data_events - self._events
        self._since, self._characters, self._events = now, reader.written, reader.data_events
        tokens = max(characters / _CHARACTERS, min(events, characters))
        if not 0 < tokens < self._least * seconds:
            return None
        return f"it came at {tokens / seconds:.2g} tokens a second, less than the {self._least:g} that min_rate asks for"
