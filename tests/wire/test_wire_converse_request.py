"""Dialogues as Converse bodies, judged by botocore's model of the service."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire.converse_judge import judge

from proxy.core.facts import UNKNOWN, ModelFacts
from proxy.core.features import HARD, Fate, Feature
from proxy.wire.converse.format import CONVERSE_FORMAT
from proxy.wire.converse.tools import ANSWER_TOOL, clean_id
from proxy.wire.dialogue import (
    ANTHROPIC,
    BEDROCK,
    GOOGLE,
    AnswerFormat,
    Audio,
    CacheMark,
    Dialogue,
    Document,
    Image,
    Reasoning,
    Refusal,
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

CLAUDE = "us.anthropic.claude-sonnet-4-6"
NOVA, NOVA_2, OSS, OTHER = (
    "amazon.nova-pro-v1:0",
    "us.amazon.nova-2-lite-v1:0",
    "openai.gpt-oss-120b-1:0",
    "deepseek.r1-v1:0",
)
ADAPTIVE = ModelFacts(adaptive_thinking=True)
PIXEL = "iVBORw0KGgo="
WEATHER = Tool("weather", "Tells it.", {"type": "object", "properties": {"city": {"type": "string"}}})
ASK = Turn("user", [Text("Hello")])


def write(
    *turns: Turn, model: str = CLAUDE, facts: ModelFacts = UNKNOWN, **rest: Any
) -> tuple[dict[str, Any], dict[Feature, Fate]]:
    written = CONVERSE_FORMAT.write(Dialogue([*turns] or [ASK], **rest), model, facts)
    body = json.loads(written.body)
    assert judge(body, model) == []
    return body, written.fates


def said(*turns: Turn, **rest: Any) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(message["role"], message["content"]) for message in write(*turns, **rest)[0]["messages"]]


def test_the_table_is_complete_and_honest() -> None:
    assert set(CONVERSE_FORMAT.fates) == set(Feature)
    for feature, fate in CONVERSE_FORMAT.fates.items():
        assert fate is not Fate.DROPPED or feature not in HARD
        assert fate is not Fate.REFUSED or feature in HARD


def test_the_smallest_request() -> None:
    assert write() == ({"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}, {})


class TestTurns:
    def test_instructions_stand_apart(self) -> None:
        body, _ = write(Turn("system", [Text("Be brief."), Text(" ")]), Turn("system", [Text("Be kind.")]), ASK)
        assert body["system"] == [{"text": "Be brief."}, {"text": "Be kind."}]

    def test_later_instructions_are_wrapped_into_the_users_turn(self) -> None:
        turns = said(
            ASK, Turn("assistant", [Text("Hi")]), Turn("system", [Text("Now in verse.")]), Turn("user", [Text("Go")])
        )
        assert turns[2] == ("user", [{"text": "<system>\nNow in verse.\n</system>"}, {"text": "Go"}])

    def test_later_instructions_go_as_they_are_where_a_model_takes_them(self) -> None:
        turns = said(ASK, Turn("system", [Text("In verse.")]), facts=ModelFacts(later_system=True))
        assert turns == [("user", [{"text": "Hello"}]), ("system", [{"text": "In verse."}])]
        after_answer = said(
            ASK, Turn("assistant", [Text("Hi")]), Turn("system", [Text("x")]), facts=ModelFacts(later_system=True)
        )
        assert after_answer[-1] == ("user", [{"text": "<system>\nx\n</system>"}])

    def test_roles_take_turns_and_the_user_begins(self) -> None:
        turns = said(Turn("assistant", [Text("Hi")]), Turn("assistant", [Text("there")]), ASK, Turn("user", [Text("Again")]))
        assert [role for role, _ in turns] == ["user", "assistant", "user"]
        assert turns[0][1] == [{"text": "Begin."}]
        assert turns[2][1] == [{"text": "Hello"}, {"text": "Again"}]

    def test_a_request_of_instructions_only_still_asks(self) -> None:
        assert said(Turn("system", [Text("Tell a joke.")])) == [("user", [{"text": "Begin."}])]

    def test_blank_text_and_empty_turns_go(self) -> None:
        assert said(ASK, Turn("assistant", [Text(" \n")]), Turn("user", [Text("")])) == [("user", [{"text": "Hello"}])]

    def test_a_begun_answer_ends_without_blanks(self) -> None:
        assert said(ASK, Turn("assistant", [Text("The answer is ")]))[1][1] == [{"text": "The answer is"}]

    def test_some_models_have_to_be_asked_to_go_on(self) -> None:
        body, fates = write(ASK, Turn("assistant", [Text("The answer")]), facts=ModelFacts(prefill=False))
        assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
        assert fates == {Feature.PREFILL: Fate.APPROXIMATED}

    def test_a_last_turn_of_thoughts_only_goes(self) -> None:
        thought = Thinking("hm", "EqQB", vendor=BEDROCK)
        assert said(ASK, Turn("assistant", [thought])) == [("user", [{"text": "Hello"}])]
        assert said(ASK, Turn("assistant", [thought, Text("Hi")]))[1][1] == [{"text": "Hi"}]

    def test_refusals_are_text(self) -> None:
        assert said(ASK, Turn("assistant", [Refusal("No.")]), ASK)[1][1] == [{"text": "No."}]


class TestMedia:
    def test_all_kinds_go_as_data(self) -> None:
        parts = [
            Image(PIXEL, "image/png"),
            Image(PIXEL, "image/jpg; x=1"),
            Audio("AAAA", "mp3"),
            Document("AAAA", "application/pdf", name="Q3 report (final).pdf", context="c"),
            Document("AAAA", "video/quicktime"),
            Document("AAAA", "text/x-python", name="Q3 report (final) pdf"),
            Document(text="é", media_type="text/markdown"),
            Document(text="cite me", citations=True),
            Text("What is this?"),
        ]
        content = said(Turn("user", parts))[0][1]  # type: ignore[arg-type]
        kinds = [next(iter(block)) for block in content]
        assert kinds == ["image", "image", "audio", "document", "video", "document", "document", "document", "text"]
        assert [block["image"]["format"] for block in content[:2]] == ["png", "jpeg"]
        names = [block["document"]["name"] for block in content if "document" in block]
        assert names == ["Q3 report (final) pdf", "Q3 report (final) pdf 2", "document", "document 2"]
        assert content[6]["document"]["source"] == {"bytes": "w6k="}
        assert content[7]["document"] == {
            "format": "txt",
            "name": "document 2",
            "source": {"text": "cite me"},
            "citations": {"enabled": True},
        }

    def test_a_document_never_comes_without_a_word(self) -> None:
        assert said(Turn("user", [Document("AAAA", "application/pdf")]))[0][1][1] == {"text": "See the document."}

    @pytest.mark.parametrize(
        "part",
        [
            Image(url="https://example.com/a.png"),
            Image(file_id="file-1"),
            Image(PIXEL, "image/tiff"),
            Audio("AAAA", "midi"),
            Document(url="https://example.com/a.pdf"),
            Document("AAAA", "application/x-tar"),
        ],
    )
    def test_what_cannot_be_said_is_refused(self, part: Any) -> None:
        with pytest.raises(EnvelopeError) as caught:
            write(Turn("user", [part]))
        assert caught.value.param == "messages"


class TestTools:
    HISTORY = (
        ASK,
        Turn(
            "assistant", [Text("Let me see."), ToolCall("call_1", "weather", '{"city": "Rome"}'), ToolCall("b", "time", "")]
        ),
        Turn("user", [ToolResult("call_1", "weather", [Text("sunny"), Image(PIXEL, "image/png")])]),
        Turn("user", [ToolResult("b", "time", [], error=True), Text("And?")]),
    )

    def test_calls_and_results(self) -> None:
        body, fates = write(*self.HISTORY, tools=[WEATHER])
        calls = body["messages"][1]["content"][1:]
        assert calls == [
            {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"city": "Rome"}}},
            {"toolUse": {"toolUseId": "b", "name": "time", "input": {}}},
        ]
        results = body["messages"][2]["content"]
        assert results[0]["toolResult"]["content"][0] == {"text": "sunny"}
        assert results[1] == {"toolResult": {"toolUseId": "b", "content": [{"text": "error"}], "status": "error"}}
        assert results[2] == {"text": "And?"}
        assert body["toolConfig"] == {
            "tools": [
                {"toolSpec": {"name": "weather", "description": "Tells it.", "inputSchema": {"json": WEATHER.parameters}}}
            ]
        }
        assert fates == {}

    def test_arguments_survive_byte_for_byte(self) -> None:
        turns = (ASK, Turn("assistant", [ToolCall("a", "f", ' {"n": 1.10, "n": 1e400} ')]), ASK)
        written = CONVERSE_FORMAT.write(Dialogue([*turns], tools=[WEATHER]), CLAUDE, UNKNOWN)
        assert b'"input":{"n": 1.10, "n": 1e400}}' in written.body

    @pytest.mark.parametrize("arguments", ["{", "[1]", '"x"', "{'a': 1}", "[" * 10_000])
    def test_arguments_that_are_no_object_are_refused(self, arguments: str) -> None:
        with pytest.raises(EnvelopeError, match="not a JSON object"):
            write(ASK, Turn("assistant", [ToolCall("a", "f", arguments)]), tools=[WEATHER])

    def test_results_come_before_later_instructions(self) -> None:
        turns = said(
            ASK,
            Turn("assistant", [ToolCall("a", "weather", "{}")]),
            Turn("system", [Text("Be brief.")]),
            Turn("user", [ToolResult("a", "weather", [Text("x")], cache=CacheMark())]),
            tools=[WEATHER],
        )
        assert [next(iter(block)) for block in turns[2][1]] == ["toolResult", "cachePoint", "text"]

    @pytest.mark.parametrize("rest", [{}, {"tools": [WEATHER], "tool_choice": ToolChoice("none")}])
    def test_without_tools_to_call_the_history_becomes_text(self, rest: dict[str, Any]) -> None:
        body, fates = write(*self.HISTORY, **rest)
        assert "toolConfig" not in body
        assert body["messages"][1]["content"] == [
            {"text": "Let me see."},
            {"text": '[Called weather with {"city": "Rome"}]'},
            {"text": "[Called time with {}]"},
        ]
        assert [next(iter(block)) for block in body["messages"][2]["content"]] == ["text", "text", "image", "text", "text"]
        assert body["messages"][2]["content"][3] == {"text": "[time failed:]"}
        assert fates == {Feature.TOOLS: Fate.APPROXIMATED}

    def test_forbidden_tools_are_left_out(self) -> None:
        assert "toolConfig" not in write(ASK, tools=[WEATHER], tool_choice=ToolChoice("none"))[0]

    @pytest.mark.parametrize(
        ("choice", "written"),
        [
            (ToolChoice("auto"), None),
            (ToolChoice("required"), {"any": {}}),
            (ToolChoice("named", "weather"), {"tool": {"name": "weather"}}),
            (ToolChoice("required", allowed=["weather"]), {"any": {}}),
        ],
    )
    def test_choices(self, choice: ToolChoice, written: object) -> None:
        config = write(ASK, tools=[WEATHER, Tool("time", strict=True)], tool_choice=choice)[0]["toolConfig"]
        assert config.get("toolChoice") == written
        names = [tool["toolSpec"]["name"] for tool in config["tools"]]
        assert names == (["weather"] if choice.allowed else ["weather", "time"])

    def test_odd_schemas_are_made_objects(self) -> None:
        tools = write(ASK, tools=[Tool("a", ""), Tool("b", parameters={"properties": {}}, strict=False)])[0]["toolConfig"][
            "tools"
        ]
        empty = {"type": "object", "properties": {}}
        assert [tool["toolSpec"]["inputSchema"]["json"] for tool in tools] == [empty, empty]
        assert tools[1]["toolSpec"]["strict"] is False

    @pytest.mark.parametrize("tool", [Tool("x", grammar={"type": "text"}), Tool("x", hosted={"type": "web_search"})])
    def test_tools_that_are_no_functions_are_refused(self, tool: Tool) -> None:
        with pytest.raises(EnvelopeError, match="only functions"):
            write(ASK, tools=[tool])

    @pytest.mark.parametrize("call", ["", "é", "x" * 65, "a b", "call_1::sig:YQ=="])
    def test_odd_ids_are_the_same_in_call_and_result(self, call: str) -> None:
        turns = said(
            ASK,
            Turn("assistant", [ToolCall(call, "weather", "{}")]),
            Turn("user", [ToolResult(call, "weather", [Text("x")])]),
            tools=[WEATHER],
        )
        sent = turns[1][1][0]["toolUse"]["toolUseId"]
        assert sent == turns[2][1][0]["toolResult"]["toolUseId"] == clean_id(call) != call

    def test_usual_ids_stay(self) -> None:
        assert clean_id("tooluse_kZJMlvQmRJ6eAyJE5GIl7Q") == "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q"


class TestThinkingHistory:
    SEALED = Thinking("hmm", "EqQB", vendor=ANTHROPIC)  # the same on all platforms
    REDACTED = Thinking(redacted="AAAA", vendor=BEDROCK)

    def test_claude_gets_its_own_back(self) -> None:
        turns = said(ASK, Turn("assistant", [self.SEALED, self.REDACTED, Text("Hi")]), ASK)
        assert turns[1][1][:2] == [
            {"reasoningContent": {"reasoningText": {"text": "hmm", "signature": "EqQB"}}},
            {"reasoningContent": {"redactedContent": "AAAA"}},
        ]

    @pytest.mark.parametrize("model", [CLAUDE, NOVA, OTHER])
    def test_nobody_gets_what_others_sealed(self, model: str) -> None:
        part = Thinking("hmm", "EqQB", vendor=GOOGLE)
        body, fates = write(ASK, Turn("assistant", [part, Text("Hi")]), ASK, model=model)
        assert body["messages"][1]["content"] == [{"text": "Hi"}]
        assert fates == {Feature.SIGNATURES: Fate.DROPPED, Feature.THINKING_HISTORY: Fate.DROPPED}

    def test_other_models_get_none_of_claudes(self) -> None:
        _, fates = write(ASK, Turn("assistant", [self.REDACTED, Text("Hi")]), ASK, model=OTHER)
        assert fates[Feature.SIGNATURES] is Fate.DROPPED

    def test_reasoning_without_a_seal_is_dropped(self) -> None:
        _, fates = write(ASK, Turn("assistant", [Thinking("hmm", vendor=BEDROCK), Text("Hi")]), ASK)
        assert fates == {Feature.THINKING_HISTORY: Fate.DROPPED}


class TestReasoning:
    @pytest.mark.parametrize(
        ("model", "facts", "reasoning", "sent", "near"),
        [
            (CLAUDE, UNKNOWN, Reasoning("low"), {"thinking": {"type": "enabled", "budget_tokens": 1024}}, []),
            (CLAUDE, UNKNOWN, Reasoning("high"), {"thinking": {"type": "enabled", "budget_tokens": 16384}}, []),
            (CLAUDE, UNKNOWN, Reasoning(budget=3000), {"thinking": {"type": "enabled", "budget_tokens": 3000}}, []),
            (CLAUDE, UNKNOWN, Reasoning(adaptive=True), {"thinking": {"type": "enabled", "budget_tokens": 4096}}, []),
            (CLAUDE, UNKNOWN, Reasoning("none"), {}, []),
            (CLAUDE, UNKNOWN, Reasoning(summary="auto"), {}, []),
            (CLAUDE, ADAPTIVE, Reasoning("none"), {"thinking": {"type": "disabled"}}, []),
            (CLAUDE, ADAPTIVE, Reasoning("max"), {"thinking": {"type": "adaptive"}, "effort": "max"}, []),
            (CLAUDE, ADAPTIVE, Reasoning("medium"), {"thinking": {"type": "adaptive"}, "effort": "medium"}, []),
            (CLAUDE, ADAPTIVE, Reasoning("minimal"), {"thinking": {"type": "adaptive"}, "effort": "low"}, ["reasoning"]),
            (CLAUDE, ADAPTIVE, Reasoning("xhigh"), {"thinking": {"type": "adaptive"}, "effort": "high"}, ["reasoning"]),
            (CLAUDE, ADAPTIVE, Reasoning(adaptive=True), {"thinking": {"type": "adaptive"}}, []),
            (
                CLAUDE,
                ADAPTIVE,
                Reasoning(budget=9000),
                {"thinking": {"type": "adaptive"}, "effort": "high"},
                ["reasoning.budget"],
            ),
            (NOVA, UNKNOWN, Reasoning("high"), {}, ["reasoning"]),
            (NOVA_2, UNKNOWN, Reasoning("none"), {"reasoningConfig": {"type": "disabled"}}, []),
            (NOVA_2, UNKNOWN, Reasoning("high"), {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, []),
            (OSS, UNKNOWN, Reasoning("low"), {"reasoning_effort": "low"}, []),
            (OSS, UNKNOWN, Reasoning("none"), {"reasoning_effort": "low"}, ["reasoning"]),
            (OSS, UNKNOWN, Reasoning(budget=100), {"reasoning_effort": "low"}, ["reasoning.budget"]),
            (OSS, UNKNOWN, Reasoning(budget=5000), {"reasoning_effort": "medium"}, ["reasoning.budget"]),
            (OSS, UNKNOWN, Reasoning(adaptive=True), {"reasoning_effort": "medium"}, ["reasoning"]),
            (OTHER, UNKNOWN, Reasoning("high"), {}, ["reasoning"]),
            (OTHER, ADAPTIVE, Reasoning("high"), {"effort": "high"}, []),
        ],
    )
    def test_each_family_is_asked_in_its_words(
        self, model: str, facts: ModelFacts, reasoning: Reasoning, sent: dict[str, Any], near: list[str]
    ) -> None:
        body, fates = write(ASK, model=model, facts=facts, reasoning=reasoning)
        effort = {"effort": body["outputConfig"]["effort"]} if "outputConfig" in body else {}
        assert {**body.get("additionalModelRequestFields", {}), **effort} == sent
        assert sorted(fates) == near
        assert set(fates.values()) <= {Fate.APPROXIMATED}

    @pytest.mark.parametrize(
        ("limit", "reasoning", "budget", "sent"),
        [
            (None, Reasoning("low"), 1024, 1024 + 8192),
            (4000, Reasoning("high"), 2000, 4000),
            (500, Reasoning("high"), 1024, 1524),
            (2000, Reasoning(budget=2000), 2000, 4000),
            (30000, Reasoning("medium"), 4096, 30000),
        ],
    )
    def test_there_is_room_for_an_answer_beside_the_thoughts(
        self, limit: int | None, reasoning: Reasoning, budget: int, sent: int
    ) -> None:
        body, fates = write(ASK, reasoning=reasoning, sampling=Sampling(max_tokens=limit))
        assert body["additionalModelRequestFields"]["thinking"]["budget_tokens"] == budget
        assert body["inferenceConfig"]["maxTokens"] == sent > budget
        assert (Feature.MAX_TOKENS in fates) == (limit not in (None, sent))

    def test_sampling_goes_where_claude_thinks(self) -> None:
        sampling = Sampling(temperature=0.5, top_p=0.9, top_k=5, max_tokens=9000)
        body, fates = write(ASK, reasoning=Reasoning("low"), sampling=sampling)
        assert body["inferenceConfig"] == {"maxTokens": 9000}
        assert set(fates) == {Feature.TEMPERATURE, Feature.TOP_P, Feature.TOP_K}
        assert set(fates.values()) == {Fate.DROPPED}

    @pytest.mark.parametrize(
        "rest",
        [
            {"tools": [WEATHER], "tool_choice": ToolChoice("required")},
            {"answer_format": AnswerFormat("schema", "a", {"type": "object"}), "facts": ModelFacts(native_schema=False)},
        ],
    )
    def test_a_forced_call_wins_over_thoughts(self, rest: dict[str, Any]) -> None:
        body, fates = write(ASK, reasoning=Reasoning("low"), sampling=Sampling(temperature=0.5), **rest)
        assert "additionalModelRequestFields" not in body
        assert body["inferenceConfig"] == {"temperature": 0.5}
        assert fates[Feature.REASONING] is Fate.APPROXIMATED

    @pytest.mark.parametrize(
        ("turns", "thinks"),
        [
            ((ASK, Turn("assistant", [Text("Hi")]), ASK), True),
            ((ASK, Turn("assistant", [Text("The answer is")])), False),
            ((ASK, Turn("assistant", [ToolCall("a", "weather", "{}")]), Turn("user", [ToolResult("a", "", [])])), False),
            (
                (
                    ASK,
                    Turn("assistant", [Thinking("h", "s", vendor=ANTHROPIC), ToolCall("a", "weather", "{}")]),
                    Turn("user", [ToolResult("a", "", [])]),
                ),
                True,
            ),
            ((Turn("user", [ToolResult("a", "", [])]),), True),
        ],
    )
    def test_claude_does_not_think_in_the_middle_of_what_others_began(self, turns: tuple[Turn, ...], thinks: bool) -> None:
        body, fates = write(*turns, tools=[WEATHER], reasoning=Reasoning("low"))
        assert ("additionalModelRequestFields" in body) == thinks
        assert fates == ({} if thinks else {Feature.REASONING: Fate.APPROXIMATED})

    def test_nova_thinks_hard_only_without_limits(self) -> None:
        body, fates = write(ASK, model=NOVA_2, reasoning=Reasoning("high"), sampling=Sampling(max_tokens=50))
        assert body["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"] == "medium"
        assert fates == {Feature.REASONING: Fate.APPROXIMATED}


class TestSampling:
    def test_what_converse_has(self) -> None:
        body, fates = write(ASK, model=OTHER, sampling=Sampling(10, 0.5, 0.9, stop=["END", " \n"]))
        assert body["inferenceConfig"] == {"maxTokens": 10, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]}
        assert fates == {Feature.STOP: Fate.APPROXIMATED}

    def test_limits_of_the_model(self) -> None:
        sampling = Sampling(max_tokens=10_000, temperature=1.5)
        body, fates = write(ASK, facts=ModelFacts(max_output=4096), sampling=sampling)
        assert body["inferenceConfig"] == {"maxTokens": 4096, "temperature": 1.0}
        assert fates == {Feature.MAX_TOKENS: Fate.APPROXIMATED, Feature.TEMPERATURE: Fate.APPROXIMATED}
        body, fates = write(ASK, facts=ModelFacts(max_output=4096), reasoning=Reasoning("low"))
        assert (body["inferenceConfig"], fates) == ({"maxTokens": 4096}, {})

    def test_claude_takes_one_of_temperature_and_top_p(self) -> None:
        body, fates = write(ASK, sampling=Sampling(temperature=0.5, top_p=0.9))
        assert (body["inferenceConfig"], fates) == ({"temperature": 0.5}, {Feature.TOP_P: Fate.DROPPED})
        assert write(ASK, sampling=Sampling(top_p=0.9))[0]["inferenceConfig"] == {"topP": 0.9}

    def test_models_that_pick_for_themselves(self) -> None:
        sampling = Sampling(temperature=0.5, top_p=0.9, top_k=3)
        body, fates = write(ASK, facts=ModelFacts(sampling=False), sampling=sampling)
        assert "inferenceConfig" not in body
        assert len(fates) == 3

    @pytest.mark.parametrize(
        ("model", "sent"), [(CLAUDE, {"top_k": 5}), (NOVA, {"inferenceConfig": {"topK": 5}}), (OTHER, None)]
    )
    def test_top_k(self, model: str, sent: object) -> None:
        body, fates = write(ASK, model=model, sampling=Sampling(top_k=5))
        assert body.get("additionalModelRequestFields") == sent
        assert fates == ({} if sent else {Feature.TOP_K: Fate.DROPPED})


class TestAnswerFormat:
    SCHEMA = AnswerFormat("schema", "city", {"type": "object", "properties": {"name": {"type": "string"}}}, True, "A city")

    def test_a_schema_goes_as_a_string(self) -> None:
        form = write(ASK, answer_format=self.SCHEMA)[0]["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
        assert json.loads(form.pop("schema")) == self.SCHEMA.schema
        assert form == {"name": "city", "description": "A city"}
        assert write(ASK, answer_format=AnswerFormat("schema", schema={}))[0]["outputConfig"]["textFormat"]["structure"] == {
            "jsonSchema": {"schema": "{}"}
        }

    def test_or_as_a_tool(self) -> None:
        body, fates = write(ASK, answer_format=self.SCHEMA, facts=ModelFacts(native_schema=False))
        assert body["toolConfig"]["toolChoice"] == {"tool": {"name": ANSWER_TOOL}}
        assert body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"] == {"json": self.SCHEMA.schema}
        assert "outputConfig" not in body
        assert fates == {Feature.JSON_SCHEMA: Fate.APPROXIMATED}

    @pytest.mark.parametrize(
        ("form", "rest"),
        [
            (SCHEMA, {"tools": [WEATHER], "facts": ModelFacts(native_schema=False)}),
            (SCHEMA, {"facts": ModelFacts(native_schema=False, lacks=frozenset({Feature.TOOLS}))}),
            (AnswerFormat("schema", schema={"type": "array"}), {"facts": ModelFacts(native_schema=False)}),
        ],
    )
    def test_or_as_an_instruction(self, form: AnswerFormat, rest: dict[str, Any]) -> None:
        body, fates = write(ASK, answer_format=form, **rest)
        assert json.dumps(form.schema, separators=(",", ":")) in body["system"][-1]["text"]
        assert fates == {Feature.JSON_SCHEMA: Fate.APPROXIMATED}

    def test_any_json_is_an_instruction(self) -> None:
        body, _ = write(Turn("system", [Text("Be brief.")]), ASK, answer_format=AnswerFormat("json"))
        assert body["system"] == [{"text": "Be brief."}, {"text": "Answer with one JSON object and nothing else."}]


class TestBeside:
    def test_cache_points(self) -> None:
        turns = (Turn("system", [Text("Long.", CacheMark("1h"))]), Turn("user", [Text("Hello", CacheMark())]))
        tool = Tool("weather", cache=CacheMark("5m"))
        body, fates = write(*turns, tools=[tool])
        assert body["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
        assert body["messages"][0]["content"][1] == {"cachePoint": {"type": "default"}}
        assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default", "ttl": "5m"}}
        assert fates == {}
        body, fates = write(*turns, tools=[tool], model=NOVA)
        assert body["system"][1] == {"cachePoint": {"type": "default"}}
        assert len(body["toolConfig"]["tools"]) == 1
        assert fates == {Feature.CACHE_CONTROL: Fate.DROPPED}
        body, fates = write(*turns, tools=[tool], model=OTHER)
        assert "cachePoint" not in json.dumps(body)
        assert fates == {Feature.CACHE_CONTROL: Fate.DROPPED}

    @pytest.mark.parametrize(
        ("tier", "sent", "fates"),
        [
            (None, None, {}),
            ("auto", None, {}),
            ("standard_only", {"type": "default"}, {}),
            ("flex", {"type": "flex"}, {}),
            ("scale", None, {Feature.SERVICE_TIER: Fate.DROPPED}),
        ],
    )
    def test_service_tiers(self, tier: str | None, sent: object, fates: object) -> None:
        body, lost = write(ASK, service_tier=tier)
        assert (body.get("serviceTier"), lost) == (sent, fates)

    def test_metadata_that_fits(self) -> None:
        assert write(ASK, metadata={"team": "a-b", "x": ""})[0]["requestMetadata"] == {"team": "a-b", "x": ""}
        body, fates = write(ASK, metadata={"é": "a", "n": 1, "": "x", **{f"k{n}": "v" for n in range(20)}})
        assert list(body["requestMetadata"]) == [f"k{n}" for n in range(16)]
        assert fates == {Feature.METADATA: Fate.APPROXIMATED}


TEXTS = st.builds(Text, st.text(max_size=8), st.none() | st.builds(CacheMark, st.sampled_from([None, "5m", "1h", "2d"])))
USER_PARTS = st.one_of(
    TEXTS,
    st.builds(Image, st.just(PIXEL), st.sampled_from(["image/png", "image/webp"])),
    st.builds(Document, st.just("AAAA"), st.just("application/pdf"), name=st.none() | st.text(max_size=250)),
    st.builds(ToolResult, st.text(max_size=80), st.just("weather"), st.lists(TEXTS, max_size=2), st.booleans()),
)
MODEL_PARTS = st.one_of(
    TEXTS,
    st.builds(Thinking, st.text(max_size=4), st.none() | st.just("sig"), st.none(), st.sampled_from([BEDROCK, ANTHROPIC])),
    st.builds(ToolCall, st.text(max_size=80), st.just("weather"), st.sampled_from(["", "{}", '{"a":1}'])),
    st.builds(Refusal, st.text(max_size=4)),
)
TURNS = st.one_of(
    st.builds(Turn, st.just("user"), st.lists(USER_PARTS, max_size=3)),
    st.builds(Turn, st.just("assistant"), st.lists(MODEL_PARTS, max_size=3)),
    st.builds(Turn, st.just("system"), st.lists(TEXTS, max_size=2)),
)


@settings(max_examples=150)
@given(
    turns=st.lists(TURNS, max_size=6),
    tools=st.lists(st.just(WEATHER), max_size=1),
    mode=st.sampled_from([None, "auto", "none", "required"]),
    model=st.sampled_from([CLAUDE, NOVA_2, OSS, OTHER]),
    facts=st.sampled_from([UNKNOWN, ADAPTIVE, ModelFacts(later_system=True, native_schema=False)]),
    effort=st.none() | st.sampled_from(["none", "low", "max"]),
)
def test_every_dialogue_becomes_a_sound_request(
    turns: list[Turn], tools: list[Tool], mode: Any, model: str, facts: ModelFacts, effort: str | None
) -> None:
    choice = ToolChoice(mode) if mode else None
    reasoning = Reasoning(effort) if effort else None
    body, _ = write(*turns, model=model, facts=facts, tools=tools, tool_choice=choice, reasoning=reasoning)
    roles = [message["role"] for message in body["messages"]]
    assert roles[0] == "user"
    assert all(one != other for one, other in pairwise(roles))
    blocks = [block for message in body["messages"] for block in message["content"]]
    assert all(block["text"].strip() for block in blocks if "text" in block)
    assert "toolConfig" in body or not any("toolUse" in block or "toolResult" in block for block in blocks)
    for message in body["messages"]:
        results = ["toolResult" in block for block in message["content"] if "cachePoint" not in block]
        assert results == sorted(results, reverse=True)
