"""Does a cheap target's answer do, or must a dearer one be asked? One function and one line of the table per check.

Each check says in a few words what it found, or None. They look at what the answer is, never at who gave it. An answer that
calls tools is no text: of the checks only those of its end and of refusals look at it. Regular expressions are the
operator's own, and look at a bounded piece of text.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from proxy.core.escalation import Escalation, Examined

#: Characters that regular expressions and parsers are shown.
MAX_TEXT = 256 * 1024
#: Ends that are a model's own, in the words of OpenAI's and Anthropic's formats.
ENDS = frozenset({"stop", "end_turn", "stop_sequence", "tool_calls", "function_call", "tool_use", "pause_turn", "completed"})
_FILTERED = frozenset({"content_filter", "refusal"})
_APOLOGIES = re.compile(
    r"\s*(?:i['’]?m (?:sorry|unable)|i am (?:sorry|unable)|sorry|i apologi[sz]e|unfortunately)[ ,.]*(?:but )?"
    r".{0,30}?\b(?:can['’]?t|cannot|can not|unable to|won['’]?t|not able to)\b"
    r"|\s*i (?:can['’]?t|cannot|won['’]?t) (?:help|assist|do|provide|comply|answer)",
    re.IGNORECASE | re.DOTALL,
)


class Asked:
    """What the request wants of an answer: `json` any JSON, `fits` whether a value meets the schema (None: no schema, or
    nothing here can tell)."""

    __slots__ = ("fits", "json")

    def __init__(self, json: bool = False, fits: Callable[[Any], bool] | None = None) -> None:
        self.json = json
        self.fits = fits


Check = Callable[[Escalation, Examined, Asked], str | None]


def check_end(settings: Escalation, answer: Examined, asked: Asked) -> str | None:
    if not settings.finish or answer.finish in ENDS:
        return None
    return "it has no finish reason" if answer.finish is None else f"it ended with {answer.finish}"


def check_refusal(settings: Escalation, answer: Examined, asked: Asked) -> str | None:
    if not settings.refusal:
        return None
    if answer.refused or answer.finish in _FILTERED or (not answer.tools and _APOLOGIES.match(answer.text[:400])):
        return "it is a refusal"
    return None


def check_length(settings: Escalation, answer: Examined, asked: Asked) -> str | None:
    length = len(answer.text.strip())
    if answer.tools or length >= settings.min_length:
        return None
    return f"it has {length} characters, fewer than {settings.min_length}"


def check_json(settings: Escalation, answer: Examined, asked: Asked) -> str | None:
    if answer.tools or not asked.json or not (settings.valid_json or settings.valid_schema) or len(answer.text) > MAX_TEXT:
        return None
    try:
        value = json.loads(answer.text)
    except (ValueError, RecursionError):
        return "it is not the JSON that was asked for"
    if settings.valid_schema and asked.fits is not None and not asked.fits(value):
        return "it does not meet the schema that was asked for"
    return None


def check_patterns(settings: Escalation, answer: Examined, asked: Asked) -> str | None:
    if answer.tools:
        return None
    text = answer.text[:MAX_TEXT]
    if settings.matches is not None and _compiled(settings.matches).search(text) is None:
        return "it does not match what answers must match"
    if settings.rejects is not None and _compiled(settings.rejects).search(text) is not None:
        return "it matches what answers must not match"
    return None


def check_confidence(settings: Escalation, answer: Examined, asked: Asked) -> str | None:
    least = settings.min_logprob
    if least is None or answer.logprob is None or answer.logprob >= least:
        return None
    return f"its mean logprob is {answer.logprob:.2f}, below {least:g}"


CHECKS: Sequence[Check] = (check_end, check_refusal, check_length, check_json, check_patterns, check_confidence)


def find_fault(settings: Escalation, answer: Examined, asked: Asked) -> str | None:
    """What is wrong with an answer; None: nothing that the checks of this route look for."""
    return next((fault for check in CHECKS if (fault := check(settings, answer, asked)) is not None), None)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


def without_patterns(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A client's schema without its regular expressions: somebody's own pattern on a model's words can take for ever."""
    return {key: _clean(value) for key, value in schema.items() if key not in ("pattern", "patternProperties", "format")}


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_patterns(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value
