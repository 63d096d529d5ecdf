import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire.cohere_judge import judge

from proxy.core.facts import UNKNOWN, ModelFacts
from proxy.core.features import HARD, Fate, Feature
from proxy.wire.cohere.format import COHERE_FORMAT
from proxy.wire.dialogue import (
    AnswerFormat,
    Audio,
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

PLAIN, REASONS = "command-a-03-2025", "command-a-reasoning-08-2025"
ASK = Turn("user", [Text("Hello")])
WEATHER = Tool("weather", "Tells it.", {"type": "object"})
PIXEL = "iVBORw0KGgo="


def write(
    *turns: Turn, model: str = PLAIN, facts: ModelFacts = UNKNOWN, **rest: Any
) -> tuple[dict[str, Any], dict[Feature, Fate]]:
    written = COHERE_FORMAT.write(Dialogue([*turns] or [ASK], **rest), model, facts)
    body = json.loads(written.body)
    judge(body)
    return body, written.fates


def test_the_table_is_complete_and_honest() -> None:
    assert set(COHERE_FORMAT.fates) == set(Feature)
    for feature, fate in COHERE_FORMAT.fates.items():
        assert fate is not Fate.DROPPED or feature not in HARD
        assert fate is not Fate.REFUSED or feature in HARD


def test_the_smallest_request() -> None:
    body, fates = write(stream=True)
    assert body == {"model": PLAIN, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    assert fates == {}


class TestMessages:
    def test_all_roles(self) -> None:
        body, fates = write(
            Turn("system", [Text("Be brief."), Text("Be kind.")]),
            Turn("system", [Text("")]),
            Turn("user", [Text("What?"), Image(PIXEL, "image/png", detail="low"), Image(url="https://x/a.png"), Text("")]),
            Turn(
                "assistant",
                [Thinking("hm"), Text("Let me see."), ToolCall("a", "weather", ' {"n": 1.0}'), ToolCall("b", "t", "")],
            ),
            Turn(
                "user",
                [
                    ToolResult("a", "weather", [Text("sun"), Text("ny"), Image(PIXEL, "image/png")]),
                    ToolResult("b", "t", [], error=True),
                    Text("And?"),
                ],
            ),
            Turn("assistant", [Refusal("No.")]),
            Turn("assistant", []),
            tools=[WEATHER],
        )
        assert body["messages"] == [
            {"role": "system", "content": "Be brief.\n\nBe kind."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://x/a.png"}},
                ],
            },
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "weather", "arguments": ' {"n": 1.0}'}},
                    {"id": "b", "type": "function", "function": {"name": "t", "arguments": "{}"}},
                ],
                "tool_plan": "Let me see.",
            },
            {"role": "tool", "tool_call_id": "a", "content": "sun\nny"},
            {"role": "tool", "tool_call_id": "b", "content": "Error: "},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                    {"type": "text", "text": "And?"},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "No."}]},
        ]
        assert fates == {Feature.THINKING_HISTORY: Fate.DROPPED}

    def test_models_that_reason_get_reasoning_back(self) -> None:
        turn = Turn("assistant", [Thinking("hm", "sealed elsewhere"), ToolCall("a", "weather", "{}")])
        body, fates = write(ASK, turn, model=REASONS)
        assert body["messages"][1]["content"] == [{"type": "thinking", "thinking": "hm"}]
        assert fates == {}
        body, fates = write(ASK, Turn("assistant", [Thinking(redacted="x"), Text("Hi")]), model=REASONS)
        assert body["messages"][1]["content"] == [{"type": "text", "text": "Hi"}]
        assert fates == {Feature.THINKING_HISTORY: Fate.DROPPED}

    @pytest.mark.parametrize("part", [Audio("AAAA", "mp3"), Document(text="x"), Image(file_id="file-1")])
    def test_what_cannot_be_said_is_refused(self, part: Any) -> None:
        for role in ("user", "assistant"):
            with pytest.raises(EnvelopeError):
                write(Turn(role, [part]))  # type: ignore[arg-type]


class TestTools:
    @pytest.mark.parametrize(
        ("choice", "sent", "names"),
        [
            (None, None, ["weather", "time"]),
            (ToolChoice("auto"), None, ["weather", "time"]),
            (ToolChoice("none"), "NONE", ["weather", "time"]),
            (ToolChoice("required"), "REQUIRED", ["weather", "time"]),
            (ToolChoice("named", "time"), "REQUIRED", ["time"]),
            (ToolChoice("auto", allowed=["weather"]), None, ["weather"]),
        ],
    )
    def test_choices(self, choice: ToolChoice | None, sent: str | None, names: list[str]) -> None:
        body, _ = write(ASK, tools=[WEATHER, Tool("time")], tool_choice=choice)
        assert body.get("tool_choice") == sent
        assert [tool["function"]["name"] for tool in body["tools"]] == names
        assert body["tools"][-1]["function"]["parameters"]["type"] == "object"

    def test_strictness_is_for_all_or_none(self) -> None:
        strict = Tool("a", strict=True)
        assert write(ASK, tools=[strict])[0]["strict_tools"] is True
        body, fates = write(ASK, tools=[strict, WEATHER])
        assert "strict_tools" not in body
        assert fates == {Feature.STRICT_TOOLS: Fate.DROPPED}

    @pytest.mark.parametrize("tool", [Tool("x", grammar={"type": "text"}), Tool("x", hosted={"type": "web_search"})])
    def test_tools_that_are_no_functions_are_refused(self, tool: Tool) -> None:
        with pytest.raises(EnvelopeError, match="only functions"):
            write(ASK, tools=[tool])


class TestAnswerFormat:
    SCHEMA = AnswerFormat("schema", "a", {"type": "object"})

    def test_json(self) -> None:
        assert write(ASK, answer_format=AnswerFormat("json"))[0]["response_format"] == {"type": "json_object"}
        body, fates = write(ASK, answer_format=self.SCHEMA)
        assert body["response_format"] == {"type": "json_object", "json_schema": {"type": "object"}}
        assert fates == {}

    @pytest.mark.parametrize(
        ("form", "feature", "words"),
        [
            (AnswerFormat("json"), Feature.JSON_OBJECT, "one JSON object"),
            (SCHEMA, Feature.JSON_SCHEMA, '{"type":"object"}'),
        ],
    )
    def test_beside_tools_it_is_an_instruction(self, form: AnswerFormat, feature: Feature, words: str) -> None:
        body, fates = write(ASK, answer_format=form, tools=[WEATHER])
        assert "response_format" not in body
        assert words in body["messages"][0]["content"]
        assert fates == {feature: Fate.APPROXIMATED}


@pytest.mark.parametrize(
    ("model", "reasoning", "sent", "fates"),
    [
        (REASONS, Reasoning("none"), {"type": "disabled"}, {}),
        (REASONS, Reasoning("low"), {"type": "enabled", "token_budget": 1024}, {}),
        (REASONS, Reasoning(budget=77), {"type": "enabled", "token_budget": 77}, {}),
        (REASONS, Reasoning(adaptive=True), {"type": "enabled"}, {}),
        (REASONS, Reasoning(summary="auto"), None, {}),
        (PLAIN, Reasoning("none"), None, {}),
        (PLAIN, Reasoning("high"), None, {Feature.REASONING: Fate.APPROXIMATED}),
    ],
)
def test_reasoning(model: str, reasoning: Reasoning, sent: object, fates: object) -> None:
    body, lost = write(ASK, model=model, reasoning=reasoning)
    assert (body.get("thinking"), lost) == (sent, fates)


class TestSampling:
    def test_what_fits_stays(self) -> None:
        sampling = Sampling(10, 0.5, 0.9, 40, 0.1, 0.2, 7, ["a", "b"])
        body, fates = write(ASK, sampling=sampling)
        assert {key: value for key, value in body.items() if key not in ("model", "stream", "messages")} == {
            "max_tokens": 10,
            "temperature": 0.5,
            "p": 0.9,
            "k": 40,
            "presence_penalty": 0.1,
            "frequency_penalty": 0.2,
            "seed": 7,
            "stop_sequences": ["a", "b"],
        }
        assert fates == {}

    def test_what_does_not_is_bent(self) -> None:
        sampling = Sampling(5000, 2.0, 1.0, 900, -1, 2, stop=[*"abcdefg"])
        body, fates = write(ASK, sampling=sampling, facts=ModelFacts(max_output=4096))
        values = [body[key] for key in ("max_tokens", "temperature", "p", "k", "presence_penalty", "frequency_penalty")]
        assert values == [4096, 1, 0.99, 500, 0, 1]
        assert body["stop_sequences"] == [*"abcde"]
        bent = {Feature.MAX_TOKENS, Feature.TEMPERATURE, Feature.TOP_P, Feature.TOP_K, Feature.PENALTIES, Feature.STOP}
        assert fates == dict.fromkeys(bent, Fate.APPROXIMATED)


TEXTS = st.builds(Text, st.text(max_size=6))
TURNS = st.one_of(
    st.builds(Turn, st.just("system"), st.lists(TEXTS, max_size=2)),
    st.builds(
        Turn,
        st.just("user"),
        st.lists(
            TEXTS | st.builds(ToolResult, st.text(max_size=5), st.just("f"), st.lists(TEXTS, max_size=2), st.booleans()),
            max_size=3,
        ),
    ),
    st.builds(
        Turn,
        st.just("assistant"),
        st.lists(
            TEXTS
            | st.builds(Thinking, st.text(max_size=4))
            | st.builds(ToolCall, st.text(max_size=5), st.just("f"), st.just("{}")),
            max_size=3,
        ),
    ),
)


@given(
    turns=st.lists(TURNS, max_size=5), tools=st.lists(st.just(WEATHER), max_size=1), model=st.sampled_from([PLAIN, REASONS])
)
def test_every_dialogue_becomes_a_sound_request(turns: list[Turn], tools: list[Tool], model: str) -> None:
    write(*turns, model=model, tools=tools)
