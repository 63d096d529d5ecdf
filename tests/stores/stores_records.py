"""Records as the pipeline would make them."""

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord
from proxy.core.usage import Usage

USAGE = Usage(input=100, output=20, cached=50, reasoning=5)


def attempt(target="a/x", kind=OutcomeKind.OK, **more):
    outcome = OK if kind is OutcomeKind.OK else Outcome(kind, status=more.get("status"))
    values = {"started_at": 10.0, "ended_at": 10.5, "delivered": kind is OutcomeKind.OK, **more}
    return AttemptRecord(target, target.split("/")[0], "a#1", outcome=outcome, **values)


def call(*attempts, route="gpt", **more):
    values = {"started_at": 10.0, "ended_at": 11.0, "status": 200, **more}
    return CallRecord("req_1", route, Endpoint.CHAT, True, None, 1.7e9, attempts=list(attempts), **values)
