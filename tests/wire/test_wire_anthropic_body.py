"""Dialogues as requests to Anthropic, judged by the types of its own SDK."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages_shapes import body as make_body
from messages_shapes import judge_request, read

from proxy.core.endpoints import Endpoint
from proxy.core.facts import UNKNOWN, ModelFacts
from proxy.core.features import HARD, Fate, Feature
from proxy.wire.anthropic.body import MessagesBody, write_body
from proxy.wire.anthropic.envelope import read_envelope
from proxy.wire.anthropic.fates import FATES
from proxy.wire.anthropic.request import read_request
from proxy.wire.anthropic.tools import ANSWER_TOOL
from proxy.wire.dialogue import (
    AnswerFormat,
    Audio,
    CacheMark,
    Dialogue,
    Document,
    Image,
    Part,
    Reasoning,
    Refusal,
    Role,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from proxy.wire.openai_envelope import EnvelopeError

F = Feature
OLD = ModelFacts(adaptive_thinking=False, sampling=True, native_schema=False, prefill=True)
NEW = ModelFacts(adaptive_thinking=True, sampling=False, native_schema=True, prefill=False)
HI = Turn("user", [Text("hi")])
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TOOL = Tool("f", "d", SCHEMA)


def said(role: Role, *parts: Part) -> Turn:
    return Turn(role, list(parts))


def send(dialogue: Dialogue, facts: ModelFacts = UNKNOWN) -> tuple[dict[str, Any], MessagesBody]:
    written = write_body(dialogue, "up", facts)
    value = json.loads(written.body)
    judge_request(value)
    return value, written


def talk(*turns: Turn, facts: ModelFacts = UNKNOWN, **rest: Any) -> dict[str, Any]:
    return send(Dialogue(list(turns), **rest), facts)[0]


def messages(*turns: Turn, facts: ModelFacts = UNKNOWN) -> list[Any]:
    got = talk(*turns, facts=facts)["messages"]
    assert isinstance(got, list)
    return got


def test_the_smallest_request() -> None:
    value, written = send(Dialogue([HI]))
    assert value == {"model": "up", "max_tokens": 8192, "messages": [{"role": "user", "content": "hi"}]}
    assert (written.fates, written.sampled) == ({}, False)


def test_every_feature_has_a_fate_and_no_hard_one_is_dropped() -> None:
    assert set(FATES) == set(Feature)
    assert {feature for feature, fate in FATES.items() if fate is Fate.REFUSED} <= HARD
    assert not {feature for feature in HARD if FATES[feature] is Fate.DROPPED}


class TestTurns:
    def test_instructions_go_to_the_top(self) -> None:
        value = talk(said("system", Text("a")), said("system", Text(" "), Text("b", CacheMark("1h"))), HI)
        assert value["system"] == [
            {"type": "text", "text": "a"},
            {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ]
        assert talk(said("system", Text("a")), HI)["system"] == "a"
        assert "system" not in talk(said("system", Text("")), HI)

    def test_instructions_alone_are_what_is_asked(self) -> None:
        value = talk(said("system", Text("a")), said("system", Text("b")))
        assert (value["system"], value["messages"]) == ("a", [{"role": "user", "content": "b"}])

    @pytest.mark.parametrize("turns", [[], [said("user", Text(" "))], [said("system")]])
    def test_nothing_at_all(self, turns: list[Turn]) -> None:
        with pytest.raises(EnvelopeError, match="at least one message is required"):
            write_body(Dialogue(turns), "up", UNKNOWN)

    def test_thoughts_of_others_alone_are_nothing(self) -> None:
        with pytest.raises(EnvelopeError, match="at least one message is required"):
            write_body(Dialogue([said("assistant", Thinking("x"))]), "up", UNKNOWN)

    def test_later_instructions_are_folded_into_what_the_user_says_next(self) -> None:
        dialogue = Dialogue(
            [
                HI,
                said("assistant", ToolCall("t", "f", "")),
                said("system", Text("be brief"), Text("")),
                said("system", Text(" ")),
                said("user", ToolResult("t", "f", [Text("r")]), Text("and?")),
                said("system", Text("now")),
            ],
            features={F.LATER_SYSTEM},
        )
        value, written = send(dialogue)
        assert [block["type"] for block in value["messages"][2]["content"]] == ["tool_result", "text", "text", "text"]
        texts = [block["text"] for block in value["messages"][2]["content"][1:]]
        assert texts == ["<system>\nbe brief\n</system>", "and?", "<system>\nnow\n</system>"]
        assert written.fates == {F.LATER_SYSTEM: Fate.APPROXIMATED}

    def test_later_instructions_where_the_model_takes_them(self) -> None:
        dialogue = Dialogue([HI, said("system", Text("s")), said("assistant", Text("a")), HI])
        value, written = send(dialogue, replace(NEW, later_system=True))
        assert [message["role"] for message in value["messages"]] == ["user", "system", "assistant", "user"]
        assert written.fates == {F.LATER_SYSTEM: Fate.CARRIED}
        # They must follow the user; after the assistant they are folded.
        value, written = send(
            Dialogue([HI, said("assistant", Text("a")), said("system", Text("s")), HI]), ModelFacts(later_system=True)
        )
        assert value["messages"][2]["content"][0]["text"] == "<system>\ns\n</system>"
        assert written.fates == {F.LATER_SYSTEM: Fate.APPROXIMATED}

    def test_the_user_begins(self) -> None:
        got = messages(said("assistant", Text("a")), HI)
        assert [message["role"] for message in got] == ["user", "assistant", "user"]

    def test_turns_of_one_role_become_one_with_results_first(self) -> None:
        got = messages(
            HI,
            said("assistant", Text("a")),
            said("assistant", ToolCall("t", "f", "{}"), ToolCall("u", "f", "{}")),
            said("user", Text("x"), ToolResult("t", "f", [])),
            said("user", ToolResult("u", "f", []), Text("y")),
        )
        assert [block["type"] for block in got[1]["content"]] == ["text", "tool_use", "tool_use"]
        assert [block.get("tool_use_id", block.get("text")) for block in got[2]["content"]] == ["t", "u", "x", "y"]

    def test_the_last_turn_of_the_assistant_is_continued(self) -> None:
        got = messages(HI, said("assistant", Thinking("x", "S", vendor="anthropic"), Text("The answer is ")), facts=OLD)
        assert got[-1] == {"role": "assistant", "content": [{"type": "text", "text": "The answer is"}]} or got[-1] == {
            "role": "assistant",
            "content": "The answer is",
        }
        for facts, reasoning in ((NEW, None), (OLD, Reasoning("high"))):
            value, written = send(Dialogue([HI, said("assistant", Text("The"))], reasoning=reasoning), facts)
            assert [message["role"] for message in value["messages"]] == ["user", "assistant", "user"]
            assert written.fates[F.PREFILL] is Fate.APPROXIMATED

    def test_a_last_turn_that_is_no_beginning(self) -> None:
        assert len(messages(HI, said("assistant", Thinking("x", "S", vendor="anthropic")))) == 1
        assert messages(HI, said("assistant", ToolCall("t", "f", "")), facts=NEW)[-1]["role"] == "assistant"


class TestParts:
    @pytest.mark.parametrize(
        ("part", "block"),
        [
            (
                Image("AA", "image/JPG"),
                {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AA"}},
            ),
            (
                Image(url="https://x", cache=CacheMark()),
                {"type": "image", "source": {"type": "url", "url": "https://x"}, "cache_control": {"type": "ephemeral"}},
            ),
            (
                Document("AA", "application/pdf", name="n", context="c", citations=True),
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"},
                    "title": "n",
                    "context": "c",
                    "citations": {"enabled": True},
                },
            ),
            (Document(text="t"), {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "t"}}),
            (
                Document("w6Q=", "text/markdown; charset=utf-8"),
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "ä"}},
            ),
            (Document(url="https://x"), {"type": "document", "source": {"type": "url", "url": "https://x"}}),
            (Refusal("no"), {"type": "text", "text": "no"}),
        ],
    )
    def test_of_the_user(self, part: Part, block: dict[str, Any]) -> None:
        assert messages(said("user", part, Text("x")))[0]["content"] == [block, {"type": "text", "text": "x"}]

    def test_calls_and_results(self) -> None:
        got = messages(
            HI,
            said(
                "assistant",
                Refusal(" "),
                ToolCall("call_1", "f", '{"x": 1.10}', cache=CacheMark()),
                ToolCall("functions.f:0", "f", " "),
                ToolCall("c", "g", "free text", custom=True),
            ),
            said(
                "user",
                ToolResult("call_1", "f", [Text("r"), Image("AA", "image/png"), Text("")], error=True, cache=CacheMark()),
                ToolResult("functions.f:0", "f", []),
                ToolResult("c", "g", []),
            ),
        )
        first, second, third = got[1]["content"]
        assert first == {
            "type": "tool_use",
            "id": "call_1",
            "name": "f",
            "input": {"x": 1.1},
            "cache_control": {"type": "ephemeral"},
        }
        assert (second["input"], third["input"]) == ({}, {"input": "free text"})
        results = got[2]["content"]
        assert results[0]["is_error"] is True
        assert [block["type"] for block in results[0]["content"]] == ["text", "image"]
        assert results[1] == {"type": "tool_result", "tool_use_id": second["id"]}
        assert second["id"].startswith("call_")
        assert second["id"] != "functions.f:0"

    def test_arguments_stay_the_bytes_that_they_were(self) -> None:
        dialogue = Dialogue([HI, said("assistant", ToolCall("t", "f", '{"x": 1.10, "y": "\\u00e4"}')), HI])
        assert b'"input":{"x": 1.10, "y": "\\u00e4"}' in write_body(dialogue, "up", UNKNOWN).body

    def test_reasoning_goes_back_only_under_its_own_seal(self) -> None:
        dialogue = Dialogue(
            [
                HI,
                said(
                    "assistant",
                    Thinking("a", "S", vendor="anthropic"),
                    Thinking(redacted="R", vendor="anthropic"),
                    Thinking("b", "S", vendor="google"),
                    Thinking("c"),
                    Thinking(redacted="R", vendor="openai"),
                    ToolCall("t", "f", "", signature="G"),
                ),
                said("user", ToolResult("t", "f", [])),
            ],
        )
        value, written = send(dialogue)
        assert value["messages"][1]["content"] == [
            {"type": "thinking", "thinking": "a", "signature": "S"},
            {"type": "redacted_thinking", "data": "R"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        ]
        assert written.fates == {F.THINKING_HISTORY: Fate.DROPPED, F.SIGNATURES: Fate.DROPPED}
        mine = Dialogue([HI, said("assistant", Thinking("a", "S", vendor="anthropic"), Text("x")), HI])
        assert send(mine)[1].fates == {}

    @pytest.mark.parametrize(
        "part",
        [
            Audio("AA", "wav"),
            Image("AA", "image/tiff"),
            Image("AA"),
            Image(file_id="f"),
            Document(file_id="f"),
            Document("AA", "application/msword"),
            Document("!", "text/plain"),
            Document("/w==", "text/plain"),
            Document("AA"),
            ToolCall("t", "f", "{"),
            ToolCall("t", "f", "[]"),
            ToolCall("t", "f", '"\ud800"'),
        ],
    )
    def test_what_cannot_be_said(self, part: Part) -> None:
        with pytest.raises(EnvelopeError):
            write_body(Dialogue([said("user", part)]), "up", UNKNOWN)


class TestTools:
    def test_tools(self) -> None:
        value, written = send(
            Dialogue([HI], tools=[TOOL, Tool("g", cache=CacheMark()), Tool("h", parameters={}, strict=True)]), NEW
        )
        assert value["tools"] == [
            {"name": "f", "description": "d", "input_schema": SCHEMA},
            {"name": "g", "input_schema": {"type": "object", "properties": {}}, "cache_control": {"type": "ephemeral"}},
            {"name": "h", "input_schema": {"type": "object", "properties": {}}, "strict": True},
        ]
        assert "tool_choice" not in value
        assert written.fates == {}
        value, written = send(Dialogue([HI], tools=[Tool("h", strict=True)]), OLD)
        assert "strict" not in value["tools"][0]
        assert written.fates == {F.STRICT_TOOLS: Fate.DROPPED}

    @pytest.mark.parametrize(
        ("choice", "parallel", "sent"),
        [
            (None, None, None),
            (ToolChoice("auto"), None, {"type": "auto"}),
            (ToolChoice("required"), None, {"type": "any"}),
            (ToolChoice("none"), False, {"type": "none"}),
            (ToolChoice("named", "f"), None, {"type": "tool", "name": "f"}),
            (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
            (ToolChoice("named", "f"), False, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
            (None, True, None),
        ],
    )
    def test_choice(self, choice: ToolChoice | None, parallel: bool | None, sent: dict[str, Any] | None) -> None:
        assert talk(HI, tools=[TOOL], tool_choice=choice, parallel=parallel).get("tool_choice") == sent
        assert "tool_choice" not in talk(HI, tool_choice=choice, parallel=parallel)

    def test_only_allowed_tools_are_shown(self) -> None:
        tools = [TOOL, Tool("g")]
        value = talk(HI, tools=tools, tool_choice=ToolChoice("required", allowed=["g"]))
        assert ([tool["name"] for tool in value["tools"]], value["tool_choice"]) == (["g"], {"type": "any"})

    def test_a_history_with_calls_has_tools(self) -> None:
        turns = [
            HI,
            said("assistant", ToolCall("a", "f", ""), ToolCall("b", "f", "")),
            said("user", ToolResult("a", "f", []), ToolResult("b", "f", [])),
        ]
        value = talk(*turns)
        assert value["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
        assert value["tool_choice"] == {"type": "none"}

    @pytest.mark.parametrize("tool", [Tool("w", hosted={"type": "web_search"}), Tool("g", grammar={"type": "text"})])
    def test_tools_of_others(self, tool: Tool) -> None:
        with pytest.raises(EnvelopeError, match="this model does not have"):
            write_body(Dialogue([HI], tools=[tool]), "up", UNKNOWN)


class TestAnswerFormats:
    FORMAT = AnswerFormat("schema", "person", SCHEMA, True, "a person")

    def test_native(self) -> None:
        value, written = send(Dialogue([HI], answer_format=self.FORMAT), NEW)
        assert value["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
        assert written.fates == {}

    def test_by_a_tool(self) -> None:
        value, written = send(Dialogue([HI], answer_format=self.FORMAT, reasoning=Reasoning("high")), OLD)
        (tool,) = value["tools"]
        assert (tool["name"], tool["input_schema"]) == (ANSWER_TOOL, SCHEMA)
        assert tool["description"].startswith("a person\n")
        assert value["tool_choice"] == {"type": "tool", "name": ANSWER_TOOL}
        assert "thinking" not in value
        assert written.fates == {F.JSON_SCHEMA: Fate.APPROXIMATED, F.REASONING: Fate.APPROXIMATED}

    def test_by_a_tool_beside_others(self) -> None:
        def of(**rest: Any) -> tuple[list[str], dict[str, Any]]:
            value = talk(HI, facts=OLD, answer_format=AnswerFormat("schema", schema={}), tools=[TOOL], **rest)
            return [tool["name"] for tool in value["tools"]], value["tool_choice"]

        assert of() == (["f", ANSWER_TOOL], {"type": "any"})
        assert of(parallel=False)[1] == {"type": "any", "disable_parallel_tool_use": True}
        assert of(tool_choice=ToolChoice("none"))[1] == {"type": "tool", "name": ANSWER_TOOL}
        assert of(tool_choice=ToolChoice("named", "f")) == (["f"], {"type": "tool", "name": "f"})

    def test_by_words(self) -> None:
        schema = {"type": "array"}
        value, written = send(
            Dialogue([said("system", Text("s")), HI], answer_format=AnswerFormat("schema", schema=schema)), OLD
        )
        assert '{"type":"array"}' in value["system"][1]["text"]
        assert written.fates == {F.JSON_SCHEMA: Fate.APPROXIMATED}
        value, written = send(Dialogue([HI], answer_format=AnswerFormat("json")))
        assert "JSON object" in value["system"]
        assert written.fates == {}


class TestReasoning:
    @pytest.mark.parametrize(
        ("reasoning", "thinking", "effort"),
        [
            (Reasoning("minimal"), {"type": "adaptive"}, "low"),
            (Reasoning("medium", summary="detailed"), {"type": "adaptive", "display": "summarized"}, "medium"),
            (Reasoning("max", summary="omitted"), {"type": "adaptive", "display": "omitted"}, "max"),
            (Reasoning("odd"), {"type": "adaptive"}, None),
            (Reasoning(adaptive=True), {"type": "adaptive"}, None),
            (Reasoning(budget=2048), {"type": "adaptive"}, "low"),
            (Reasoning(budget=8192), {"type": "adaptive"}, "medium"),
            (Reasoning(budget=8193), {"type": "adaptive"}, "high"),
            (Reasoning("none", summary="auto"), {"type": "disabled"}, None),
        ],
    )
    @pytest.mark.parametrize("facts", [NEW, UNKNOWN])
    def test_adaptive(self, reasoning: Reasoning, thinking: dict[str, Any], effort: str | None, facts: ModelFacts) -> None:
        value = talk(HI, facts=facts, reasoning=reasoning)
        assert value["thinking"] == thinking
        assert value.get("output_config", {}).get("effort") == effort

    @pytest.mark.parametrize(
        ("reasoning", "limit", "longest", "budget", "max_tokens"),
        [
            (Reasoning("low"), None, None, 1024, 8192),
            (Reasoning("medium"), 1000, None, 4096, 5096),
            (Reasoning("high"), None, 64000, 16384, 24576),
            (Reasoning("max"), 10, 64000, 32768, 32778),
            (Reasoning("max"), 10, 16000, 8000, 16000),
            (Reasoning("max"), 10, 1500, 1024, 1500),
            (Reasoning(adaptive=True), None, None, 4096, 8192),
            (Reasoning(budget=500), None, None, 1024, 8192),
            (Reasoning(budget=8192), 8192, None, 8192, 16384),
        ],
    )
    def test_budgets(
        self, reasoning: Reasoning, limit: int | None, longest: int | None, budget: int, max_tokens: int
    ) -> None:
        dialogue = Dialogue([HI], reasoning=reasoning, sampling=Sampling(max_tokens=limit))
        value, _ = send(dialogue, replace(OLD, max_output=longest))
        assert value["thinking"] == {"type": "enabled", "budget_tokens": budget}
        assert value["max_tokens"] == max_tokens
        assert budget < max_tokens

    def test_a_display_goes_with_a_budget_too(self) -> None:
        value = talk(HI, facts=OLD, reasoning=Reasoning("low", summary="omitted"))
        assert value["thinking"] == {"type": "enabled", "budget_tokens": 1024, "display": "omitted"}

    @pytest.mark.parametrize(("facts", "thinking"), [(NEW, {"type": "disabled"}), (OLD, None)])
    def test_no_thinking_where_a_tool_must_be_called(self, facts: ModelFacts, thinking: object) -> None:
        dialogue = Dialogue(
            [HI], tools=[TOOL], tool_choice=ToolChoice("required"), reasoning=Reasoning("high", summary="auto")
        )
        value, written = send(dialogue, facts)
        assert value.get("thinking") == thinking
        assert written.fates == {F.REASONING: Fate.APPROXIMATED}

    def test_no_budget_after_calls_that_another_vendor_made(self) -> None:
        def of(*thoughts: Part) -> object:
            turns = [HI, said("assistant", *thoughts, ToolCall("t", "f", "")), said("user", ToolResult("t", "f", []))]
            return talk(*turns, facts=OLD, tools=[TOOL], reasoning=Reasoning("low")).get("thinking")

        assert of() is None
        assert of(Text("x")) is None
        assert of(Thinking("a", "S", vendor="google")) is None
        assert of(Thinking("a", "S", vendor="anthropic")) is not None
        assert of(Thinking(redacted="R", vendor="anthropic")) is not None
        turns = [
            HI,
            said("assistant", ToolCall("t", "f", "")),
            said("user", ToolResult("t", "f", [])),
            said("assistant", Text("x")),
            HI,
        ]
        assert "thinking" in talk(*turns, facts=OLD, reasoning=Reasoning("low"))
        assert "thinking" in talk(*turns[:3], facts=NEW, reasoning=Reasoning("low"))


class TestTheRest:
    def test_sampling(self) -> None:
        sampling = Sampling(temperature=1.7, top_p=0.5, top_k=40, stop=["END", "\n"])
        value, written = send(Dialogue([HI], sampling=sampling), OLD)
        assert (value["temperature"], value["top_k"], value["stop_sequences"]) == (1, 40, ["END"])
        assert "top_p" not in value
        assert written.fates == {F.TEMPERATURE: Fate.APPROXIMATED, F.TOP_P: Fate.DROPPED, F.STOP: Fate.APPROXIMATED}
        assert written.sampled
        value, written = send(Dialogue([HI], sampling=Sampling(temperature=0.0)), UNKNOWN)
        assert (value["temperature"], written.fates) == (0, {})
        assert talk(HI, sampling=Sampling(top_p=0.5))["top_p"] == 0.5

    def test_no_sampling_where_it_is_refused(self) -> None:
        sampling = Sampling(temperature=0.5, top_p=0.5, top_k=4, stop=[" "])
        for facts, reasoning in ((NEW, None), (OLD, Reasoning("low"))):
            value, written = send(Dialogue([HI], sampling=sampling, reasoning=reasoning), facts)
            assert not {"temperature", "top_p", "top_k", "stop_sequences"} & set(value)
            dropped = {feature for feature, fate in written.fates.items() if fate is Fate.DROPPED}
            assert dropped == {F.TEMPERATURE, F.TOP_P, F.TOP_K, F.STOP}
            assert not written.sampled

    @pytest.mark.parametrize(
        ("limit", "longest", "sent", "fates"),
        [
            (None, 4096, 4096, {}),
            (None, 64000, 8192, {}),
            (100, 4096, 100, {}),
            (9000, None, 9000, {}),
            (9000, 4096, 4096, {F.MAX_TOKENS: Fate.APPROXIMATED}),
        ],
    )
    def test_max_tokens(self, limit: int | None, longest: int | None, sent: int, fates: dict[F, Fate]) -> None:
        value, written = send(Dialogue([HI], sampling=Sampling(max_tokens=limit)), ModelFacts(max_output=longest))
        assert (value["max_tokens"], written.fates) == (sent, fates)

    def test_who_and_how(self) -> None:
        value, written = send(Dialogue([HI], user="ann@example.org", service_tier="default", stream=True))
        assert len(value["metadata"]["user_id"]) == 64
        assert (value["service_tier"], value["stream"], written.fates) == ("standard_only", True, {})
        value, written = send(Dialogue([HI], service_tier="scale"))
        assert ("service_tier" in value, written.fates) == (False, {F.SERVICE_TIER: Fate.DROPPED})

    def test_four_cache_marks_are_enough(self) -> None:
        parts: list[Part] = [Text(str(n), CacheMark()) for n in range(3)]
        dialogue = Dialogue(
            [said("system", Text("s", CacheMark())), said("user", *parts)], tools=[Tool("f", cache=CacheMark())]
        )
        value, written = send(dialogue)
        assert "cache_control" not in value["tools"][0]
        assert value["system"][0]["cache_control"] == {"type": "ephemeral"}
        assert written.fates == {F.CACHE_CONTROL: Fate.APPROXIMATED}


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(str.strip)
MARKS = st.just({}) | st.just({"cache_control": {"type": "ephemeral", "ttl": "1h"}})


def blocks(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda rest, mark: {**rest, **mark}, st.fixed_dictionaries(fields), MARKS)


SOURCES = st.sampled_from(
    [{"type": "base64", "media_type": "image/png", "data": "AA=="}, {"type": "url", "url": "https://x/y.png"}]
)
TEXTS = blocks(type=st.just("text"), text=WORDS)
IMAGES = blocks(type=st.just("image"), source=SOURCES)
PAPERS = blocks(
    type=st.just("document"), source=st.just({"type": "text", "media_type": "text/plain", "data": "d"}), title=WORDS
)
INPUTS = st.dictionaries(WORDS, st.integers() | WORDS | st.lists(st.booleans(), max_size=2), max_size=2)


@st.composite
def conversations(draw: st.DrawFn) -> dict[str, Any]:
    turns: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 3))):
        asked = draw(st.lists(TEXTS | IMAGES | PAPERS, min_size=1, max_size=2))
        calls = draw(st.integers(0, 2))
        thought = draw(
            st.sampled_from(
                [[], [{"type": "thinking", "thinking": "t", "signature": "S"}], [{"type": "redacted_thinking", "data": "R"}]]
            )
        )
        uses = [{"type": "tool_use", "id": f"t{number}_{n}", "name": "f", "input": draw(INPUTS)} for n in range(calls)]
        turns += [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": [*thought, *draw(st.lists(TEXTS, min_size=1, max_size=2)), *uses]},
        ]
        if calls:
            results = [
                {
                    "type": "tool_result",
                    "tool_use_id": use["id"],
                    "content": draw(st.lists(TEXTS | IMAGES, min_size=1, max_size=2)),
                    **draw(st.sampled_from([{}, {"is_error": True}])),
                }
                for use in uses
            ]
            turns += [
                {"role": "user", "content": results},
                {"role": "assistant", "content": [{"type": "text", "text": "done"}]},
            ]
    turns.append({"role": "user", "content": [draw(TEXTS)]})
    optional: dict[str, st.SearchStrategy[Any]] = {
        "system": st.lists(TEXTS, min_size=1, max_size=2),
        "tools": st.just([{"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True}]),
        "tool_choice": st.sampled_from([{"type": "auto", "disable_parallel_tool_use": True}, {"type": "none"}]),
        "thinking": st.sampled_from(
            [{"type": "adaptive"}, {"type": "adaptive", "display": "summarized"}, {"type": "disabled"}]
        ),
        "output_config": st.just({"format": {"type": "json_schema", "schema": SCHEMA}}),
        "stop_sequences": st.just(["END"]),
        "service_tier": st.sampled_from(["auto", "standard_only"]),
        "stream": st.just(True),
    }
    fields = draw(st.fixed_dictionaries({}, optional=optional))
    if "tools" not in fields:
        fields.pop("tool_choice", None)
    return {"model": "up", "max_tokens": 100, "messages": turns, **fields}


def normalise(value: dict[str, Any]) -> dict[str, Any]:
    """Without the freedom that the format gives: one text may stand as a string, and marks beyond four go."""
    copy = json.loads(json.dumps(value))
    blocks = [
        *copy.get("tools", []),
        *copy.get("system", []),
        *(b for m in copy["messages"] if isinstance(m["content"], list) for b in m["content"]),
    ]
    marked = [block for block in blocks if "cache_control" in block]
    for block in marked[:-4]:
        del block["cache_control"]
    for holder, key in [(copy, "system"), *((message, "content") for message in copy["messages"])]:
        content = holder.get(key)
        if isinstance(content, list) and len(content) == 1 and content[0].keys() == {"type", "text"}:
            holder[key] = content[0]["text"]
    return dict(copy)


@settings(max_examples=200, deadline=None)
@given(conversations())
def test_a_request_survives_both_halves(value: dict[str, Any]) -> None:
    """Messages, read and written again for a model that can do it all, ask the same."""
    judge_request(value)
    raw = json.dumps(value).encode()
    dialogue = read_request(read_envelope(raw, Endpoint.MESSAGES))
    written = write_body(dialogue, "up", NEW)
    again = json.loads(written.body)
    judge_request(again)
    if "tools" not in value and "tools" in again:
        del again["tools"], again["tool_choice"]
    assert normalise(again) == normalise(value)
    assert set(written.fates) <= {F.CACHE_CONTROL}
    assert dialogue.unknown == []


def test_a_request_of_another_shape_survives_too() -> None:
    dialogue = read([{"role": "user", "content": "hi"}], max_tokens=5)
    assert json.loads(write_body(dialogue, "m", NEW).body) == json.loads(make_body(max_tokens=5))
