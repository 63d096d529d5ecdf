"""Queues are fair: the urgent first, every key its turn, and a full queue makes room for the better right."""

import asyncio
import json
from dataclasses import dataclass

import pytest
from pipeline_stage import Stage, act, by_pool, whole
from support.simulation import settings

from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest
from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Target
from proxy.rehearse.client import ScriptedDownstream

#: A whole answer takes exactly a second.
SECOND = by_pool({"a": whole(wait=1.0), "b": whole(wait=1.0)})


@dataclass
class Asked:
    name: str
    downstream: ScriptedDownstream
    task: "asyncio.Task[None]"

    @property
    def error(self) -> dict[str, object]:
        found = json.loads(self.downstream.body)["error"]
        assert isinstance(found, dict)
        return found

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.downstream.headers)


def said(endpoint: Endpoint, text: str) -> dict[str, object]:
    if endpoint is Endpoint.COMPLETIONS:
        return {"prompt": text}
    if endpoint is Endpoint.RESPONSES:
        return {"input": text}
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 5}


def ask(
    stage: Stage,
    name: str,
    key: str | None = None,
    priority: str = "normal",
    headers: dict[str, str] | None = None,
    endpoint: Endpoint = Endpoint.CHAT,
) -> Asked:
    downstream = ScriptedDownstream(stage.loop)
    body = json.dumps({"model": "lamp", **said(endpoint, name)}).encode()
    request = ClientRequest(endpoint, headers or {}, body, key, None, stage.loop.time(), priority=priority)
    return Asked(name, downstream, stage.loop.create_task(stage.parts.gateway.serve(request, downstream)))


def order(stage: Stage) -> str:
    """The names in the order in which they were sent on."""
    return "".join(json.loads(request.body)["messages"][0]["content"] for request in stage.transport.sent)


async def finish(*asked: Asked) -> None:
    await asyncio.gather(*(each.task for each in asked))


def capped(queue: int = 100, name: str = "a") -> Target:
    return Target(name, "m", max_in_flight=1, max_queue=queue)


def test_a_thousand_requests_of_one_key_delay_anothers_by_one() -> None:
    async def body(stage: Stage) -> None:
        many = [ask(stage, "m", "many") for _ in range(1000)]
        await asyncio.sleep(0.5)
        few = ask(stage, "F", "few")
        await few.task
        assert few.downstream.status == 200
        assert order(stage)[:3] == "mmF"
        for each in many:
            each.task.cancel()
        await asyncio.gather(*(each.task for each in many), return_exceptions=True)

    act(SECOND, body, settings(((capped(2000),),)))


def test_the_urgent_first_then_turns_then_in_order() -> None:
    async def body(stage: Stage) -> None:
        waiting = [
            ask(stage, "0"),
            ask(stage, "a", "x", "batch"),
            ask(stage, "b", "x"),
            ask(stage, "c", "x"),
            ask(stage, "d", "y"),
            ask(stage, "e", "x", "critical"),
            ask(stage, "f", "y", "critical", {"x-undimmed-priority": "batch"}),
        ]
        await finish(*waiting)
        assert order(stage) == "0ebdcaf"
        told = {record.priority for record in stage.records}
        assert told == {"critical", "normal", "batch"}

    act(SECOND, body, settings(((capped(),),)))


def test_a_header_that_is_no_priority_is_refused() -> None:
    async def body(stage: Stage) -> None:
        asked = ask(stage, "a", headers={"x-undimmed-priority": "urgent"})
        await asked.task
        assert asked.downstream.status == 400
        assert asked.error["param"] == "x-undimmed-priority"
        assert stage.records[0].priority == "normal"
        assert not stage.transport.sent

    act(SECOND, body, settings(((capped(),),)))


def test_a_full_queue_makes_room_for_the_urgent() -> None:
    async def body(stage: Stage) -> None:
        served = ask(stage, "s")
        await asyncio.sleep(0.5)
        older, newer = ask(stage, "o", "x", "batch"), ask(stage, "n", "x", "batch")
        await asyncio.sleep(0)
        urgent = ask(stage, "u", "y")
        refused = ask(stage, "r", "z", "batch")
        await asyncio.sleep(0.01)
        assert newer.downstream.status == refused.downstream.status == 503
        assert newer.error["code"] == "displaced"
        assert refused.error["code"] == "no_target_available", "nobody has less of a right than a third batch call"
        assert newer.headers[b"x-should-retry"] == b"true"
        await finish(served, older, newer, urgent, refused)
        assert order(stage) == "suo"
        lost = [record for record in stage.records if record.status == 503]
        assert {record.outcome for record in lost} == {OutcomeKind.OVERLOADED}
        assert all(not record.attempts for record in lost)

    act(SECOND, body, settings(((capped(2),),)))


def test_a_key_that_fills_the_queue_makes_room_for_another() -> None:
    async def body(stage: Stage) -> None:
        many = [ask(stage, "m", "many") for _ in range(4)]
        await asyncio.sleep(0.1)
        few = [ask(stage, "F", "few") for _ in range(2)]
        await asyncio.sleep(0)
        statuses = [each.downstream.status for each in (*many, *few)]
        await asyncio.sleep(0.01)
        statuses = [each.downstream.status for each in (*many, *few)]
        assert statuses == [None, None, None, 503, None, 503], "two and one of three places: no further change"
        await finish(*many, *few)
        assert order(stage) == "mmFm"

    act(SECOND, body, settings(((capped(3),),)))


def test_who_waits_elsewhere_too_loses_a_place_and_not_the_call() -> None:
    async def body(stage: Stage) -> None:
        both = [ask(stage, name) for name in "12"]
        await asyncio.sleep(0.5)
        waits = ask(stage, "w", "x", "batch")
        await asyncio.sleep(0)
        urgent = ask(stage, "u", "y")
        await finish(*both, waits, urgent)
        assert [each.downstream.status for each in (waits, urgent)] == [200, 200]
        assert order(stage)[:3] == "12u"

    act(SECOND, body, settings(((capped(1),), (capped(2, "b"),))))


@pytest.mark.parametrize(
    ("endpoint", "status", "kind"),
    [
        (Endpoint.CHAT, 503, None),
        (Endpoint.COMPLETIONS, 503, None),
        (Endpoint.RESPONSES, 503, None),
        (Endpoint.MESSAGES, 529, "error"),
    ],
)
def test_every_format_has_its_own_shape_for_it(endpoint: Endpoint, status: int, kind: str | None) -> None:
    async def body(stage: Stage) -> None:
        served = ask(stage, "s")
        await asyncio.sleep(0.5)
        loser = ask(stage, "l", "x", "batch", endpoint=endpoint)
        await asyncio.sleep(0)
        winner = ask(stage, "w")
        await asyncio.sleep(0.01)
        assert loser.downstream.status == status
        told = json.loads(loser.downstream.body)
        assert told.get("type") == kind
        assert "higher priority" in told["error"]["message"]
        assert loser.headers[b"retry-after"].isdigit()
        assert loser.headers[b"x-should-retry"] == b"true"
        await finish(served, loser, winner)

    act(SECOND, body, settings(((capped(1),),)))


@pytest.mark.parametrize("waiting", [1, 4, 9])
def test_retry_after_is_what_the_queue_needs(waiting: int) -> None:
    """A place becomes free every second: who comes as the next one after so many is told that long, and gets it then."""

    async def body(stage: Stage) -> None:
        others = [ask(stage, "o") for _ in range(waiting + 1)]
        await asyncio.sleep(1.2 if waiting == 1 else 3.2)
        others += [ask(stage, "o") for _ in range(3)]
        await asyncio.sleep(0)
        refused = ask(stage, "r")
        await asyncio.sleep(0.01)
        assert refused.downstream.status == 503
        assert float(refused.headers[b"retry-after"]) == pytest.approx(waiting + 1, abs=1)
        assert refused.headers[b"x-should-retry"] == b"true"
        for each in others:
            each.task.cancel()
        await asyncio.gather(*(each.task for each in others), return_exceptions=True)

    act(SECOND, body, settings(((capped(waiting),),)))


def test_who_waited_until_its_deadline_is_not_told_to_wait_again() -> None:
    async def body(stage: Stage) -> None:
        others = [ask(stage, "o", priority="critical") for _ in range(5)]
        await asyncio.sleep(0.1)
        late = ask(stage, "l", headers={"x-request-timeout-ms": "2000"})
        await late.task
        assert late.downstream.status == 503
        assert b"retry-after" not in late.headers
        assert late.headers[b"x-should-retry"] == b"false"
        await finish(*others)

    act(SECOND, body, settings(((capped(),),)))
