"""Outages of identity providers and of keys, replayed: promises 22 and 23, with their figures.

22: nothing happens until a token really ends, however its issuer fails; one refresh at a time, at most one per step of the
back-off; then the traffic is elsewhere within 50 ms and no client sees an error, a thousand at once included.
23: a refused key costs the other keys nothing; when all are refused, the provider is left after at most 5 requests per key.
"""

import asyncio
from itertools import pairwise

import pytest
from support.simulation import Outcome, World, play, provider, rehearse, settings, spans, steady

from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Settings
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import SimulatedClient, Wish
from proxy.rehearse.invariants import check
from proxy.rehearse.issuer import IssuerBehaviour, IssuerMode, IssuerPlan, IssuerSpan
from proxy.rehearse.scenario import Scenario, load

LIGHT = Behaviour(chunks=2, gap=0.05)
BASELINE = 0.2  # seconds to first content of a healthy provider
#: Of the back-off: the first step, its longest, and the one after a refusal.
FIRST, LONGEST, REFUSED = 1.0, 30.0, 60.0


def replay(scenario: Scenario, keys: int = 1) -> Outcome:
    """A shipped scenario, `alpha` preferred over `beta`."""
    names = list(scenario.providers)
    providers = {name: provider(name, keys=keys, tokens=name in scenario.issuers) for name in names}
    configured = settings([[f"{name}/m"] for name in names], providers=providers)
    wishes = [
        (at, Wish(wish.label, stream=n % 2 == 0))
        # The first token takes a tenth of a second.
        for n, (at, wish) in enumerate(steady(scenario.load.rps, scenario.load.seconds - 1, start=1.0))
    ]
    return rehearse(scenario.providers, wishes, configured, issuers=scenario.issuers)


def lawful(run: Outcome) -> None:
    assert check(run.evidence()) == []
    assert run.verdicts == {"ok": len(run.clients)}


def no_wait(run: Outcome) -> None:
    """Nobody waited longer than a healthy answer takes, and 50 ms."""
    whole = BASELINE + 0.05 * 1  # the second piece of an answer that is not streamed
    assert max(client.waited for client in run.clients if client.waited is not None) <= whole + 0.05


def polite(run: Outcome, outage: tuple[float, float], longest: float = LONGEST) -> None:
    """One request at a time, each step of the back-off at least as long as the one before but for its jitter."""
    issuer = run.issuers["alpha"]
    assert issuer.crowd == 1
    epoch = run.network.epoch
    begin, end = (epoch + edge for edge in outage)
    calls = [call for call in issuer.calls if begin <= call.started_at < end]
    assert calls, "the issuer was asked while it was down"
    step = FIRST
    for earlier, later in pairwise(calls):
        assert later.started_at - earlier.started_at >= min(step, longest) - 1e-6
        step *= 2
    assert len(calls) <= (end - begin) / longest + 6


def only_live_tokens(run: Outcome) -> None:
    """No token was used after its end."""
    lives = run.issuers["alpha"].lives
    for contact in run.network.contacts:
        if contact.provider == "alpha":
            assert contact.started_at < lives[contact.key]


def gone(run: Outcome) -> tuple[float, float]:
    """From when to when `alpha` had no token, in seconds of the run; by what the issuer gave, not by what we believe."""
    issuer, epoch = run.issuers["alpha"], run.network.epoch
    given = [call for call in issuer.calls if call.token is not None]
    for earlier, later in pairwise(given):
        end = issuer.lives[earlier.token or ""]
        assert later.ended_at is not None
        if later.ended_at > end:
            return end - epoch, later.ended_at - epoch
    return (0.0, 0.0)


OUTAGES = {
    "auth_d7_refresh_down": LONGEST,
    "auth_d16_overloaded_issuer": LONGEST,
    "auth_d20_authorize_hangs": LONGEST,
    "auth_d22_issuer_gone": LONGEST,
}


@pytest.mark.parametrize("name", OUTAGES)
def test_22_nothing_happens_until_the_token_ends(name: str) -> None:
    scenario = load(name)
    run = replay(scenario)
    lawful(run)
    no_wait(run)
    only_live_tokens(run)
    spans_ = scenario.issuers["alpha"].spans
    polite(run, (spans_[0].start, spans_[-1].end))
    ended, back = gone(run)
    assert 0 < ended < back
    seconds = scenario.load.seconds
    assert run.contacts("beta", until=ended) == 0, "before the token ended nobody went elsewhere"
    assert run.contacts("alpha", since=ended, until=back) == 0
    assert run.contacts("beta", since=back + 0.001) == 0, "with a new token alpha is preferred again"
    assert run.contacts("alpha") + run.contacts("beta") == len(run.clients)
    assert run.contacts("beta") == pytest.approx((back - ended) * scenario.load.rps, abs=2)
    # The first success ends the outage at most one step after the issuer is back.
    assert back <= spans_[-1].end + LONGEST * 1.1 + 10.0
    assert seconds > back


def test_22_d11_enough_refreshes_succeed_for_nobody_to_notice() -> None:
    run = replay(load("auth_d11_refreshes_fail"))
    lawful(run)
    no_wait(run)
    only_live_tokens(run)
    assert run.issuers["alpha"].crowd == 1
    assert run.contacts("beta") == 0
    assert sum(call.token is None for call in run.issuers["alpha"].calls) >= 5


def test_22_d21_live_tokens_are_refused() -> None:
    run = replay(load("auth_d21_mass_logout"))
    lawful(run)
    down = (300.0, 1200.0)
    assert run.issuers["alpha"].crowd == 1
    refused = run.contacts("alpha", *down)
    assert refused <= 5, "the live token was refused a few times, while answers were on their way"
    asked = [call for call in run.issuers["alpha"].calls if 300 <= call.started_at - run.network.epoch < 1200]
    assert 1 <= len(asked) <= (1200 - 300) / REFUSED + 2
    assert run.contacts("beta", since=1300) == 0, "once the issuer gives tokens again all is as before"


def expiring(mode: IssuerMode, latency: float = 0.1) -> IssuerPlan:
    return IssuerPlan(life=100.0, spans=(IssuerSpan(1.0, 1e6, IssuerBehaviour(mode, latency)),))


FAILURES = [mode for mode in IssuerMode if mode is not IssuerMode.OK]


def tokens(*names: str) -> Settings:
    providers = {name: provider(name, tokens=name in names) for name in ("a", "b")}
    return settings(providers=providers)


@pytest.mark.parametrize("mode", FAILURES)
def test_22_a_thousand_at_the_end_of_the_token(mode: IssuerMode) -> None:
    """500 in the last instant of the token, 1,000 in the first one after it."""

    async def crowd_in(world: World) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.5)
        serve = world.parts.gateway.serve
        ends = next(iter(world.issuers["a"].lives.values()))
        await asyncio.sleep(ends - loop.time() - 0.001)
        before = [SimulatedClient(Wish(f"before{n}")) for n in range(500)]
        tasks = [loop.create_task(client.ask(serve)) for client in before]
        await asyncio.sleep(ends - loop.time())
        asked = len(world.issuers["a"].calls)
        after = [SimulatedClient(Wish(f"after{n}", stream=n % 2 == 0)) for n in range(1000)]
        tasks += [loop.create_task(client.ask(serve)) for client in after]
        await asyncio.gather(*tasks)
        assert {client.verdict for client in before + after} == {"ok"}
        contacts = {contact.label: contact for contact in world.network.contacts}
        assert {contacts[f"before{n}"].provider for n in range(500)} == {"a"}
        assert {contacts[f"after{n}"].provider for n in range(1000)} == {"b"}
        assert len(world.network.contacts) == 1500, "nobody was sent twice"
        assert all(contacts[client.wish.label].started_at - client.asked_at <= 0.05 for client in after)
        assert world.issuers["a"].crowd == 1
        assert len(world.issuers["a"].calls) <= asked + 1, "a thousand requests ask for no token"

    play(crowd_in, {"a": LIGHT, "b": LIGHT}, tokens("a"), issuers={"a": expiring(mode)})


def test_22_alone_the_answer_names_the_issuer_and_its_error() -> None:
    async def alone(world: World) -> None:
        await asyncio.sleep(110.0)
        client = await world.one(Wish("late", stream=False))
        body = client.downstream.body.decode()
        assert client.downstream.status == 503
        assert "its token has expired: a.issuer.test answered 500" in body
        assert client.downstream.header("retry-after") is not None
        assert world.network.contacts == []

    configured = settings((("a/m",),), providers={"a": provider("a", tokens=True)})
    play(alone, {"a": LIGHT}, configured, issuers={"a": expiring(IssuerMode.STATUS)})


def test_22_an_issuer_that_is_down_at_the_start_stops_nobody_else() -> None:
    down = IssuerPlan(spans=(IssuerSpan(0.0, 20.0, IssuerBehaviour(IssuerMode.HANG)),))
    run = rehearse({"a": LIGHT, "b": LIGHT}, steady(10, 60), tokens("a"), issuers={"a": down})
    assert run.verdicts == {"ok": 600}
    assert run.contacts("b", until=20.0) == 200
    assert run.contacts("a", until=20.0) == 0
    assert run.contacts("b", since=35.0) == 0


@pytest.mark.parametrize("refused_for_good", [False, True])
def test_22_a_refused_token_is_replaced_once(refused_for_good: bool) -> None:
    """The provider forgets the first token (revoked, a clock that is wrong). A new one is fetched; if that is refused, too,
    no further one is."""
    first = () if refused_for_good else ("token-a-1",)
    refusing = Behaviour(Mode.STATUS, failure="openai_invalid_key", latency=Latency(0.02), keys=first)
    a = spans([(5.0, 1e6, refusing)], LIGHT)
    run = rehearse({"a": a, "b": LIGHT}, steady(10, 60), tokens("a"), issuers={"a": IssuerPlan()})
    assert run.verdicts == {"ok": 600}
    assert len(run.issuers["a"].calls) == 2
    if refused_for_good:
        assert run.contacts("a", since=6.0) == 0
    else:
        assert run.contacts("b", since=6.0) == 0


def test_23_one_of_three_keys_is_revoked() -> None:
    revoked = Behaviour(Mode.STATUS, failure="openai_invalid_key", latency=Latency(0.02), keys=("sk-a-2",))
    configured = settings(providers={"a": provider("a", keys=3), "b": provider("b")})
    run = rehearse({"a": spans([(10.0, 1e6, revoked)], LIGHT), "b": LIGHT}, steady(30, 60), configured)
    lawful(run)
    assert run.contacts("b") == 0, "the other keys carry on"
    state = next(iter(run.parts.gateway.routing.states()))
    assert set(run.parts.gateway._surveyor.breakers(state).values()) == {"closed"}
    assert not any(change.subject == "a/m" for change in run.notes.changes)
    shares = {key: 0 for key in ("a#1", "a#2", "a#3")}
    for record in run.notes.calls:
        if record.started_at - run.network.epoch > 11:
            shares[record.attempts[-1].credential] += 1
    assert shares["a#2"] == 0
    assert shares["a#1"] == pytest.approx(shares["a#3"], abs=3)
    bad = sum(a.kind is OutcomeKind.AUTH_FAILED for record in run.notes.calls for a in record.attempts)
    assert 1 <= bad <= 5


def test_23_d23_all_keys_are_refused() -> None:
    scenario = load("auth_d23_keys_refused")
    run = replay(scenario, keys=3)
    lawful(run)
    asked: dict[str, int] = {}
    for record in run.notes.calls:
        for attempt in record.attempts:
            if attempt.kind is OutcomeKind.AUTH_FAILED and attempt.started_at - run.network.epoch < 355:
                asked[attempt.credential] = asked.get(attempt.credential, 0) + 1
    assert set(asked) == {"alpha#1", "alpha#2", "alpha#3"}
    assert max(asked.values()) <= 5
    # Two refused keys are an outage of the account: the third is not burnt at once, but tried alone a while later.
    assert run.contacts("alpha", since=302, until=355) <= 1
    assert run.contacts("alpha", since=1200) > 0
