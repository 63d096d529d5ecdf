"""What a client of the OpenAI format is told when things go wrong, and the comments that streams carry besides.

The error object has exactly OpenAI's four keys, which its schema requires, plus `attempts` where there were any and
what the problem brings itself. An error in a stream is the event that makes the official SDKs raise `APIError`; it is the
last event, without `[DONE]`. SDKs ignore comments.
"""

import math
from collections.abc import Mapping

import msgspec

from proxy.core.problem import Problem

_ENCODE = msgspec.json.Encoder().encode

#: Sent while a model thinks in silence, so that nothing between us and the client cuts the connection.
WAITING = b": undimmed waiting\n\n"


def error_body(problem: Problem) -> bytes:
    """The JSON body of an error reply."""
    error: dict[str, object] = {
        "message": problem.message,
        "type": problem.type,
        "param": problem.param,
        "code": problem.code,
    }
    if problem.attempts:
        error["attempts"] = problem.attempts
    for key, value in problem.extra.items():
        error.setdefault(key, value)
    return _ENCODE({"error": error})


def error_event(problem: Problem) -> bytes:
    """The same as the last event of a stream."""
    return b"data: " + error_body(problem) + b"\n\n"


def closing_comment(values: Mapping[str, object]) -> bytes:
    """Usage, cost and who served, at the end of a stream."""
    return b": undimmed " + _ENCODE(values) + b"\n\n"


def error_headers(problem: Problem) -> list[tuple[bytes, bytes]]:
    """What official SDKs read before they decide to ask again."""
    headers = [(b"x-should-retry", b"true" if problem.should_retry else b"false")]
    if problem.retry_after is not None:
        delay = max(0.0, problem.retry_after)
        headers.append((b"retry-after-ms", b"%d" % math.ceil(delay * 1000)))
        headers.append((b"retry-after", b"%d" % math.ceil(delay)))
    return headers
