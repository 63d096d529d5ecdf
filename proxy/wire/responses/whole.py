"""A response object of a vendor that has this API: in a whole answer, and in the events that begin and end a stream.

Its own `status` says what it is. `failed` is a failure with a code inside a 200. `incomplete` (a limit, a filter) is an
answer. `queued` and `in_progress` answer a request for background work: the id is all that there is, and enough. A completed
response without any output, for which nothing was counted either, is none.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.usage import Usage
from proxy.wire.failures import find_failure, judge_unreadable
from proxy.wire.lenient import UNREADABLE, decode_leniently
from proxy.wire.openai_usage import make_usage, note_tier
from proxy.wire.reading import Answer

_NO_RAW = Raw(b"")
_NULLS = (b"", b"null")
#: Members of output items and their parts that are generated text.
_TEXTS = ("text", "refusal", "arguments", "input", "transcript", "code", "name")
_INNER = ("content", "summary")


class _Whole(Struct, gc=False):
    id: str | None = None
    object: str | None = None
    model: str | None = None
    status: str | None = None
    error: Raw = _NO_RAW
    output: Raw = _NO_RAW
    usage: dict[str, Any] | None = None
    service_tier: Any = None


class Whole:
    """What counts of a response. `items`: how many its output has."""

    __slots__ = ("_output", "error", "id", "items", "model", "status", "usage")

    def __init__(self, found: _Whole, items: list[Any]) -> None:
        self.id = found.id
        self.model = found.model
        self.status = found.status or "completed"
        self.error = bytes(found.error) not in _NULLS
        self.usage: Usage | None = make_usage(found.usage) if found.usage is not None else None
        note_tier(self.usage, found.service_tier)
        self.items = len(items)
        self._output = items

    def texts(self) -> list[str]:
        """The generated pieces, for counting where there is no usage."""
        return [text for item in self._output for text in _list_texts(item)]


_DECODE = msgspec.json.Decoder(_Whole).decode
_OUTPUT = msgspec.json.Decoder(list[Any] | None).decode


def read_whole(data: bytes | Raw) -> Whole | None:
    """None: this is no response."""
    if not data:
        return None
    try:
        return decode_leniently(_read, bytes(data))
    except UNREADABLE:
        return None


def _read(data: bytes) -> Whole:
    found = _DECODE(data)
    if not data.isascii():
        data.decode()  # the decoder does not look into what it skips
    return Whole(found, (_OUTPUT(found.output) if found.output else None) or [])


def read_failure(data: bytes | Raw) -> Outcome:
    """Of a response that failed: its error, by code."""
    unnamed = Outcome(OutcomeKind.SERVER_ERROR, message="the provider ended the answer with an error")
    return find_failure(bytes(data)) or unnamed


def judge_output(whole: Whole, content: bool) -> Outcome:
    """The verdict on a response that ended. `content`: its stream had some."""
    if content or whole.items or whole.status != "completed" or (whole.usage is not None and whole.usage.output):
        return OK
    return Outcome(OutcomeKind.MALFORMED, message="the answer is empty")


def read_responses_answer(body: bytes) -> Answer:
    """Judge a whole answer. Its bytes are the client's answer, untouched."""
    whole = read_whole(body)
    if whole is None or (whole.id is None and not whole.items) or whole.error or whole.status == "failed":
        return _explain(body, whole)
    outcome = judge_output(whole, False)
    texts = whole.texts() if whole.usage is None else []
    return Answer(outcome, body, whole.usage, whole.model, texts, resource_id=whole.id, finish=whole.status)


def _explain(body: bytes, whole: Whole | None) -> Answer:
    """Why these bytes are no answer."""
    usage = whole.usage if whole is not None else None
    if whole is not None and whole.status == "failed":
        return Answer(read_failure(body), body, usage)
    return Answer(judge_unreadable(body, "the answer cannot be read"), body, usage)


def _list_texts(item: object) -> Iterator[str]:
    if not isinstance(item, dict):
        return
    for key in _TEXTS:
        text = item.get(key)
        if isinstance(text, str) and text:
            yield text
    for key in _INNER:
        parts = item.get(key)
        for part in parts if isinstance(parts, list) else ():
            yield from _list_texts(part)
