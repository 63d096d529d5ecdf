"""The refresher in virtual time: when it asks, how often, and what a reload keeps."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest

from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.records import StateChange
from proxy.core.settings import Credential
from proxy.core.sources import (
    AwsAssumeRoleSource,
    AwsContainerSource,
    AwsInstanceSource,
    AwsKeys,
    CommandSource,
    CredentialSource,
    EntraManagedSource,
    EntraSource,
    FileSource,
    GoogleMetadataSource,
    OAuthSource,
)
from proxy.policy.credentials import CredentialRing, CredentialState
from proxy.policy.leases import Renewal
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
from proxy.transport.credentials.refresher import Refresher, fill
from proxy.transport.credentials.surroundings import Denied, Printed, Surroundings, TokenRequest, TokenResponse

REFUSED = Outcome(OutcomeKind.AUTH_FAILED)


def source(name: str) -> OAuthSource:
    return OAuthSource(token_url(name), "me", "canary-secret")


def forever(behaviour: IssuerBehaviour, life: float = 1000.0, start: float = 0.0) -> IssuerPlan:
    return IssuerPlan(life, (IssuerSpan(start, 1e9, behaviour),))


@dataclass
class Bench:
    """A refresher among simulated issuers."""

    around: Surroundings
    refresher: Refresher
    issuers: dict[str, SimulatedIssuer]
    changes: list[StateChange] = field(default_factory=list)

    def ring(self, *sources: CredentialSource, name: str = "p") -> CredentialRing:
        credentials = [Credential(f"{name}#{n}", source=one) for n, one in enumerate(sources, 1)]
        return CredentialRing(name, credentials, Random(1), self.changes.append)

    def times(self, name: str = "a") -> list[float]:
        return [round(call.started_at, 3) for call in self.issuers[name].calls]


def rehearse(body: Callable[[Bench], Awaitable[None]], **plans: IssuerPlan) -> None:
    async def main(rng: Random) -> None:
        loop = asyncio.get_running_loop()
        issuers = {name: SimulatedIssuer(name, plan) for name, plan in plans.items()}
        around = Surroundings(loop, IssuerNetwork(loop, Random(2), issuers), rng, lambda: 1e9 + loop.time())
        bench = Bench(around, Refresher(around), issuers)
        await body(bench)
        await bench.refresher.aclose()
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    run(main, seed=1)


def only(ring: CredentialRing) -> CredentialState:
    return ring.credentials[0]


def test_tokens_are_renewed_at_four_fifths_of_their_life() -> None:
    async def body(bench: Bench) -> None:
        ring = bench.ring(source("a"))
        bench.refresher.follow([ring])
        assert not ring.ready("m", 0.0)
        await asyncio.sleep(0.2)
        assert ring.ready("m", 0.2)
        assert only(ring).credential.secret == "token-a-1"
        assert only(ring).credential.expires_at == 1000.0
        await asyncio.sleep(10_000)
        gaps = [later - earlier for earlier, later in pairwise(bench.times())]
        assert all(0.8 * 1000 * 0.9 - 0.2 <= gap <= 0.8 * 1000 + 0.2 for gap in gaps)
        assert len(set(gaps)) == len(gaps), "never quite at the same time"
        assert [change.after for change in bench.changes] == ["usable"]

    rehearse(body, a=IssuerPlan(1000.0))


def test_a_dead_issuer_is_asked_once_per_step_whatever_the_traffic_does() -> None:
    async def body(bench: Bench) -> None:
        ring = bench.ring(source("a"))
        bench.refresher.follow([ring])
        await asyncio.sleep(0.2)
        only(ring).note(REFUSED, "m", 0.2)
        for _ in range(3000):
            await asyncio.sleep(0.1)
            only(ring).note(REFUSED, "m", bench.around.loop.time())
        times = bench.times()[1:]
        steps = [1, 2, 4, 8, 16, 30, 30, 30]
        gaps = [later - earlier - 10.0 for earlier, later in pairwise(times)]
        for gap, step in zip(gaps, steps, strict=False):
            assert step <= gap <= step * 1.1 + 0.01
        assert len(gaps) >= 8
        assert only(ring).lease is not None
        assert only(ring).lease.error == "a.issuer.test did not answer within 10 s"

    rehearse(body, a=forever(IssuerBehaviour(IssuerMode.HANG), start=0.15))


def test_a_refusal_asks_at_once_and_then_at_most_every_half_minute() -> None:
    """A provider that takes a token now and then, as one with broken caches does."""

    async def body(bench: Bench) -> None:
        ring = bench.ring(source("a"))
        bench.refresher.follow([ring])
        await asyncio.sleep(1.0)
        for _ in range(590):
            only(ring).note(REFUSED, "m", bench.around.loop.time(), only(ring).credential)
            await asyncio.sleep(0.1)
            only(ring).note(OK, "m", bench.around.loop.time(), only(ring).credential)
        assert bench.times() == [0.0, 1.0, 31.0]

    rehearse(body, a=IssuerPlan(1000.0))


@pytest.mark.parametrize("mode", [IssuerMode.INVALID_GRANT, IssuerMode.GARBAGE])
def test_what_is_refused_for_good_is_asked_again_each_minute_or_at_a_reload(mode: IssuerMode) -> None:
    final = mode is IssuerMode.INVALID_GRANT

    async def body(bench: Bench) -> None:
        ring = bench.ring(source("a"))
        bench.refresher.follow([ring])
        await asyncio.sleep(300.0)
        gaps = [later - earlier for earlier, later in pairwise(bench.times())]
        if final:
            assert all(60.0 <= gap <= 66.2 for gap in gaps)
        before = len(bench.times())
        bench.refresher.follow([ring])
        await asyncio.sleep(0.5)
        assert len(bench.times()) == before + final
        assert only(ring).lease is not None
        assert only(ring).lease.results == {Renewal.REFUSED if final else Renewal.FAILED: before + final}

    rehearse(body, a=forever(IssuerBehaviour(mode)))


def test_a_retry_after_is_obeyed() -> None:
    async def body(bench: Bench) -> None:
        bench.refresher.follow([bench.ring(source("a"))])
        await asyncio.sleep(300.0)
        gaps = [later - earlier for earlier, later in pairwise(bench.times())]
        assert all(100.0 <= gap <= 110.2 for gap in gaps)

    rehearse(body, a=forever(IssuerBehaviour(IssuerMode.STATUS, status=429, retry_after="100")))


def test_the_end_of_a_token_is_reported_when_it_comes() -> None:
    async def body(bench: Bench) -> None:
        bench.refresher.follow([bench.ring(source("a"))])
        await asyncio.sleep(2000.0)
        assert [change.after for change in bench.changes] == ["usable", "refresh_failing", "expired"]
        assert bench.changes[2].at == pytest.approx(1000.0, abs=0.01)

    rehearse(body, a=forever(IssuerBehaviour(IssuerMode.STATUS), start=100.0))


def test_a_reload_keeps_replaces_and_stops() -> None:
    async def body(bench: Bench) -> None:
        first = bench.ring(source("a"), source("b"))
        bench.refresher.follow([first, bench.ring(source("a"), name="q")])
        await asyncio.sleep(1.0)
        assert [len(bench.issuers[name].calls) for name in "abc"] == [2, 1, 0]
        second = bench.ring(source("c"), source("a"))  # b is gone, a has moved, c is new; q is gone
        bench.refresher.follow([second])
        assert second.credentials[1].credential == Credential("p#2", "token-a-1", expires_at=1000.0, source=source("a")), (
            "the token is there at once"
        )
        assert not second.ready("m", 1.0, ("p#2",))
        await asyncio.sleep(3000.0)
        assert second.ready("m", 3001.0, ("p#2",))
        assert len(bench.issuers["b"].calls) == 1
        assert len(bench.issuers["a"].calls) in (2 + 3, 2 + 4)
        assert len(bench.issuers["c"].calls) in (4, 5)
        # Who has an old state still (a call under way) sees no new token, and asks for none.
        assert first.credentials[0].credential.secret == "token-a-1"

    rehearse(body, a=IssuerPlan(1000.0), b=IssuerPlan(1000.0), c=IssuerPlan(1000.0))


def test_a_reload_while_a_token_is_on_its_way() -> None:
    async def body(bench: Bench) -> None:
        bench.refresher.follow([bench.ring(source("a"))])
        await asyncio.sleep(0.05)
        ring = bench.ring(source("a"))
        bench.refresher.follow([ring])
        await asyncio.sleep(0.1)
        assert only(ring).credential.secret == "token-a-1"
        assert bench.times() == [0.0]

    rehearse(body, a=IssuerPlan(1000.0))


def test_files_are_read_again_when_they_change() -> None:
    async def body(bench: Bench) -> None:
        texts = {"/key": b"one\n"}
        bench.around.read = lambda path: texts[path]
        ring = bench.ring(FileSource("/key"))
        bench.refresher.follow([ring])
        await asyncio.sleep(60.0)
        assert only(ring).credential.secret == "one"
        lease = only(ring).lease
        assert lease is not None
        assert lease.results[Renewal.RENEWED] == 1
        texts["/key"] = b"two\n"
        await asyncio.sleep(5.1)
        assert only(ring).credential.secret == "two"
        texts["/key"] = b""  # half-way through being written
        await asyncio.sleep(10.0)
        assert ring.ready("m", bench.around.loop.time()), "the last key is kept"
        assert lease.error == "/key is empty"
        assert bench.changes[-1].after == "refresh_failing"

    rehearse(body)


def test_commands_are_run_again() -> None:
    async def body(bench: Bench) -> None:
        printed: list[object] = []

        async def run_it(argv: object) -> Printed:
            printed.append(argv)
            return Printed(0, json.dumps({"token": f"t{len(printed)}"}).encode())

        bench.around.run = run_it
        ring = bench.ring(CommandSource(("tool", "x"), every=300.0))
        bench.refresher.follow([ring])
        await asyncio.sleep(299.0 * 4)
        assert len(printed) in (4, 5)
        assert only(ring).credential.secret == f"t{len(printed)}"
        assert only(ring).credential.expires_at is None

    rehearse(body)


class Broken:
    """A client with a bug."""

    async def ask(self, request: TokenRequest) -> TokenResponse:
        raise KeyError("canary")

    async def aclose(self) -> None:
        """Nothing is open."""


def test_a_bug_costs_a_refresh_and_not_the_credential() -> None:
    async def body(bench: Bench) -> None:
        ring = bench.ring(source("a"))
        bench.refresher.follow([ring])
        await asyncio.sleep(1.0)
        healthy, bench.around.http = bench.around.http, Broken()
        await asyncio.sleep(900.0)
        lease = only(ring).lease
        assert lease is not None
        assert lease.error == "the refresh failed: KeyError"
        bench.around.http = healthy
        await asyncio.sleep(40.0)
        assert lease.error is None

    rehearse(body, a=IssuerPlan(1000.0))


def test_filling_once() -> None:
    async def body(bench: Bench) -> None:
        lasting = Credential("p#1", "k")
        assert await fill(lasting, bench.around) is lasting
        filled = await fill(Credential("p#1", source=source("a")), bench.around)
        assert filled.secret == "token-a-1"
        with pytest.raises(Denied, match=r"nowhere.issuer.test cannot be reached"):
            await fill(Credential("p#1", source=source("nowhere")), bench.around)

    rehearse(body, a=IssuerPlan(1000.0))


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        (source("a"), 10.0),
        (EntraSource("t", "c", "s", authority="https://a.issuer.test"), 10.0),
        (AwsAssumeRoleSource("arn", AwsKeys("A", "S"), endpoint="https://a.issuer.test"), 10.0),
        (GoogleMetadataSource(endpoint="https://a.issuer.test"), 3.0),
        (EntraManagedSource(endpoint="https://a.issuer.test"), 3.0),
        (AwsInstanceSource("https://a.issuer.test"), 3.0),
        (AwsContainerSource("https://a.issuer.test"), 3.0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_request_has_its_limit(kind: CredentialSource, seconds: float) -> None:
    """Ten seconds for an issuer, three for a metadata server, which is next door or not there."""

    async def body(bench: Bench) -> None:
        with pytest.raises(Denied, match=f"a.issuer.test did not answer within {seconds:g} s"):
            await fill(Credential("p#1", source=kind), bench.around)
        assert bench.around.loop.time() == seconds

    rehearse(body, a=forever(IssuerBehaviour(IssuerMode.HANG)))


def test_everything_together_has_a_limit() -> None:
    """A chain of requests, each within its own limit, ends at the limit for all."""

    async def body(bench: Bench) -> None:
        async def slow(argv: object) -> Printed:
            await asyncio.sleep(1000.0)
            raise AssertionError("nobody waits for this")

        bench.around.run = slow
        with pytest.raises(Denied, match="no token within 45 s"):
            await fill(Credential("p#1", source=CommandSource(("tool",))), bench.around)
        assert bench.around.loop.time() == 45.0

    rehearse(body)
