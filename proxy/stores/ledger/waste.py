"""Whether an attempt's tokens were of use to anybody, and if not, why: a table that a reviewer can audit. Pure.

| kind     | the tokens of                                                                                        |
|----------|------------------------------------------------------------------------------------------------------|
| ``       | an answer that the client received (one that was cut and then went on elsewhere too)                  |
| `hedge`  | the slower of two copies: a second one that was not needed, or the first one that it overtook         |
| `check`  | an answer that did not pass the route's checks, or did not go on from what had been sent              |
| `cut`    | an answer that broke off after content had come, whether the client had seen that content or not      |
| `left`   | an answer that nobody waited for any more: its client had gone, or had asked anew                     |
| `failed` | an attempt that failed before any content; the call was tried again elsewhere, or given up            |
| `lost`   | an attempt that was under way when the proxy died                                                     |
| `probe`  | a probe of our own                                                                                   |
"""

from collections.abc import Sequence

from proxy.core.outcome import OutcomeKind
from proxy.core.records import Purpose
from proxy.stores.ledger.entries import LOST, AttemptEntry

HEDGE, CHECK, CUT, LEFT, FAILED = "hedge", "check", "cut", "left", "failed"
#: Of a probe, also as the purpose that rollups give it: it belongs to no call.
PROBE = "probe"
KINDS = ("", HEDGE, CHECK, CUT, LEFT, FAILED, LOST, PROBE)

_OUTPACED = OutcomeKind.OUTPACED.value
_UNFIT = frozenset((OutcomeKind.UNCONVINCING.value, OutcomeKind.DIVERGED.value))
_LEFT = frozenset((OutcomeKind.CLIENT_GONE.value, OutcomeKind.SUPERSEDED.value))
_WHOLE = _LEFT | {OutcomeKind.OK.value, OutcomeKind.CONTENT_FILTERED.value, OutcomeKind.UNCONVINCING.value}
_NOT_ITS_FAULT = _LEFT | {OutcomeKind.OK.value}
_HEDGE, _RESUME = Purpose.HEDGE.value, Purpose.RESUME.value


def judge_waste(attempts: Sequence[AttemptEntry], number: int) -> str:
    """The kind of one attempt among those of its call."""
    attempt = attempts[number]
    if attempt.delivered:
        return "" if attempt.outcome in _WHOLE or _went_on(attempts, number) else CUT
    if attempt.outcome == LOST:
        return LOST
    if attempt.outcome == _OUTPACED or attempt.purpose == _HEDGE:
        return HEDGE
    if attempt.outcome in _UNFIT:
        return CHECK
    if attempt.outcome in _NOT_ITS_FAULT:
        return LEFT
    return FAILED if attempt.first_content is None else CUT


def _went_on(attempts: Sequence[AttemptEntry], number: int) -> bool:
    return any(later.purpose == _RESUME and later.delivered for later in attempts[number + 1 :])
