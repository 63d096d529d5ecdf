"""Going without a proxy: what an SDK makes of each way to fail, and how often it asks."""

from random import Random

import pytest

from proxy.core.settings import Route, Settings
from proxy.rehearse.casting import Cast, Clock
from proxy.rehearse.client import Wish
from proxy.rehearse.direct import DirectClient
from proxy.rehearse.issuer import IssuerBehaviour, IssuerMode, IssuerPlan, IssuerSpan
from proxy.rehearse.outage import Strike
from proxy.rehearse.traffic import Ask
from proxy.rehearse.twin import Original, read_twin
from proxy.rehearse.vendors import Part, profile_of
from proxy.rehearse.visit import Visit

TEXT = 'providers: {openai: {kind: openai, credentials: ["k"]}}\nroutes: [{model: m, targets: [openai/m]}]'
CLOCK = Clock(0.0, 1000.0, 0.0, 1.0)


def settings() -> Settings:
    return read_twin(Original(TEXT, "x"), {}).settings


def play(strike: Strike | None, *, stream: bool = True, count: int = 1, plan: IssuerPlan | None = None) -> list[Visit]:
    configured = settings()
    route: Route = configured.routes[0]
    part = Part("openai", profile_of("openai").healthy(20), (strike,) if strike else ())
    cast = Cast({"openai": part}, ("openai",), False, {} if plan is None else {"i": plan}, CLOCK)
    issuers = {} if plan is None else {"openai": "i"}
    asks = [
        Ask(100.0 + at, route, wish, wish.body()) for at in range(count) for wish in (Wish(f"r{at}", "m", stream=stream),)
    ]
    return list(DirectClient(configured, cast, Random(1), issuers).play(asks))


def struck(mode: str, **fields: object) -> Strike:
    from proxy.rehearse.behaviour import Latency, Mode

    failures = (str(fields.pop("failure")),) if "failure" in fields else ()
    return Strike(0.0, 1e6, {"mode": Mode(mode), "latency": Latency(0.1), **fields}, failures)


def test_a_healthy_vendor_answers() -> None:
    [visit] = play(None)
    assert visit.answered
    assert visit.waited is not None
    assert 0 < visit.waited < visit.ended - visit.at


#: Mode -> what is said, and the seconds it took with a stream and without. Repeats wait 0.375–0.5 s and 0.75–1 s.
ENDS = {
    "status 500": (struck("status", failure="server_error"), "status 500", (1.4, 1.8), (1.4, 1.8)),
    "status 429": (struck("status", failure="rate_limited"), "status 429", (1.4, 1.8), (1.4, 1.8)),
    "status 400": (struck("status", failure="bad_request"), "status 400", (0.1, 0.11), (0.1, 0.11)),
    "status 401": (struck("status", failure="bad_key"), "status 401", (0.1, 0.11), (0.1, 0.11)),
    "hint": (struck("status", failure="overloaded", retry_after="7"), "status 503", (14.2, 14.4), (14.2, 14.4)),
    "long hint": (struck("status", failure="overloaded", retry_after="700"), "status 503", (1.4, 1.8), (1.4, 1.8)),
    "odd hint": (struck("status", failure="overloaded", retry_after="soon"), "status 503", (1.4, 1.8), (1.4, 1.8)),
    "refused": (struck("refuse"), "connection refused", (1.1, 1.5), (1.1, 1.5)),
    "no connection": (struck("connect_hang"), "connection timed out", (16.1, 16.5), (16.1, 16.5)),
    "black hole": (struck("black_hole"), "timed out", (1801, 1802), (1801, 1802)),
    "closed": (struck("close"), "connection closed", (1.1, 1.5), (1.1, 1.5)),
    "cut": (struck("cut", after=5), "cut off", (0.1, 0.3), (1.7, 3.0)),
    "stalled": (struck("stall", after=5), "timed out", (600, 601), (1801, 1804)),
    "error event": (struck("error_event", failure="server_error", after=5), "not an answer", (0.1, 0.3), (0.3, 0.5)),
    "page": (struck("html"), "not an answer", (0.1, 0.11), (0.1, 0.11)),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", ENDS)
def test_failures_are_repeated_as_sdks_do(name: str, stream: bool) -> None:
    strike, reason, streamed, whole = ENDS[name]
    [visit] = play(strike, stream=stream)
    low, high = streamed if stream else whole
    assert (visit.verdict, visit.reason, visit.waited) == ("error", reason, None)
    assert low <= round(visit.ended - visit.at, 6) <= high


def test_wrong_answers_are_answers_that_are_counted() -> None:
    [visit] = play(struck("wrong_script"))
    assert visit.answered
    assert visit.wrong


def test_a_share_gets_through() -> None:
    visits = play(struck("status", failure="server_error", share=0.5), count=400)
    assert 0.8 < sum(visit.answered for visit in visits) / 400 < 0.95  # one in eight fails three times


def test_a_live_token_is_used_until_its_end_however_the_issuer_fails() -> None:
    down = IssuerPlan(200.0, (IssuerSpan(0.0, 1e6, IssuerBehaviour(IssuerMode.STATUS)),))
    visits = play(None, count=150, plan=down)
    assert [visit.answered for visit in visits if visit.at < 200] == [True] * 100
    assert {visit.reason for visit in visits if visit.at > 200} == {"no token"}


@pytest.mark.parametrize("mode", [IssuerMode.OK, IssuerMode.HANG])
def test_a_token_is_fetched_anew(mode: IssuerMode) -> None:
    visits = play(None, count=150, plan=IssuerPlan(200.0, (IssuerSpan(0.0, 190.0, IssuerBehaviour(mode)),)))
    assert all(visit.answered for visit in visits)
