"""A conversation with tools and reasoning moves from vendor to vendor in its middle, and back, and every vendor is asked
what it accepts: judged by the vendors' own SDKs and by the rules that no schema tells.

Six turns, of calls or of reasoning and calls, in the client's own format, whole and streamed in turn. The first vendor fails
from turn 3 on, the second from turn 5 on; at turn 7 the first is there again, and gets back what it had sealed.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise, permutations
from typing import Any

import openai.types.chat.completion_create_params as chat_params
import pytest
from e2e.matrix.vendors import CALM, VENDORS, provide
from pydantic import TypeAdapter
from support.sent import read_sent
from support.simulation import World, play, replace, settings
from support.talk import CLIENTS, History, Talk
from wire import cohere_judge, converse_judge
from wire.gemini_bodies import judge_body
from wire.messages_shapes import judge_request

from proxy.core.endpoints import Endpoint
from proxy.core.settings import Settings, Target
from proxy.providers.model_facts import facts_of
from proxy.rehearse.anthropic_answers import SIGNATURE as CLAUDE_SEAL
from proxy.rehearse.bedrock_answers import SIGNATURE as BEDROCK_SEAL
from proxy.rehearse.behaviour import Behaviour, Mode, Style
from proxy.rehearse.calls import NAMES
from proxy.rehearse.client import Wish
from proxy.rehearse.gemini_answers import SEAL as GOOGLE_SEAL
from proxy.rehearse.responses_answers import SEAL as OPENAI_SEAL
from proxy.wire.gemini.contents import NO_SEAL

#: What the model does, turn by turn: whoever takes over, takes over between calls and their results.
PLAYS = {"thoughts": (Style.REASONING, Style.PARALLEL) * 3, "calls": (Style.TOOL, Style.PARALLEL) * 3}
_CALLS = {Style.TOOL: 1, Style.PARALLEL: 2}
#: Who can open what.
_CLAUDES = frozenset(("anthropic", "vertex-claude", "bedrock"))
SEALS: Mapping[str, frozenset[str]] = {
    CLAUDE_SEAL: _CLAUDES,
    BEDROCK_SEAL: _CLAUDES,
    GOOGLE_SEAL: frozenset(("gemini", "vertex-gemini")),
    OPENAI_SEAL: frozenset(("openai",)),
}
_CHAT: TypeAdapter[Any] = TypeAdapter(chat_params.CompletionCreateParamsNonStreaming)
_CHAT_STREAMED: TypeAdapter[Any] = TypeAdapter(chat_params.CompletionCreateParamsStreaming)


def configure(names: tuple[str, ...]) -> Settings:
    chosen = [VENDORS[name] for name in names]
    tiers = [(Target(vendor.name, vendor.model, facts=facts_of(vendor.model)),) for vendor in chosen]
    configured = settings(tiers, providers={vendor.name: provide(vendor) for vendor in chosen}, breaker=CALM)
    (route,) = configured.routes
    return replace(configured, routes=(replace(route, retry=replace(route.retry, attempts=len(names))),))


# What vendors refuse, beyond their schemas.


def check_order(steps: Iterator[tuple[str, str]]) -> None:
    """Each call has its result, in order, before anything else is said."""
    open_calls: list[str] = []
    for kind, place in steps:
        if kind == "call":
            open_calls.append(place)
        elif kind == "result":
            assert open_calls
            assert open_calls.pop(0) == place
        else:
            assert not open_calls
    assert not open_calls


def judge_chat(body: dict[str, Any]) -> None:
    (_CHAT_STREAMED if body.get("stream") else _CHAT).validate_python(body)
    assert all(len(call["id"]) <= 64 for message in body["messages"] for call in message.get("tool_calls") or ())


def judge_mistral(body: dict[str, Any]) -> None:
    judge_chat(body)
    known = {"role", "content", "tool_calls", "tool_call_id", "name", "prefix"}
    assert {name for message in body["messages"] for name in message} <= known | {"refusal", "annotations"}
    calls = [call for message in body["messages"] for call in message.get("tool_calls") or ()]
    assert {name for call in calls for name in call} <= {"id", "type", "function"}


def judge_claude(body: dict[str, Any]) -> None:
    """Cloud envelopes aside."""
    inner = {name: value for name, value in body.items() if name not in ("anthropic_version", "anthropic_beta")}
    judge_request({"model": "m", **inner})
    check_thinking(body)


def check_thinking(body: dict[str, Any]) -> None:
    """A turn that is going on must begin with what was thought, if thinking by budget is asked for. A simulated Claude does
    not think before it calls, so its own calls are let pass."""
    if len(body["messages"]) < 2 or (body.get("thinking") or {}).get("type") != "enabled":
        return
    last, results = body["messages"][-2], body["messages"][-1]["content"]
    going_on = isinstance(results, list) and results[0]["type"] == "tool_result"
    first = last["content"][0]
    own = first.get("id", "").startswith("toolu_")
    assert not going_on or own or first["type"] in ("thinking", "redacted_thinking")


def judge_gemini(body: dict[str, Any]) -> None:
    judge_body(body)
    for content in body["contents"]:
        calls = [part for part in content["parts"] if "functionCall" in part]
        assert not calls or calls[0]["thoughtSignature"] in (GOOGLE_SEAL, NO_SEAL)


def judge_bedrock(body: dict[str, Any]) -> None:
    if "anthropic_version" in body:
        judge_claude(body)
        return
    assert converse_judge.judge(body, "m") == []
    roles = [message["role"] for message in body["messages"]]
    assert all(one != other for one, other in pairwise(roles))


def judge_openai(body: dict[str, Any]) -> None:
    if "messages" in body:
        judge_chat(body)
        return
    ids = [item.get("id") or "" for item in body["input"]] + [item.get("call_id") or "" for item in body["input"]]
    assert not any("undimmed" in each or len(each) > 64 for each in ids)


JUDGES: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "openai": judge_openai,
    "anthropic": judge_claude,
    "gemini": judge_gemini,
    "vertex-claude": judge_claude,
    "bedrock": judge_bedrock,
    "cohere": cohere_judge.judge,
    "mistral": judge_mistral,
}


class Move:
    """One conversation over three vendors."""

    def __init__(self, world: World, client: Endpoint, names: tuple[str, ...], styles: tuple[Style, ...]) -> None:
        self.world = world
        self.endpoint = client
        self.talk: Talk = CLIENTS[client]
        self.names = names
        self.styles = styles
        self.history: History = [{"role": "user", "content": "start"}]

    async def run(self) -> None:
        first, second, third = self.names
        for turn, style in enumerate(self.styles):
            serving = (first, second, third)[turn // 2]
            self._behave(style, down={first} if turn in (2, 3) else {first, second} if turn >= 4 else set())
            await self._ask(serving, stream=turn % 2 == 1)
        self._behave(Style.TEXT, down=set())
        body = await self._ask(first, stream=False)
        self._check_return(first, body)

    def _behave(self, style: Style, down: set[str]) -> None:
        for name, provider in self.world.providers.items():
            broken = Behaviour(Mode.STATUS, failure=VENDORS[name].outage)
            reports = VENDORS[name].preset == "mistral"
            provider.become(broken if name in down else Behaviour(style=style, chunks=6, reports=reports))

    async def _ask(self, serving: str, stream: bool) -> dict[str, Any]:
        """One turn: everybody who is asked is asked well, and this one answers."""
        asked = {"model": "lamp", "stream": stream, **self.talk.think, **self.talk.ask(self.history, NAMES)}
        before = {name: provider.served for name, provider in self.world.providers.items()}
        wish = Wish("c", endpoint=self.endpoint, stream=stream)
        done = await self.world.one(wish, json.dumps(asked).encode())
        assert done.downstream.status == 200, bytes(done.downstream.body)
        for name in self.names[: self.names.index(serving) + 1]:
            assert self.world.providers[name].served == before[name] + 1
            self._judge(name)
        answer = bytes(done.downstream.body)
        self.talk.take(self.history, self.talk.join(answer) if stream else json.loads(answer))
        return self._sent(serving)[1]

    def _sent(self, name: str) -> tuple[Any, dict[str, Any]]:
        return read_sent(self.world.providers[name].requests[-1])

    def _judge(self, name: str) -> None:
        reader, body = self._sent(name)
        JUDGES[name](body)
        check_order(reader.steps(body))
        text = json.dumps(body)
        assert "undimmed" not in text
        assert "::sig:" not in text
        for seal, owners in SEALS.items():
            # Between clients and servers of one format bytes pass as they are, unless the server refuses them.
            assert seal not in text or name in owners or self._passes(name)

    def _passes(self, name: str) -> bool:
        return self.endpoint is Endpoint.CHAT and name == "openai"

    def _check_return(self, name: str, body: dict[str, Any]) -> None:
        """What it sealed in its own two turns comes back to it, and nothing is missing of the others'."""
        reader, text = self._sent(name)[0], json.dumps(body)
        calling = [(turn, _CALLS[style]) for turn, style in enumerate(self.styles) if style in _CALLS]
        assert len(reader.calls(body)) == len(reader.results(body)) == sum(count for _, count in calling)
        if name == "gemini":
            parts = [part for content in body["contents"] for part in content["parts"] if "functionCall" in part]
            expected = [[GOOGLE_SEAL if turn < 2 else NO_SEAL, None][:count] for turn, count in calling]
            assert [part.get("thoughtSignature") for part in parts] == [seal for seals in expected for seal in seals]
        if Style.REASONING not in self.styles:
            return
        native = self.endpoint is Endpoint.MESSAGES
        own = {"anthropic": CLAUDE_SEAL, "gemini": GOOGLE_SEAL, "bedrock": CLAUDE_SEAL if native else BEDROCK_SEAL}
        if self.endpoint is Endpoint.RESPONSES:
            own["openai"] = OPENAI_SEAL
        assert own.get(name, "") in text


MOVES = [
    *permutations(("anthropic", "gemini", "openai", "bedrock"), 3),
    ("cohere", "anthropic", "gemini"),
    ("gemini", "cohere", "mistral"),
    ("mistral", "bedrock", "cohere"),
    ("anthropic", "mistral", "gemini"),
    ("bedrock", "anthropic", "mistral"),
    ("openai", "cohere", "bedrock"),
]


@pytest.mark.parametrize("styles", PLAYS)
@pytest.mark.parametrize("names", MOVES, ids="-".join)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_vendor_goes_on_with_what_another_has_begun(client: Endpoint, names: tuple[str, ...], styles: str) -> None:
    async def script(world: World) -> None:
        await Move(world, client, names, PLAYS[styles]).run()

    play(script, {name: Behaviour() for name in names}, configure(names))
