"""Fire drills on the admin plane: how they are ordered, and who may."""

import json

import pytest
from listener_bench import FakeApplication
from test_server_admin import admin, ask, statuses

pytestmark = pytest.mark.live

JSON = "Content-Type: application/json\r\n"
KEY = "Authorization: Bearer s\r\n"
DOWN = {"provider": "a", "fault": "down"}


def post(path: str, body: object, extra: str = JSON) -> bytes:
    data = json.dumps(body).encode() if not isinstance(body, bytes) else body
    return admin(path, f"{extra}Content-Length: {len(data)}\r\n", "POST") + data


def read(reply: bytes) -> tuple[int, dict]:
    head, _, body = reply.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_a_drill_is_started_shown_and_stopped() -> None:
    order = {"provider": "a", "fault": "slow:8s", "for": "10m", "share": "25%"}
    replies = ask(
        post("/drill/start", order), admin("/drill"), post("/drill/start", order), post("/drill/stop", {}), admin("/drill")
    )
    started, shown, again, stopped, after = (read(reply) for reply in replies)
    drill = {"provider": "a", "fault": "slow:8s", "share": 0.25, "since": 0.0, "ends_in_s": 600.0, "by": "", "hit": 0}
    assert started == shown == (200, {"drills": [drill]})
    assert again[0] == 400
    assert "a has a drill already" in again[1]["error"]["message"]
    assert stopped == (200, {"stopped": [drill]})
    assert after == (200, {"drills": []})


def test_numbers_are_taken_as_they_are() -> None:
    [reply] = ask(post("/drill/start", {**DOWN, "for": 90, "share": 1}))
    assert read(reply)[1]["drills"][0]["ends_in_s"] == 90.0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "truncated"),
        (b"[1]", "Expected `object`"),
        ({"provider": "a"}, "missing required field `fault`"),
        ({**DOWN, "fault": "dwon"}, "is no fault"),
        ({**DOWN, "for": "2h"}, "from 1 s to 3600 s"),
        ({**DOWN, "share": "0"}, "is not a share"),
        ({**DOWN, "url": "http://elsewhere"}, "unknown field `url`"),
    ],
)
def test_wrong_orders_are_named_and_do_nothing(body: object, words: str) -> None:
    app = FakeApplication()
    [reply] = ask(post("/drill/start", body), app=app)
    status, view = read(reply)
    assert status == 400
    assert words in view["error"]["message"]
    assert app.drilling == []


def test_no_page_of_another_origin_can_order_one() -> None:
    """What a browser can send without asking first has another content type; what it asks for first is refused."""
    app = FakeApplication()
    order = json.dumps(DOWN).encode()
    told = statuses(
        post("/drill/start", order, "Content-Type: text/plain\r\n"),
        post("/drill/start", order, "Content-Type: application/x-www-form-urlencoded\r\n"),
        post("/drill/start", order, ""),
        post("/drill/start", order, f"{JSON}Origin: http://evil.test\r\n"),
        post("/drill/start", order, f"{JSON}Sec-Fetch-Site: cross-site\r\n"),
        post("/drill/start", order).replace(b"localhost", b"evil.test"),
        admin("/drill/start", "Access-Control-Request-Method: POST\r\n", "OPTIONS"),
        admin("/drill/start"),
        admin("/drill/start", method="PUT"),
        post("/drill", order),
        app=app,
    )
    assert told == [b"415"] * 3 + [b"403", b"403", b"421", b"403", b"405", b"405", b"405"]
    assert app.drilling == []


def test_beyond_this_machine_it_takes_an_unrestricted_key_which_is_named() -> None:
    app = FakeApplication(secret="s", routes=None)
    everywhere = {"admin_host": "0.0.0.0"}
    order = json.dumps(DOWN).encode()
    told = ask(post("/drill/start", order), post("/drill/start", order, JSON + KEY), app=app, **everywhere)
    assert [reply.split()[1] for reply in told] == [b"401", b"200"]
    assert [drill.by for drill in app.drilling] == ["tester"]
    restricted = FakeApplication(secret="s", routes=frozenset({"m"}))
    assert statuses(post("/drill/start", order, JSON + KEY), app=restricted, **everywhere) == [b"403"]
    assert restricted.drilling == []
