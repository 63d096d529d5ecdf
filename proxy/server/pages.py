"""Answers to GET requests, rendered from values that others made: no state, no decisions but the status.

The model pages have exactly OpenAI's shapes, so that its clients can list the routes as models; or Anthropic's, for theirs.
Source of the latter: the types of Anthropic's SDK.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from proxy.core.incidents import Incident
from proxy.core.problem import Problem
from proxy.server.application import Page
from proxy.server.metrics import CONTENT_TYPE
from proxy.stores.snapshot import snapshot
from proxy.stores.tally import Tally
from proxy.wire.anthropic import errors as anthropic_errors
from proxy.wire.openai_errors import error_body

OWNER = "undimmed"
_ENCODED = msgspec.to_builtins


def _json(status: int, value: object) -> Page:
    return Page(status, msgspec.json.encode(value))


def _model(name: str, created: int) -> dict[str, object]:
    return {"id": name, "object": "model", "created": created, "owned_by": OWNER}


def models_page(names: Sequence[str], created: int) -> Page:
    """`GET /v1/models`: each name once, in the order given. `created` in Unix time (ours: when the proxy started)."""
    return _json(200, {"object": "list", "data": [_model(name, created) for name in dict.fromkeys(names)]})


def model_page(name: str, created: int) -> Page:
    """`GET /v1/models/{id}` of a name that some route serves."""
    # A name that a glob matched is the client's own text and need not be encodable.
    return _json(200, _model(name.encode("utf-8", "replace").decode(), created))


def anthropic_models_page(names: Sequence[str], created: int) -> Page:
    """The same list for a client of Anthropic's API, all of it at once."""
    data = [_anthropic_model(name, created) for name in dict.fromkeys(names)]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return _json(200, {"data": data, "has_more": False, "first_id": first, "last_id": last})


def anthropic_model_page(name: str, created: int) -> Page:
    """One of them."""
    return _json(200, _anthropic_model(name.encode("utf-8", "replace").decode(), created))


def _anthropic_model(name: str, created: int) -> dict[str, object]:
    moment = datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": name, "display_name": name, "created_at": moment, "lifecycle": "active"}


def anthropic_problem_page(problem: Problem) -> Page:
    """An error in Anthropic's shape."""
    return Page(problem.status, anthropic_errors.error_body(problem))


def problem_page(problem: Problem) -> Page:
    """An error in OpenAI's shape, such as the 404 for an unknown model."""
    return Page(problem.status, error_body(problem))


def live_page() -> Page:
    """`GET /health/live`: the process answers."""
    return _json(200, {"status": "live"})


def ready_page(ready: bool, draining: bool, reasons: Sequence[str] = ()) -> Page:
    """`GET /health/ready`: 200 while at least one route can serve and new calls are taken. `reasons` say why not."""
    status = "draining" if draining else "ready" if ready else "not_ready"
    body: dict[str, object] = {"status": status}
    if reasons:
        body["reasons"] = list(reasons)
    return _json(200 if status == "ready" else 503, body)


def health_page(view: Mapping[str, object]) -> Page:
    """`GET /health`: the whole view; its reader judges it, so the status is always 200."""
    return _json(200, view)


def incidents_page(incidents: Sequence[Incident]) -> Page:
    """`GET /incidents`: all that are remembered, newest first, without their steps and timelines."""
    shown = [_ENCODED(incident) for incident in incidents]
    for view in shown:
        view.pop("timeline")
        view.pop("happenings")
    return _json(200, {"incidents": shown})


def incident_page(incident: Incident) -> Page:
    """`GET /incidents/{id}`: one of them, whole."""
    return _json(200, incident)


def usage_page(tally: Tally) -> Page:
    """`GET /usage`: tokens and money since the start."""
    return _json(200, snapshot(tally))


def metrics_page(text: bytes) -> Page:
    """`GET /metrics`."""
    return Page(200, text, CONTENT_TYPE)
