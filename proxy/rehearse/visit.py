"""What came of one request of a rehearsal, with or without the proxy: all that is kept of it."""

from msgspec import Struct

#: A verdict that counts as answered.
ANSWERED = "ok"
#: The others but `error`, which has a status, in words.
WORDS = {"failed": "ended by an error event", "cut": "cut off", "left": "left", "pending": "no end"}


class Visit(Struct, gc=False):
    """`at` and `ended` in seconds of the rehearsal, `waited`: seconds from asking to the first byte of an answer, None:
    there was none. `verdict` as `SimulatedClient` gives it. `call`: the id of its record, "" without a proxy. `reason` of a
    failure, in words. `wrong`: answered in a script that nobody asked for."""

    at: float
    route: str
    stream: bool
    verdict: str
    ended: float
    waited: float | None = None
    call: str = ""
    reason: str = ""
    wrong: bool = False

    @property
    def answered(self) -> bool:
        return self.verdict == ANSWERED
