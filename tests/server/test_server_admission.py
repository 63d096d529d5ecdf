"""What is asked first: framing and host, then who, then from where, then what."""

from dataclasses import dataclass, field

import pytest
from aiohttp.http import HttpVersion11
from listener_bench import FakeApplication
from multidict import CIMultiDict

from proxy.core.endpoints import Endpoint
from proxy.server.admission import Admission, admit
from proxy.server.guard import make_rules
from proxy.server.refusals import KEY_RESTRICTED, Refusal

RULES = make_rules("127.0.0.1", (), 1000)


@dataclass
class FakeHead:
    method: str = "POST"
    path: str = "/v1/chat/completions"
    extra: dict[str, str] = field(default_factory=dict)
    version = HttpVersion11
    upgrade = False
    raw_headers = ()

    @property
    def headers(self) -> CIMultiDict[str]:
        return CIMultiDict({"Host": "localhost", **self.extra})


def test_a_good_request_is_admitted_with_who_asks() -> None:
    verdict = admit(FakeHead(extra={"Authorization": "Bearer s"}), RULES, FakeApplication(secret="s"))
    assert isinstance(verdict, Admission)
    assert (verdict.endpoint, verdict.identity.key) == (Endpoint.CHAT, "tester")


def test_a_page_keeps_its_query() -> None:
    assert admit(FakeHead("GET", "/models?a=b?c"), RULES, FakeApplication()) == Admission(
        FakeApplication().identify({}), None, "/v1/models", "a=b?c"
    )


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (FakeHead("DELETE", "http://x/", {"Host": "evil.test", "Origin": "null"}), "bad_target"),
        (FakeHead("DELETE", "/nope", {"Host": "evil.test", "Origin": "null"}), "foreign_host"),
        (FakeHead("DELETE", "/nope", {"Origin": "null"}), "unauthenticated"),
        (FakeHead("DELETE", "/health", {"Origin": "null"}), "foreign_origin"),
        (FakeHead("DELETE", "/nope", {"Authorization": "Bearer s"}), "unknown_path"),
        (FakeHead("DELETE", "/usage", {"Authorization": "Bearer s"}), "wrong_method"),
        (FakeHead("GET", extra={"Authorization": "Bearer s"}), "wrong_method"),
        (FakeHead("OPTIONS", extra={"Access-Control-Request-Method": "POST", "Origin": "null"}), "preflight"),
        (FakeHead("OPTIONS", extra={"Authorization": "Bearer s"}), "wrong_method"),
        (FakeHead(extra={"Content-Length": "9999"}), "unauthenticated"),
        (FakeHead(extra={"Authorization": "Bearer s", "Content-Length": "9999"}), "body_too_large"),
    ],
)
def test_the_first_reason_counts(head: FakeHead, reason: str) -> None:
    verdict = admit(head, RULES, FakeApplication(secret="s"))
    assert isinstance(verdict, Refusal)
    assert verdict.reason == reason


@pytest.mark.parametrize("path", ["/usage", "/metrics", "/v1/models", "/health"])
@pytest.mark.parametrize("routes", [None, frozenset({"m"}), frozenset()])
def test_everybodys_numbers_are_not_for_restricted_keys(path: str, routes: frozenset[str] | None) -> None:
    head = FakeHead("GET", path, {"Authorization": "Bearer s"})
    verdict = admit(head, RULES, FakeApplication(secret="s", routes=routes))
    refused = path in ("/usage", "/metrics") and routes is not None
    assert (verdict is KEY_RESTRICTED) is refused
    assert isinstance(verdict, Admission) is not refused
