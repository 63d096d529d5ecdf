"""Addresses: asked for once, remembered, and still known when the resolver is not there (promise 26)."""

import asyncio
import socket
from collections.abc import Sequence

import pytest

from proxy.transport.limits import TransportLimits
from proxy.transport.resolution import AddressBook, interleave, is_literal, system_resolver


class Resolver:
    """Answers what it is told to: addresses, an error to raise, or None to hang."""

    def __init__(self, answer: Sequence[str] | OSError | None) -> None:
        self.answer = answer
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.answer is None:
            await asyncio.get_running_loop().create_future()
        if isinstance(self.answer, OSError):
            raise self.answer
        assert self.answer is not None
        return self.answer


def book(resolver: Resolver, **limits: float) -> AddressBook:
    settings = {"dns_ttl": 30.0, "dns_patience": 0.001, "dns_limit": 0.05} | limits
    return AddressBook(asyncio.get_running_loop(), resolver, TransportLimits(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%lo", "10.0.0.1"])
def test_literals_are_not_looked_up(run, host: str) -> None:
    async def scenario() -> None:
        resolver = Resolver(None)
        assert await book(resolver).find(host, 80) == (host,)
        assert resolver.asked == 0

    run(scenario())
    assert is_literal(host)
    assert not is_literal("localhost")


def test_fresh_answers_are_shared_and_old_ones_are_asked_for_again(run) -> None:
    async def scenario() -> None:
        resolver = Resolver(["192.0.2.1"])
        fresh = book(resolver)
        found = await asyncio.gather(*(fresh.find("a.test", 80) for _ in range(20)))
        assert found == [("192.0.2.1",)] * 20
        await fresh.find("a.test", 80)
        assert resolver.asked == 1
        await fresh.find("b.test", 80)
        assert resolver.asked == 2

        always_old = book(resolver, dns_ttl=0.0, dns_patience=5.0)
        await always_old.find("a.test", 80)
        resolver.answer = ["192.0.2.2"]
        assert await always_old.find("a.test", 80) == ("192.0.2.2",)

    run(scenario())


@pytest.mark.parametrize("outage", [socket.gaierror(-2, "Name or service not known"), OSError("broken"), [], None])
def test_last_good_addresses_survive_a_resolver_outage(run, outage: Sequence[str] | OSError | None) -> None:
    async def scenario() -> None:
        resolver = Resolver(["192.0.2.1"])
        addresses = book(resolver, dns_ttl=0.0, dns_limit=5.0)
        await addresses.find("a.test", 80)
        resolver.answer = outage
        for _ in range(3):
            assert await addresses.find("a.test", 80) == ("192.0.2.1",)
        resolver.answer = ["192.0.2.9"]
        for lookup in addresses.lookups:
            lookup.cancel()
        await asyncio.sleep(0.002)
        await addresses.find("a.test", 80)
        await asyncio.sleep(0.002)
        assert await addresses.find("a.test", 80) == ("192.0.2.9",)
        addresses.close()

    run(scenario())


@pytest.mark.parametrize("outage", [socket.gaierror(-2, "Name or service not known"), [], None])
def test_unknown_name_fails_but_may_come_back(run, outage: Sequence[str] | OSError | None) -> None:
    async def scenario() -> None:
        resolver = Resolver(outage)
        addresses = book(resolver)
        with pytest.raises(OSError, match=r"not known|no address|does not answer"):
            await addresses.find("a.test", 80)
        resolver.answer = ["192.0.2.1"]
        assert await addresses.find("a.test", 80) == ("192.0.2.1",)

    run(scenario())


def test_a_waiter_that_leaves_does_not_take_the_lookup_with_it(run) -> None:
    async def scenario() -> None:
        resolver = Resolver(["192.0.2.1"])
        addresses = book(resolver)
        leaver = asyncio.create_task(addresses.find("a.test", 80))
        stayer = asyncio.create_task(addresses.find("a.test", 80))
        await asyncio.sleep(0)
        leaver.cancel()
        assert await stayer == ("192.0.2.1",)
        assert resolver.asked == 1

    run(scenario())


def test_families_alternate_and_duplicates_go() -> None:
    assert interleave(["::1", "::2", "10.0.0.1", "::1", "10.0.0.2", "10.0.0.3"]) == (
        "::1",
        "10.0.0.1",
        "::2",
        "10.0.0.2",
        "10.0.0.3",
    )
    assert interleave(["10.0.0.1", "::1"]) == ("10.0.0.1", "::1")
    assert interleave([]) == ()


def test_system_resolver_knows_localhost(run) -> None:
    async def scenario() -> None:
        found = await system_resolver(asyncio.get_running_loop())("localhost", 80)
        assert set(found) & {"127.0.0.1", "::1"}

    run(scenario())
