"""Promise 7 and the scope of failures (6): rejections that are nobody's mistake, and models that die alone."""

from collections import Counter
from typing import ClassVar

import pytest
from support.simulation import Outcome, World, play, provider, rehearse, replace, settings, spans, steady

from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Route, Settings, Target
from proxy.rehearse.behaviour import Behaviour, Mode
from proxy.rehearse.client import Wish
from proxy.rehearse.invariants import check

REJECTING = Behaviour(Mode.STATUS, failure="openai_bad_request", chunks=2)
SOUND = Behaviour(chunks=2)


def crowd_of(keys: int, rate: float, seconds: float) -> list[tuple[float, Wish]]:
    return [(at, replace(wish, key=f"key-{n % keys}")) for n, (at, wish) in enumerate(steady(rate, seconds))]


class TestStorm:
    """7: D19, a model that answers 400 to everybody, for hours."""

    FAULT: ClassVar = {"a": spans([(120, 600, REJECTING)], SOUND), "b": SOUND}

    def run(self) -> Outcome:
        return rehearse(self.FAULT, crowd_of(5, 4, 700))

    def test_clients_of_a_broken_model_are_served_within_a_minute_and_it_is_left_alone(self) -> None:
        run = self.run()
        rejected = [c.asked_at - run.network.epoch for c in run.clients if c.verdict != "ok"]
        assert rejected
        assert max(rejected) <= 120 + 60
        opened = [c for c in run.notes.changes if c.after == "open"]
        assert opened
        assert opened[0].at - run.network.epoch <= 120 + 60
        # Trials apart, nobody touches it while it is broken; the trials' clients are served by the other.
        assert run.contacts("a", 200, 600) <= 20
        assert check(run.evidence((120, 600))) == []

    def test_it_is_used_again_when_it_accepts_again(self) -> None:
        assert self.run().contacts("a", 680, 700) > 40

    def test_the_reasons_are_told(self) -> None:
        run = self.run()
        kinds = Counter(attempt.kind for call in run.notes.calls for attempt in call.attempts)
        assert kinds[OutcomeKind.REJECTION_SUSPECTED] >= 5
        assert kinds[OutcomeKind.REJECTION_STORM] >= 5
        suspected = next(call for call in run.notes.calls if call.attempts[0].kind is OutcomeKind.REJECTION_SUSPECTED)
        assert [attempt.target for attempt in suspected.attempts] == ["a/m", "b/m"]


@pytest.mark.parametrize("keys", [1, 4])
def test_7_a_few_clients_mistakes_cost_no_further_attempt(keys: int) -> None:
    run = rehearse({"a": spans([(60, 120, REJECTING)], SOUND), "b": SOUND}, crowd_of(keys, 10, 130))
    assert run.contacts("b") == 0
    assert {len(call.attempts) for call in run.notes.calls} == {1}
    assert run.verdicts["error"] == 600


def test_7_what_everybody_rejects_is_the_clients_mistake() -> None:
    """Others reject it as well: a suspicion is never proven, and no breaker opens."""
    run = rehearse({"a": REJECTING, "b": REJECTING}, crowd_of(5, 10, 60))
    assert run.verdicts == {"error": 600}
    assert not [change for change in run.notes.changes if change.after == "open"]
    assert {client.downstream.status for client in run.clients} == {400}


def two_models() -> Settings:
    """Two routes over the same two providers."""
    configured = settings(providers={"a": provider("a"), "b": provider("b")})
    first = configured.routes[0]
    other = Route(
        "other", ("other",), ((Target("a", "n"),), (Target("b", "n"),)), timeouts=first.timeouts, retry=first.retry
    )
    return replace(configured, routes=(first, other))


@pytest.mark.parametrize(
    "fault",
    [
        Behaviour(Mode.STATUS, models=("m",), chunks=2),  # D25: 500 and 529, one model after the other comes back
        Behaviour(Mode.STATUS, failure="anthropic_overloaded", models=("m",), chunks=2),
        Behaviour(Mode.BLACK_HOLE, models=("m",), chunks=2),
        Behaviour(Mode.STATUS, failure="openai_model_not_found", models=("m",), chunks=2),
    ],
    ids=["errors", "overload", "silence", "not found"],
)
def test_6_a_model_dies_alone(fault: Behaviour) -> None:
    models = ("lamp", "other")
    wishes = [(at, replace(wish, model=models[n % 2])) for n, (at, wish) in enumerate(steady(20, 60))]
    run = rehearse({"a": spans([(10, 50, fault)], SOUND), "b": SOUND}, wishes, two_models())
    assert run.verdicts == {"ok": 1200}
    others = [contact for contact in run.network.contacts if contact.model == "n"]
    assert sum(contact.provider == "a" for contact in others) >= 0.999 * len(others)


def test_6_an_endpoint_dies_alone() -> None:
    """D6: chat above 90 % errors, embeddings clean."""
    from proxy.core.endpoints import Endpoint

    fault = Behaviour(Mode.STATUS, share=0.95, endpoints=("completions",), chunks=2)

    async def both(world: World) -> None:
        for number in range(200):
            await world.one(Wish(f"c{number}"))
            await world.one(Wish(f"e{number}", stream=False, endpoint=Endpoint.EMBEDDINGS))
        seen = Counter((c.provider, c.path.rpartition("/")[2]) for c in world.network.contacts)
        assert seen["a", "embeddings"] == 200
        assert seen["b", "completions"] > 180

    play(both, {"a": fault, "b": SOUND})
