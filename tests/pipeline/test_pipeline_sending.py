"""What goes into a request at the last moment, and what must not come out of an answer."""

import asyncio
from dataclasses import replace

import pytest
from msgspec import structs
from pipeline_stage import DONE, Stage, act, by_pool, chunk, error_of, stream, whole
from support.simulation import World, play, provider, settings

from proxy.core.exchange import UpstreamRequest
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.settings import Credential, Origin
from proxy.core.sources import AwsKeys
from proxy.pipeline.sending import MASK, hide, sign
from proxy.rehearse.behaviour import Behaviour, Mode
from proxy.rehearse.client import Wish
from proxy.rehearse.issuer import IssuerBehaviour, IssuerMode, IssuerPlan, IssuerSpan

ORIGIN = Origin("https", "a.test", 443)
CANARY = "canary-4f1c-9d"


def test_a_signature_stands_before_the_blank_line() -> None:
    request = UpstreamRequest(
        "p", ORIGIN, b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n", sign=lambda wall: b"x-at: %d\r\n" % wall
    )
    sign(request, 1700000000.7)
    assert request.head == b"GET / HTTP/1.1\r\nhost: a.test\r\nx-at: 1700000000\r\n\r\n"


def test_a_request_without_a_signature_stays_as_it_is() -> None:
    request = UpstreamRequest("p", ORIGIN, b"GET / HTTP/1.1\r\n\r\n")
    sign(request, 0.0)
    assert request.head == b"GET / HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    ("credential", "shown"),
    [
        (Credential("a", CANARY), f"no {MASK} here"),
        (Credential("a", aws=AwsKeys(CANARY, "never sent", "t")), f"no {MASK} here"),
        (Credential("a", aws=AwsKeys("AKIA", "never sent", CANARY)), f"no {MASK} here"),
        (Credential("a", "here"), f"no {CANARY} here"),  # too short to be a secret
        (Credential("a"), f"no {CANARY} here"),
    ],
)
def test_what_was_sent_is_hidden(credential: Credential, shown: str) -> None:
    outcome = Outcome(OutcomeKind.AUTH_FAILED, 401, f"no {CANARY} here")
    hide(outcome, credential)
    assert outcome.message == shown


def test_an_outcome_without_words_has_nothing_to_hide() -> None:
    hide(OK, Credential("a", CANARY))
    assert OK.message == ""


class SigningKind:
    """A kind whose requests are signed when they are sent."""

    def __init__(self, kind: object) -> None:
        self._kind = kind

    def __getattr__(self, name: str) -> object:
        return getattr(self._kind, name)

    def _sign(self, request: UpstreamRequest) -> UpstreamRequest:
        return structs.replace(request, sign=lambda wall: b"x-signed: %.1f\r\n" % wall)

    def request(self, *args: object) -> UpstreamRequest:
        return self._sign(self._kind.request(*args))  # type: ignore[attr-defined]

    def free_probe(self, *args: object) -> UpstreamRequest:
        return self._sign(self._kind.free_probe(*args))  # type: ignore[attr-defined]


def test_calls_and_probes_are_signed_with_the_time_of_sending() -> None:
    async def body(stage: Stage) -> None:
        kinds = stage.parts.gateway.routing.kinds
        kinds["a"] = SigningKind(kinds["a"])  # type: ignore[index]
        await asyncio.sleep(5.0)
        await stage.ask()
        assert stage.transport.sent[0].head.endswith(b"x-signed: 1000000005.0\r\n\r\n")
        probing = asyncio.get_running_loop().create_task(stage.parts.prober.run())
        await asyncio.sleep(200.0)
        probing.cancel()
        probes = [request.head for request in stage.transport.sent[1:] if request.head.startswith(b"GET")]
        assert probes
        assert all(b"x-signed: 10000" in head for head in probes)

    probed = provider("a", probe=replace(provider("a").probe, kind="free", idle_after=10.0), preset="vllm")
    act(by_pool({"a": whole()}), body, settings((("a/m",),), providers={"a": probed}))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_provider_that_quotes_the_key_is_not_passed_on(streamed: bool) -> None:
    quoting = b'{"error": {"message": "the letters %b are unknown", "type": "x"}}' % CANARY.encode()

    async def body(stage: Stage) -> None:
        client = await stage.ask(Wish("c", stream=streamed))
        assert CANARY not in client.downstream.body.decode()
        assert error_of(client)
        assert all(CANARY not in attempt.outcome.message for record in stage.records for attempt in record.attempts)
        assert any(MASK in attempt.outcome.message for record in stage.records for attempt in record.attempts)

    keyed = replace(provider("a"), credentials=(Credential("a#1", CANARY),))
    event = b"data: " + quoting + b"\n\n"
    answer = stream((0.0, chunk({"content": "lit"})), (0.0, event), (0.0, DONE)) if streamed else whole(quoting, 400)
    act(by_pool({"a": answer}), body, settings((("a/m",),), providers={"a": keyed}))


def test_nothing_is_probed_without_a_token() -> None:
    down = IssuerPlan(spans=(IssuerSpan(0.0, 100.0, IssuerBehaviour(IssuerMode.HANG)),))
    probed = provider("a", probe=replace(provider("a").probe, kind="free", idle_after=10.0), preset="vllm", tokens=True)

    async def body(world: World) -> None:
        probing = asyncio.get_running_loop().create_task(world.parts.prober.run())
        await asyncio.sleep(100.0)
        assert world.network.contacts == []
        await asyncio.sleep(100.0)
        probing.cancel()
        assert {contact.key for contact in world.network.contacts} == {"token-a-1"}

    made = settings((("a/m",),), providers={"a": probed})
    play(body, {"a": Behaviour(Mode.OK)}, made, issuers={"a": down})
