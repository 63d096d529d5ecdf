"""What one client's odd request may take away from the others: nothing.

Each refusal below comes in a vendor's own words. The request that caused it goes elsewhere; whether the next one, of
somebody else, is still offered to the same target, the same model or the same credential, is the question.
"""

import asyncio
import json
from dataclasses import dataclass

import pytest
from support.simulation import World, play, provider, settings

from proxy.core.outcome import OutcomeKind
from proxy.rehearse.behaviour import Behaviour, Latency, Mode
from proxy.rehearse.client import Wish
from proxy.rehearse.vendor_errors import ERRORS, VendorError

K = OutcomeKind
QUICK = Behaviour(chunks=2, latency=Latency(0.01), gap=0.01)
#: Above every hold here, jitter included.
LATER = 301.0


def said(message: str, code: str | int | None = None, kind: str | None = None, param: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


AFFORD = (
    "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford 4321. "
    "To increase, visit https://openrouter.ai/settings/credits and upgrade to a paid account"
)
TOO_LARGE = (
    "Request too large for gpt-x in organization org-x on tokens per min (TPM): Limit 30000, Requested 40000. The input or "
    "output tokens must be reduced in order to run successfully."
)
BLOCKED = (
    "The model `x` is blocked at the project level. Please have a project admin enable this model in the project settings "
    "at https://console.groq.com/settings/project/limits"
)
VERIFY = (
    "Your organization must be verified to stream this model. Please go to: "
    "https://platform.openai.com/settings/organization/general and click on Verify Organization."
)
UNKNOWN = "The model `x` does not exist or you do not have access to it."


@dataclass(frozen=True)
class Poison:
    """`told`: status and code for a client that has no other target."""

    status: int
    body: bytes
    told: tuple[int, str | None]

    def error(self, kind: OutcomeKind) -> VendorError:
        return VendorError(self.status, kind, self.body)


#: Depends on the request: nothing may be held.
PASSING = {
    "tools": Poison(404, said("No endpoints found that support tool use.", 404), (404, "404")),
    "images": Poison(404, said("No endpoints found that support image input", 404), (404, "404")),
    "a file": Poison(404, said("No such File object: file-abc123", None, "invalid_request_error"), (404, "unsupported")),
    "fastapi": Poison(404, b'{"detail":"Not Found"}', (404, "unsupported")),
    "a path": Poison(404, b"404 page not found", (404, "unsupported")),
    "a page": Poison(404, b"<html><head><title>404 Not Found</title></head></html>", (404, "unsupported")),
    "no words": Poison(404, b"", (404, "unsupported")),
    "max_tokens": Poison(402, said(AFFORD, 402), (400, "unsupported")),
    "a minute's tokens": Poison(429, said(TOO_LARGE, "rate_limit_exceeded", "tokens"), (400, "unsupported")),
}
#: One model that the credential may not use: held for that model.
FORBIDDEN = {
    "blocked": Poison(
        403, said(BLOCKED, "model_permission_blocked_project", "permissions_error"), (502, "provider_auth_failed")
    ),
    "unverified": Poison(
        403, said(VERIFY, "unsupported_value", "invalid_request_error", "stream"), (502, "provider_auth_failed")
    ),
    "no access": Poison(
        403, said("Project `proj_x` does not have access to model `x`", "model_not_found"), (502, "provider_auth_failed")
    ),
}


def poisoned(name: str, poison: Poison, kind: OutcomeKind, monkeypatch: pytest.MonkeyPatch, **where: object) -> Behaviour:
    monkeypatch.setitem(ERRORS, name, poison.error(kind))
    return Behaviour(Mode.STATUS, failure=name, latency=Latency(0.01), **where)  # type: ignore[arg-type]


async def targets(world: World, label: str) -> list[str]:
    """Ask once; which targets were asked, in order."""
    client = await world.one(Wish(label))
    assert client.verdict == "ok"
    return [attempt.target for attempt in world.notes.calls[-1].attempts]


@pytest.mark.parametrize("name", PASSING)
def test_a_request_that_a_target_cannot_serve_costs_the_others_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = poisoned(name, PASSING[name], K.UNSUPPORTED, monkeypatch)

    async def body(world: World) -> None:
        for number in range(30):
            world.providers["a"].become(odd)
            assert await targets(world, f"odd{number}") == ["a/m", "b/m"]
            assert world.notes.calls[-1].attempts[0].kind is K.UNSUPPORTED
            world.providers["a"].become(QUICK)
            assert await targets(world, f"usual{number}") == ["a/m"]
        assert world.notes.changes == []

    play(body, {"a": QUICK, "b": QUICK})


@pytest.mark.parametrize("name", {**PASSING, **FORBIDDEN})
def test_a_client_without_another_target_is_told_and_asks_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    poison = {**PASSING, **FORBIDDEN}[name]
    odd = poisoned(name, poison, K.UNSUPPORTED if name in PASSING else K.MODEL_FORBIDDEN, monkeypatch)

    async def body(world: World) -> None:
        client = await world.one(Wish("odd"))
        error = json.loads(client.downstream.body)["error"]
        assert (client.downstream.status, error["code"]) == poison.told
        assert ".." not in error["message"]
        assert len(world.notes.calls[-1].attempts) == 1

    play(body, {"a": odd}, settings((("a/m",),)))


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_model_that_is_not_allowed_costs_no_other_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = poisoned(name, FORBIDDEN[name], K.MODEL_FORBIDDEN, monkeypatch, models=("x",), chunks=2)

    async def body(world: World) -> None:
        assert await targets(world, "first") == ["a/x", "a/y"]
        assert await targets(world, "second") == ["a/y"]
        assert [(change.subject, change.after) for change in world.notes.changes] == [("a#1", "held for x")]
        await asyncio.sleep(LATER)
        assert await targets(world, "later") == ["a/x", "a/y"]

    play(body, {"a": odd}, settings((("a/x",), ("a/y",))))


def test_another_credential_may_be_allowed_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = poisoned("no access", FORBIDDEN["no access"], K.MODEL_FORBIDDEN, monkeypatch, keys=("sk-a-1",), chunks=2)

    async def body(world: World) -> None:
        for number in range(4):
            await targets(world, f"r{number}")
        used = [[attempt.credential for attempt in record.attempts] for record in world.notes.calls]
        assert used == [["a#1", "a#2"], ["a#2"], ["a#2"], ["a#2"]]

    play(body, {"a": odd}, settings((("a/m",),), providers={"a": provider("a", keys=2)}))


def test_a_403_that_names_no_model_still_holds_the_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Poison(403, said("Your API key is not allowed here.", "forbidden"), (502, "provider_auth_failed"))
    odd = poisoned("whole", refusal, K.AUTH_FAILED, monkeypatch, models=("x",), chunks=2)

    async def body(world: World) -> None:
        assert await targets(world, "first") == ["a/x", "b/m"]
        assert await targets(world, "second") == ["b/m"]

    play(body, {"a": odd, "b": QUICK}, settings((("a/x",), ("a/y",), ("b/m",))))


def test_a_model_that_is_unknown_is_left_alone_for_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Poison(404, said(UNKNOWN, "model_not_found", "invalid_request_error"), (404, "model_not_found"))
    odd = poisoned("unknown", refusal, K.MODEL_NOT_FOUND, monkeypatch)

    async def body(world: World) -> None:
        assert await targets(world, "first") == ["a/m", "b/m"]
        world.providers["a"].become(QUICK)
        assert await targets(world, "second") == ["b/m"]
        await asyncio.sleep(LATER)
        assert await targets(world, "later") == ["a/m"]

    play(body, {"a": odd, "b": QUICK})


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        (Behaviour(Mode.EMPTY_CHOICES, latency=Latency(0.01)), 1),
        (Behaviour(Mode.GARBAGE, latency=Latency(0.01)), 1),
        (Behaviour(Mode.CUT, role_first=True, latency=Latency(0.01)), 2),
    ],
    ids=["empty choices", "garbage", "cut"],
)
def test_a_lone_target_is_not_paid_again_for_what_it_garbled(fault: Behaviour, asked: int) -> None:
    """A malformed answer was generated to its end; one that was cut before its first word died with the server."""

    async def body(world: World) -> None:
        asking = asyncio.ensure_future(world.one(Wish("r")))
        await asyncio.sleep(0.015)
        world.providers["a"].become(QUICK)
        client = await asking
        assert len(world.notes.calls[-1].attempts) == asked
        assert client.verdict == ("ok" if asked > 1 else "error")

    play(body, {"a": fault}, settings((("a/m",),)))


@pytest.mark.parametrize(
    ("one", "other", "status", "code"),
    [
        ("openai_rate_limit", "groq_rate_limit", 429, "rate_limit_exceeded"),
        ("openai_quota", "deepseek_balance", 429, "insufficient_quota"),
        ("openai_quota", "openai_rate_limit", 429, "rate_limit_exceeded"),
        ("openai_model_not_found", "azure_deployment", 404, "model_not_found"),
        ("openai_model_not_found", "openai_rate_limit", 429, "rate_limit_exceeded"),
        ("openai_invalid_key", "openai_rate_limit", 503, "no_target_available"),
    ],
)
def test_what_everybody_is_held_for_is_told_without_asking(one: str, other: str, status: int, code: str) -> None:
    """All credentials at their limit were a 503."""

    def fault(name: str) -> Behaviour:
        hint = "40" if "rate_limit" in name else None
        return Behaviour(Mode.STATUS, failure=name, retry_after=hint, latency=Latency(0.01))

    async def body(world: World) -> None:
        for number in range(3):
            await world.one(Wish(f"first{number}"))
        seen = len(world.network.contacts)
        client = await world.one(Wish("next"))
        assert len(world.network.contacts) == seen
        assert client.downstream.status == status
        assert json.loads(client.downstream.body)["error"]["code"] == code
        soonest = client.downstream.header("retry-after")
        assert (soonest is None) is (status == 404)
        if "openai_rate_limit" in (one, other) and "openai_invalid_key" not in (one, other):
            assert soonest is not None
            assert 39 <= int(soonest) <= 48

    configured = settings(providers={"a": provider("a", keys=2), "b": provider("b")})
    play(body, {"a": fault(one), "b": fault(other)}, configured)
