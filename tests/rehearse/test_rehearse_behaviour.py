from dataclasses import replace
from random import Random

import pytest

from proxy.rehearse.behaviour import Behaviour, Mode, Situation, constant, decide, lognormal, uniform

BASE = Situation(serial=1, in_flight=1, recent=1, age=0.0, path="/v1/chat/completions", model="m", key="k", input_tokens=10)
FAILING = Behaviour(mode=Mode.STATUS)


@pytest.mark.parametrize(
    ("behaviour", "situation", "mode"),
    [
        (Behaviour(), {}, Mode.OK),
        (FAILING, {}, Mode.STATUS),
        (replace(FAILING, fail_every=3), {"serial": 3}, Mode.STATUS),
        (replace(FAILING, fail_every=3), {"serial": 4}, Mode.OK),
        (replace(FAILING, succeed_every=5), {"serial": 5}, Mode.OK),
        (replace(FAILING, succeed_every=5), {"serial": 6}, Mode.STATUS),
        (replace(FAILING, share=0.0), {}, Mode.OK),
        (replace(FAILING, models=("m",)), {}, Mode.STATUS),
        (replace(FAILING, models=("other",)), {}, Mode.OK),
        (replace(FAILING, endpoints=("embeddings",)), {}, Mode.OK),
        (replace(FAILING, endpoints=("completions",)), {}, Mode.STATUS),
        (replace(FAILING, keys=("k",)), {}, Mode.STATUS),
        (replace(FAILING, keys=("other",)), {}, Mode.OK),
        (replace(FAILING, spare_models=True), {"path": "/v1/models"}, Mode.OK),
        (FAILING, {"path": "/v1/models"}, Mode.STATUS),
        (Behaviour(capacity=4), {"in_flight": 4}, Mode.OK),
        (Behaviour(capacity=4), {"in_flight": 5}, Mode.OVERLOAD),
        (Behaviour(rate=20, rate_growth=10), {"recent": 41, "age": 2.0}, Mode.OVERLOAD),
        (Behaviour(rate=20, rate_growth=10), {"recent": 40, "age": 2.0}, Mode.OK),
        (Behaviour(context_window=9), {}, Mode.CONTEXT),
        (Behaviour(context_window=10), {}, Mode.OK),
    ],
)
def test_decide(behaviour: Behaviour, situation: dict[str, object], mode: Mode):
    assert decide(behaviour, replace(BASE, **situation), Random(0)) is mode  # type: ignore[arg-type]


def test_a_share_strikes_about_that_share():
    rng = Random(1)
    struck = sum(decide(replace(FAILING, share=0.25), BASE, rng) is Mode.STATUS for _ in range(4000))
    assert 900 < struck < 1100


def test_latencies_follow_their_distribution():
    rng = Random(3)
    assert constant(0.2).draw(rng) == 0.2
    draws = [uniform(1.0, 3.0).draw(rng) for _ in range(2000)]
    assert 1.0 <= min(draws) < 1.1
    assert 2.9 < max(draws) <= 3.0
    draws = sorted(lognormal(0.2, 1.0).draw(rng) for _ in range(20_000))
    assert 0.19 < draws[10_000] < 0.21
    assert 0.9 < draws[19_800] < 1.1
