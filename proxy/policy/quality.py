"""What can be wrong with an answer that came: found in what is at hand when an attempt ends, and nothing of it kept.

Decides, for one answer, which flaws it shows. A flaw of one answer means little (a client may have asked for ten tokens, or
for Thai); what counts is how often a target's answers show it, against what is usual for it and against its siblings
(`outliers.py`). So a sign may be crude, as long as it is cheap and does not change its mind.

The signs that cost a look at the text (`is_looping`, `has_foreign_script`) look at a bounded piece of it. Refuses to know
wire formats: a finish is the word that a vendor wrote, a text is a text.
"""

import enum
import json
from collections.abc import Iterable

import msgspec

from proxy.core.outcome import OutcomeKind

#: Characters that are looked at from the end of a text, and bytes of JSON that are parsed.
TAIL = 400
MAX_JSON = 64 * 1024
_HEAD = 80

_CUTS = frozenset({OutcomeKind.STREAM_BROKEN, OutcomeKind.IDLE_TIMEOUT, OutcomeKind.SERVER_ERROR, OutcomeKind.OVERLOADED})

_LIMITS = frozenset({"length", "max_tokens", "model_length", "max_output_tokens", "MAX_TOKENS", "incomplete"})
_REFUSALS = frozenset({"refusal", "content_filter", "safety", "SAFETY", "guardrail_intervened", "content_filtered"})
_APOLOGIES = (
    "i'm sorry, but i can",
    "i’m sorry, but i can",
    "i am sorry, but i can",
    "sorry, i can't",
    "sorry, i can’t",
    "i can't help with",
    "i can’t help with",
    "i can't assist",
    "i can’t assist",
    "i cannot assist",
    "i cannot help with",
    "i'm unable to",
    "i’m unable to",
)


class Flaw(enum.IntEnum):
    """What may be wrong. The values are places in a count; an answer's flaws are a set of bits, `1 << flaw`."""

    EMPTY = 0
    CUT = 1
    UNFINISHED = 2
    TRUNCATED = 3
    REFUSED = 4
    BAD_JSON = 5
    BAD_ARGUMENTS = 6
    FOREIGN_SCRIPT = 7
    LOOPING = 8
    FAILED = 9


FLAWS = tuple(Flaw)
#: For one sentence each: "12 of 40 answers …".
WORDS = (
    "were empty or unreadable",
    "were cut off",
    "had no finish reason",
    "stopped at a length limit",
    "were refusals",
    "were not the JSON that was asked for",
    "called tools with arguments that are no JSON",
    "were in a script nobody had written in",
    "went round in circles",
    "failed",
)
#: Found only in texts that were looked at.
SAMPLED = 1 << Flaw.REFUSED | 1 << Flaw.FOREIGN_SCRIPT | 1 << Flaw.LOOPING
#: As labels and in JSON.
NAMES = tuple(flaw.name.lower() for flaw in FLAWS)


def flaws_of(kind: OutcomeKind, began: bool) -> int:
    """The flaws that an outcome alone shows. `began`: the client has seen some of the answer."""
    if kind is OutcomeKind.OK:
        return 0
    if kind is OutcomeKind.MALFORMED or (kind is OutcomeKind.STREAM_BROKEN and not began):
        return 1 << Flaw.EMPTY
    return 1 << Flaw.CUT if began and kind in _CUTS else 1 << Flaw.FAILED


def judge_finish(finish: str | None) -> int:
    """The flaws that a finish reason shows."""
    if finish is None:
        return 1 << Flaw.UNFINISHED
    if finish in _LIMITS:
        return 1 << Flaw.TRUNCATED
    return 1 << Flaw.REFUSED if finish in _REFUSALS else 0


def is_refusal(head: str) -> bool:
    """Does a text begin the way models decline? English only: what is said otherwise is not noticed."""
    return head[:_HEAD].lstrip().lower().startswith(_APOLOGIES)


def is_json(text: bytes | bytearray | str) -> bool:
    """Is a text, all of it, JSON? One that is too long to be looked at counts as such."""
    if len(text) > MAX_JSON:
        return True
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def has_broken_arguments(texts: Iterable[str]) -> bool:
    """Does any of these tool calls (names and arguments in a row, as they came) hold an object that does not end well?"""
    return any(_is_broken(text) for text in texts if len(text) <= MAX_JSON)


def _is_broken(text: str) -> bool:
    place = text.find("{")
    while place >= 0:
        try:
            _, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            return True
        place = text.find("{", place)
    return False


def is_looping(tail: str) -> bool:
    """Does the end of a text repeat itself, five times or more, in pieces of up to `TAIL` / 5 characters? Lines of dashes,
    padding and the like do not count."""
    tail = tail[-TAIL:]
    piece = tail[-20:]
    if len(tail) < TAIL // 2 or len(set(piece)) < 5:
        return False
    before = tail.rfind(piece, 0, len(tail) - 1)
    period = len(tail) - 20 - before
    if before < 0 or period > TAIL // 5 or period * 5 > len(tail):
        return False
    return tail[-4 * period :] == tail[-5 * period : -period]


def has_foreign_script(text: str) -> bool:
    """Five letters or more of a script other than Latin, in a piece of an answer to a request in plain ASCII. Greek is left
    out: formulas are full of it."""
    tail = text[-TAIL:]
    if tail.isascii():
        return False
    return sum(1 for letter in tail if letter >= "\u0400" and letter.isalpha() and not _is_latin(letter)) >= 5


def _is_latin(letter: str) -> bool:
    return "\u1e00" <= letter <= "\u1fff" or "\u2100" <= letter <= "\u218f" or letter >= "\U0001d400"


_DECODER = json.JSONDecoder()
