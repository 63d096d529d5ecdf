"""Streams that are cut after content, and go on in another answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from json import loads
from typing import Any

import pytest
from pipeline_stage import DONE, USAGE, Canned, Stage, act, by_pool, chunk, error_of, in_order, stream
from support.simulation import settings

from proxy.core.continuity import Resume
from proxy.core.exchange import FailureKind, TransportError
from proxy.core.outcome import OutcomeKind
from proxy.core.records import Purpose
from proxy.core.settings import Settings
from proxy.rehearse.client import SimulatedClient, Wish

CUT = TransportError(FailureKind.BROKEN, "reset")
WORDS = ("When ", "one ", "lamp ", "goes ", "dark")


def resuming(mode: Resume = Resume.SPLICE, tiers: Any = (("a/m",), ("b/m",), ("c/m",))) -> Settings:
    made = settings(tiers)
    return replace(made, routes=tuple(replace(route, resume=mode) for route in made.routes))


def said(words: tuple[str, ...], identity: str = "chatcmpl-1", model: str = "m-1", cut: bool = False) -> Canned:
    """An answer of these words; `cut`: and not of its end."""
    role = chunk({"role": "assistant", "content": ""}, id=identity, model=model)
    pieces = [role, *(chunk({"content": word}, id=identity, model=model) for word in words)]
    if cut:
        return stream(*((0.01, piece) for piece in pieces), error=CUT)
    return stream(*((0.01, piece) for piece in (*pieces, chunk({}, "stop", id=identity, model=model), USAGE, DONE)))


def events_of(client: SimulatedClient) -> list[dict[str, Any]]:
    lines = bytes(client.downstream.body).split(b"\n")
    return [loads(line[6:]) for line in lines if line.startswith(b"data: {")]


def text_of(client: SimulatedClient) -> str:
    choices = [choice for event in events_of(client) for choice in event.get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def closing(client: SimulatedClient) -> dict[str, Any]:
    body = bytes(client.downstream.body)
    value: dict[str, Any] = loads(body.rsplit(b": undimmed ", 1)[1].split(b"\n", 1)[0])
    return value


def play(*answers: Canned, configured: Settings | None = None, **wish: Any) -> tuple[SimulatedClient, Stage]:
    """One streamed call, answered by these in turn."""
    seen: list[tuple[SimulatedClient, Stage]] = []

    async def body(stage: Stage) -> None:
        seen.append((await stage.ask(Wish("c", **wish)), stage))

    act(in_order(*answers), body, configured or resuming())
    return seen[0]


def test_a_cut_stream_goes_on_in_an_answer_that_begins_the_same() -> None:
    client, stage = play(said(WORDS[:3], cut=True), said(WORDS, "chatcmpl-2", "m-2"))
    assert text_of(client) == "When one lamp goes dark"
    assert {event["id"] for event in events_of(client)} == {"chatcmpl-1"}
    assert {event["model"] for event in events_of(client)} == {"m-1"}
    assert (
        bytes(client.downstream.body).count(b'"finish_reason": "stop"')
        + bytes(client.downstream.body).count(b'"finish_reason":"stop"')
        == 1
    )
    assert bytes(client.downstream.body).endswith(DONE)
    assert closing(client)["parts"] == [{"target": "a/m", "characters": 14}, {"target": "b/m", "characters": 9}]
    (record,) = stage.records
    assert record.outcome is OutcomeKind.OK
    assert [(a.target, a.purpose, a.kind, a.delivered) for a in record.attempts] == [
        ("a/m", Purpose.ANSWER, OutcomeKind.STREAM_BROKEN, True),
        ("b/m", Purpose.RESUME, OutcomeKind.OK, True),
    ]
