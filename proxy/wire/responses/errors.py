"""What a client of the Responses API is told when its stream ends in an error.

The service's documentation has the error's words in the event itself, the service sends them in a nested `error`, and
official SDKs raise only for the nested one, so the event has both. `sequence_number` is 0: whoever speaks here has not
counted the events of the stream that failed, and no client goes on after this one.
"""

import msgspec

from proxy.core.problem import Problem
from proxy.wire.openai_errors import error_body

_ENCODE = msgspec.json.Encoder().encode


def error_event(problem: Problem) -> bytes:
    """The last event of a stream; it carries the same error object as an error reply."""
    flat = _ENCODE({"code": problem.code, "message": problem.message, "param": problem.param})
    nested = error_body(problem)
    return b'event: error\ndata: {"type":"error","sequence_number":0,%b,%b\n\n' % (flat[1:-1], nested[1:])
