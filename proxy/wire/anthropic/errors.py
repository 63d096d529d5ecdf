"""What a client of the Messages format is told when things go wrong.

The type follows from the status, as in Anthropic's own table; a 503 goes out as 529, which is how Anthropic says overloaded.
Our code stands in `details.error_code`, where Anthropic puts the codes that are stable. An error in a stream is an `error`
event: without its name the official SDKs ignore it. Comments are the same as for everybody.
"""

from collections.abc import Mapping

import msgspec

from proxy.core.problem import Problem
from proxy.wire import openai_errors

_ENCODE = msgspec.json.Encoder().encode
_OVERLOADED = 529

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def status_of(status: int) -> int:
    """The status that says the same to a client of this format."""
    return _OVERLOADED if status == 503 else status


def error_body(problem: Problem) -> bytes:
    """The JSON body of an error reply, with the list of attempts where there were any."""
    error: dict[str, object] = {"type": _find_type(problem.status), "message": problem.message}
    if problem.code is not None:
        error["details"] = {"error_code": problem.code}
    if problem.attempts:
        error["attempts"] = problem.attempts
    for key, value in problem.extra.items():
        error.setdefault(key, value)
    return _ENCODE({"type": "error", "error": error, "request_id": problem.request_id})


def error_event(problem: Problem) -> bytes:
    """The same as the last event of a stream."""
    return b"event: error\ndata: " + error_body(problem) + b"\n\n"


def error_headers(problem: Problem) -> list[tuple[bytes, bytes]]:
    """What official SDKs read before they decide to ask again, and the id that their exceptions show."""
    headers = openai_errors.error_headers(problem)
    if problem.request_id is not None:
        headers.append((b"request-id", problem.request_id.encode()))
    return headers


def _find_type(status: int) -> str:
    return _TYPES.get(status) or ("invalid_request_error" if 400 <= status < 500 else "api_error")
