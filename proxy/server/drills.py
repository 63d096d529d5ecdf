"""Fire drills on the admin plane: what is asked is read, checked and answered here; who may ask is decided by that plane.

`GET /drill` shows what runs; `POST /drill/start` takes `{"provider", "fault", "for", "share"}`, `POST /drill/stop` takes
`{"provider"}`, or `{}` for all. Bodies are JSON and say so in their content type, which no page of another origin can do
without asking first, and is told no.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import msgspec

from proxy.core.drill import DrillOrder, parse_order
from proxy.server.application import Page

PATHS = ("/drill/start", "/drill/stop")


class DrillView(msgspec.Struct):
    """One drill: `since` in Unix time, `ends_in_s` and `share` as they are now, `hit` requests so far."""

    provider: str
    fault: str
    share: float
    since: float
    ends_in_s: float
    by: str
    hit: int


class DrillDesk(Protocol):
    """Where drills are ordered. Both raise ValueError with what is wrong."""

    def start_drill(self, order: DrillOrder) -> DrillView: ...

    def stop_drills(self, provider: str | None, by: str) -> Sequence[DrillView]: ...

    def drills(self) -> Sequence[DrillView]: ...


class _Start(msgspec.Struct, forbid_unknown_fields=True):
    provider: str
    fault: str
    seconds: str | int | float | None = msgspec.field(name="for", default=None)
    share: str | int | float | None = None


class _Stop(msgspec.Struct, forbid_unknown_fields=True):
    provider: str | None = None


def show(desk: DrillDesk) -> Page:
    """What runs now."""
    return _page(200, {"drills": desk.drills()})


def act(desk: DrillDesk, path: str, content_type: str, body: bytes, by: str) -> Page:
    """Start or stop. What cannot be done is said with 400 (or 415 for a body that is not JSON by its own account)."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return _problem(415, "Send JSON with content-type application/json.")
    try:
        if path == "/drill/start":
            wanted = msgspec.json.decode(body, type=_Start)
            order = parse_order(wanted.provider, wanted.fault, _text(wanted.seconds), _text(wanted.share))
            return _page(200, {"drills": [desk.start_drill(replace(order, by=by))]})
        stopped = desk.stop_drills(msgspec.json.decode(body or b"{}", type=_Stop).provider, by)
        return _page(200, {"stopped": stopped})
    except (ValueError, msgspec.DecodeError) as error:
        return _problem(400, f"{error}.")


def _text(value: str | float | None) -> str | None:
    return None if value is None else str(value)


def _page(status: int, value: object) -> Page:
    return Page(status, msgspec.json.encode(value))


def _problem(status: int, message: str) -> Page:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": "drill"}
    return _page(status, {"error": error})
