"""The text on both sides of a cut: what of a second answer the client has already, and what is new.

A seam is given what the client was sent, then the text of another answer piece by piece, and gives back what is beyond.
There are two, for the two ways of asking again:

`Exact`: the same question was asked, so the answer must begin with every character that was sent. It proves itself: the
first other character is a divergence, and nothing has been passed on by then.

`Overlap`: the target was asked to go on after `given`, which is what was sent without the white space at its end (vendors
refuse that, chat templates trim it). So the white space that the client has is taken off the beginning. Some targets repeat
the last words before they go on, which are taken off too, and some begin the whole answer anew, which is a divergence.
Nobody can prove a repetition, since texts repeat themselves; only one that is long, varied, and stands nowhere else in what
was sent counts as one. Until that is decided the beginning is held back.

Invariants: any split of the text gives the same result; characters are compared as they are, never normalised; what was
passed on is never taken back.
"""

from abc import ABC, abstractmethod

#: The shortest repetition that is taken for one, in characters, and how many different ones it must have.
MIN_OVERLAP = 12
MIN_VARIETY = 5
#: Characters in which an answer may begin like the first one without being taken for a new one of the whole.
MAX_ALIKE = 24
#: How far back a repetition can reach.
MAX_OVERLAP = 8192


class Seam(ABC):
    """`complete`: nothing is awaited or held any more, all text goes on. `diverged`: this answer is not the first one's, and
    nothing of it may go on."""

    __slots__ = ("complete", "diverged")

    def __init__(self) -> None:
        self.complete = False
        self.diverged = False

    @abstractmethod
    def feed(self, text: str) -> str:
        """What of the next piece, and of pieces before it, is new to the client."""

    @abstractmethod
    def finish(self) -> str:
        """No text comes before what comes next: what was held back. Diverged, if the text was to be longer."""


class Exact(Seam):
    """See the module's text."""

    __slots__ = ("_at", "_sent")

    def __init__(self, sent: str) -> None:
        super().__init__()
        self._sent = sent
        self._at = 0
        self.complete = not sent

    def feed(self, text: str) -> str:
        if self.complete or self.diverged:
            return "" if self.diverged else text
        left = len(self._sent) - self._at
        known = text[:left]
        if not self._sent.startswith(known, self._at):
            self.diverged = True
            return ""
        self._at += len(known)
        self.complete = self._at == len(self._sent)
        return text[left:]

    def finish(self) -> str:
        self.diverged = self.diverged or not self.complete
        return ""


class Overlap(Seam):
    """See the module's text."""

    __slots__ = ("_given", "_held", "_sent", "_space")

    def __init__(self, sent: str, given: str) -> None:
        super().__init__()
        self._sent = sent
        self._given = given
        self._space = sent[len(given) :]
        self._held = ""

    def feed(self, text: str) -> str:
        if self.complete or self.diverged:
            return "" if self.diverged else text
        self._held += text
        start = self._held.lstrip()
        if not start or (len(start) <= MAX_OVERLAP and start in self._sent[-MAX_OVERLAP - 1 :]):
            return ""  # white space only, or still what could be a repetition
        return self._decide(start)

    def finish(self) -> str:
        if self.complete or self.diverged:
            return ""
        return self._decide(self._held.lstrip())

    def _decide(self, start: str) -> str:
        held, self._held = self._held, ""
        self.complete = True
        for sent, space in ((self._sent, ""), (self._given, self._space)):
            for text in (held, start):
                repeated = _measure_overlap(sent, text)
                if repeated:
                    return _take_space(text[repeated:], space)
        if _measure_alike(self._sent, start) >= MAX_ALIKE:
            self.complete, self.diverged = False, True
            return ""
        return _take_space(held, self._space)


def _measure_overlap(sent: str, start: str) -> int:
    """Characters at the beginning of `start` that repeat the end of what was sent; 0: none that are surely a repetition."""
    for length in range(min(len(sent), len(start), MAX_OVERLAP), MIN_OVERLAP - 1, -1):
        if start.startswith(sent[-length:]):
            repeated = start[:length]
            certain = len(set(repeated)) >= MIN_VARIETY and sent.find(repeated) == len(sent) - length
            return length if certain else 0
    return 0


def _measure_alike(sent: str, start: str) -> int:
    """Characters in which two texts begin alike."""
    shorter = min(len(sent), len(start))
    return next((at for at in range(shorter) if sent[at] != start[at]), shorter)


def _take_space(text: str, space: str) -> str:
    """The text without the white space that the client has already. Where the two are different, the client's counts."""
    if not space:
        return text
    lead = text[: len(text) - len(text.lstrip())]
    if lead.startswith(space):
        return text[len(space) :]
    return text[len(lead) :]
