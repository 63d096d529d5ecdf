import asyncio
import json
from random import Random

import pytest

from proxy.rehearse.issuer import (
    IssuerBehaviour,
    IssuerMode,
    IssuerNetwork,
    IssuerPlan,
    IssuerSpan,
    SimulatedIssuer,
    token_url,
)
from proxy.rehearse.virtual_loop import run
from proxy.transport.credentials.surroundings import TokenRequest, Unreachable

ASK = TokenRequest("POST", token_url("a"))


def play(body, plan: IssuerPlan) -> SimulatedIssuer:
    async def main(rng: Random) -> SimulatedIssuer:
        issuer = SimulatedIssuer("a", plan)
        network = IssuerNetwork(asyncio.get_running_loop(), rng, {"a": issuer})
        await body(network)
        await network.aclose()
        return issuer

    return run(main, seed=1)


def always(behaviour: IssuerBehaviour) -> IssuerPlan:
    return IssuerPlan(60.0, (IssuerSpan(0.0, 1e9, behaviour),))


def test_tokens_differ_and_live_from_the_request_on():
    async def body(network):
        first, second = await asyncio.gather(network.ask(ASK), network.ask(ASK))
        assert {json.loads(answer.body)["access_token"] for answer in (first, second)} == {"token-a-1", "token-a-2"}
        assert json.loads(first.body)["expires_in"] == 60.0

    issuer = play(body, IssuerPlan(60.0))
    assert issuer.lives == {"token-a-1": 60.0, "token-a-2": 60.0}
    assert issuer.crowd == 2
    assert [(call.started_at, call.ended_at) for call in issuer.calls] == [(0.0, 0.1), (0.0, 0.1)]


@pytest.mark.parametrize(
    ("mode", "status", "body"),
    [
        (IssuerMode.STATUS, 503, b"<html>"),
        (IssuerMode.GARBAGE, 200, b"<html>"),
        (IssuerMode.INVALID_GRANT, 400, b'{"error":"invalid_grant"'),
    ],
)
def test_bad_answers(mode, status, body):
    async def ask(network):
        answer = await network.ask(ASK)
        assert answer.status == status
        assert answer.body.startswith(body)
        hints = [value for name, value in answer.headers if name == b"retry-after"]
        assert hints == ([] if mode is IssuerMode.INVALID_GRANT else [b"9"])

    issuer = play(ask, always(IssuerBehaviour(mode, status=503, retry_after="9")))
    assert issuer.lives == {}


@pytest.mark.parametrize("mode", [IssuerMode.NXDOMAIN, IssuerMode.REFUSE])
def test_no_answer(mode):
    async def ask(network):
        with pytest.raises(Unreachable):
            await network.ask(ASK)
        with pytest.raises(Unreachable, match="no such host"):
            await network.ask(TokenRequest("GET", token_url("b")))

    play(ask, always(IssuerBehaviour(mode)))


def test_a_hang_ends_with_whoever_asks():
    async def ask(network):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await network.ask(ASK)

    issuer = play(ask, always(IssuerBehaviour(IssuerMode.HANG)))
    assert issuer.calls[0].ended_at is None


def test_a_share_of_the_requests():
    async def ask(network):
        answers = [await network.ask(ASK) for _ in range(400)]
        assert 200 < sum(answer.status == 500 for answer in answers) < 340

    play(ask, always(IssuerBehaviour(IssuerMode.STATUS, share=0.69)))


def test_later_spans_count():
    bad, slow = IssuerBehaviour(IssuerMode.HANG), IssuerBehaviour(latency=5.0)
    plan = IssuerPlan(spans=(IssuerSpan(1, 10, bad), IssuerSpan(5, 20, slow)))
    assert [plan.at(second) for second in (0, 1, 5, 19.9, 20)] == [IssuerBehaviour(), bad, slow, slow, IssuerBehaviour()]
