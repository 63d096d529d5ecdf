from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from gemini_bodies import user, write

from proxy.core.facts import UNKNOWN, ModelFacts
from proxy.core.features import HARD, Fate, Feature
from proxy.wire.dialogue import AnswerFormat, Dialogue, Reasoning, Sampling, Tool, ToolChoice
from proxy.wire.gemini.format import GEMINI_FORMAT, VERTEX_FORMAT
from proxy.wire.openai_envelope import EnvelopeError

SCHEMA = {"type": "object", "properties": {"city": {"$ref": "#/$defs/c"}}, "$defs": {"c": {"type": ["string", "null"]}}}
PRUNED = {"type": "object", "properties": {"city": {"type": "string", "nullable": True}}}
OLD = replace(UNKNOWN, native_schema=False)


def ask(**fields: Any) -> Dialogue:
    return Dialogue([user("hi")], **fields)


def config_of(dialogue: Dialogue, model: str = "gemini-3-flash-preview", facts: ModelFacts = UNKNOWN) -> dict[str, Any]:
    config: dict[str, Any] = write(dialogue, model, facts)[0].get("generationConfig", {})
    return config


def test_every_feature_has_a_fate_and_only_soft_ones_are_dropped() -> None:
    for vendor in (GEMINI_FORMAT, VERTEX_FORMAT):
        assert set(vendor.fates) == set(Feature)
        assert not {name for name in HARD if vendor.fates[name] is Fate.DROPPED}
        assert {name for name, fate in vendor.fates.items() if fate is Fate.REFUSED} <= HARD
    differing = {name for name in Feature if GEMINI_FORMAT.fates[name] is not VERTEX_FORMAT.fates[name]}
    assert differing == {Feature.IMAGE_URLS}
    assert GEMINI_FORMAT.fates[Feature.IMAGE_URLS] is Fate.REFUSED


def test_the_least_there_is() -> None:
    assert write(ask()) == ({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}, {})


@pytest.mark.parametrize("feature", sorted(name for name, fate in VERTEX_FORMAT.fates.items() if fate is Fate.REFUSED))
def test_what_is_refused_is_never_left_out(feature: Feature) -> None:
    with pytest.raises(EnvelopeError, match=feature):
        write(ask(features={feature, Feature.TOOLS}))


def test_sampling() -> None:
    sampling = Sampling(100, 0.5, 0.9, 40, 0.1, 0.2, 7, ["END"], 2)
    said = {"temperature": 0.5, "topP": 0.9, "topK": 40, "presencePenalty": 0.1, "frequencyPenalty": 0.2}
    rest = {"maxOutputTokens": 100, "seed": 7, "stopSequences": ["END"], "candidateCount": 2}
    assert config_of(ask(sampling=sampling)) == {**said, **rest}
    body, fates = write(ask(sampling=sampling), facts=replace(UNKNOWN, sampling=False))
    assert body["generationConfig"] == rest
    assert fates == dict.fromkeys((Feature.TEMPERATURE, Feature.TOP_P, Feature.TOP_K, Feature.PENALTIES), Fate.DROPPED)
    assert config_of(ask(sampling=Sampling(temperature=0.0, seed=0)))["temperature"] == 0


def test_tools() -> None:
    tools = [Tool("get", "Gets.", SCHEMA), Tool("ping")]
    body, _ = write(ask(tools=tools))
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "get", "description": "Gets.", "parametersJsonSchema": SCHEMA},
                {"name": "ping"},
            ]
        }
    ]
    assert "toolConfig" not in body
    body, _ = write(ask(tools=tools), facts=OLD)
    assert body["tools"][0]["functionDeclarations"][0]["parameters"] == PRUNED


@pytest.mark.parametrize(
    ("choice", "config", "shown"),
    [
        (ToolChoice("auto"), None, ["f", "g"]),
        (ToolChoice("none"), {"mode": "NONE"}, ["f", "g"]),
        (ToolChoice("required"), {"mode": "ANY"}, ["f", "g"]),
        (ToolChoice("named", "g"), {"mode": "ANY", "allowedFunctionNames": ["g"]}, ["f", "g"]),
        (ToolChoice("required", allowed=["g", "x"]), {"mode": "ANY", "allowedFunctionNames": ["g"]}, ["f", "g"]),
        (ToolChoice("auto", allowed=["g"]), None, ["g"]),
    ],
)
def test_tool_choice(choice: ToolChoice, config: object, shown: list[str]) -> None:
    body, _ = write(ask(tools=[Tool("f"), Tool("g")], tool_choice=choice))
    assert body.get("toolConfig") == (None if config is None else {"functionCallingConfig": config})
    assert [tool["name"] for tool in body["tools"][0]["functionDeclarations"]] == shown


def test_without_tools_there_is_nothing_to_choose() -> None:
    assert set(write(ask(tool_choice=ToolChoice("required")))[0]) == {"contents"}
    assert set(write(ask(tools=[Tool("f")], tool_choice=ToolChoice("auto", allowed=[])))[0]) == {"contents"}


def test_answer_formats() -> None:
    mime = {"responseMimeType": "application/json"}
    assert config_of(ask(answer_format=AnswerFormat("json"))) == mime
    assert config_of(ask(answer_format=AnswerFormat("schema"))) == mime
    wanted = ask(answer_format=AnswerFormat("schema", "city", SCHEMA, strict=True))
    assert config_of(wanted) == {**mime, "responseJsonSchema": SCHEMA}
    body, fates = write(wanted, facts=OLD)
    assert body["generationConfig"] == {**mime, "responseSchema": PRUNED}
    assert fates == {Feature.JSON_SCHEMA: Fate.APPROXIMATED}


@pytest.mark.parametrize(
    ("tier", "sent", "fates"),
    [
        ("auto", None, {}),
        ("default", "standard", {}),
        ("flex", "flex", {}),
        ("priority", "priority", {}),
        ("scale", None, {Feature.SERVICE_TIER: Fate.DROPPED}),
    ],
)
def test_service_tiers(tier: str, sent: str | None, fates: Mapping[Feature, Fate]) -> None:
    body, said = write(ask(service_tier=tier))
    assert (body.get("serviceTier"), said) == (sent, fates)


NEAR = {Feature.REASONING: Fate.APPROXIMATED}
NEAR_BUDGET = {Feature.REASONING_BUDGET: Fate.APPROXIMATED}
NEAR_WORDS = {Feature.REASONING_SUMMARY: Fate.APPROXIMATED}
THINKING: list[tuple[str, Reasoning, dict[str, object] | None, Mapping[Feature, Fate]]] = [
    ("gemini-3-flash", Reasoning("minimal"), {"thinkingLevel": "MINIMAL", "includeThoughts": True}, {}),
    ("gemini-3-flash", Reasoning("medium"), {"thinkingLevel": "MEDIUM", "includeThoughts": True}, {}),
    ("gemini-3-flash", Reasoning("none"), {"thinkingLevel": "MINIMAL"}, NEAR),
    ("gemini-3-flash", Reasoning("max"), {"thinkingLevel": "HIGH", "includeThoughts": True}, NEAR),
    ("gemini-3-flash", Reasoning("high", summary="omitted"), {"thinkingLevel": "HIGH"}, {}),
    (
        "gemini-3-flash",
        Reasoning("low", summary="detailed"),
        {"thinkingLevel": "LOW", "includeThoughts": True},
        NEAR_WORDS,
    ),
    ("gemini-3-flash", Reasoning(budget=2000), {"thinkingLevel": "LOW", "includeThoughts": True}, NEAR_BUDGET),
    ("gemini-3-flash", Reasoning(budget=8000), {"thinkingLevel": "MEDIUM", "includeThoughts": True}, NEAR_BUDGET),
    ("gemini-3-flash", Reasoning(budget=9000), {"thinkingLevel": "HIGH", "includeThoughts": True}, NEAR_BUDGET),
    ("gemini-3-flash", Reasoning(budget=0), {"thinkingLevel": "MINIMAL"}, {**NEAR, **NEAR_BUDGET}),
    ("gemini-3-flash", Reasoning(adaptive=True), {"includeThoughts": True}, {}),
    ("gemini-3-flash", Reasoning(summary="omitted"), None, {}),
    ("gemini-3-pro-preview", Reasoning("medium"), {"thinkingLevel": "HIGH", "includeThoughts": True}, NEAR),
    ("gemini-3-pro-preview", Reasoning("none"), {"thinkingLevel": "LOW"}, NEAR),
    ("gemini-3.1-pro", Reasoning("medium"), {"thinkingLevel": "MEDIUM", "includeThoughts": True}, {}),
    ("gemini-flash-latest", Reasoning("low"), {"thinkingLevel": "LOW", "includeThoughts": True}, {}),
    ("gemini-2.5-flash", Reasoning("none"), {"thinkingBudget": 0}, {}),
    ("gemini-2.5-flash", Reasoning("low"), {"thinkingBudget": 1024, "includeThoughts": True}, {}),
    ("gemini-2.5-flash", Reasoning("medium"), {"thinkingBudget": 8192, "includeThoughts": True}, {}),
    ("gemini-2.5-flash", Reasoning("high"), {"thinkingBudget": 24576, "includeThoughts": True}, {}),
    ("gemini-2.5-flash", Reasoning("xhigh"), {"thinkingBudget": 24576, "includeThoughts": True}, NEAR),
    ("gemini-2.5-flash", Reasoning(budget=4000), {"thinkingBudget": 4000, "includeThoughts": True}, {}),
    ("gemini-2.5-flash", Reasoning(budget=50_000), {"thinkingBudget": 24576, "includeThoughts": True}, NEAR_BUDGET),
    ("gemini-2.5-pro", Reasoning(budget=50_000), {"thinkingBudget": 32768, "includeThoughts": True}, NEAR_BUDGET),
    ("gemini-2.5-pro", Reasoning("none"), {"thinkingBudget": 128}, NEAR),
    ("gemini-2.5-flash", Reasoning(adaptive=True), {"thinkingBudget": -1, "includeThoughts": True}, {}),
    ("gemini-2.5-flash", Reasoning(summary="auto"), {"includeThoughts": True}, {}),
    ("gemini-2.0-flash", Reasoning("high"), None, NEAR),
    ("gemma-3-27b-it", Reasoning("none"), None, {}),
]


@pytest.mark.parametrize(("model", "reasoning", "config", "fates"), THINKING)
def test_thinking(model: str, reasoning: Reasoning, config: object, fates: Mapping[Feature, Fate]) -> None:
    body, said = write(ask(reasoning=reasoning), model)
    assert body.get("generationConfig", {}).get("thinkingConfig") == config
    assert said == fates


def test_facts_outrank_the_name() -> None:
    by_budget, by_level = replace(UNKNOWN, adaptive_thinking=False), replace(UNKNOWN, adaptive_thinking=True)
    low = ask(reasoning=Reasoning("low"))
    assert config_of(low, "tuned-model", by_budget)["thinkingConfig"]["thinkingBudget"] == 1024
    assert config_of(low, "gemini-2.5-flash", by_level)["thinkingConfig"]["thinkingLevel"] == "LOW"


def test_a_model_that_cannot_think_is_not_told_to() -> None:
    cannot = replace(UNKNOWN, adaptive_thinking=False, lacks=frozenset({Feature.REASONING}))
    body, fates = write(ask(reasoning=Reasoning("low")), "gemini-2.0-flash", cannot)
    assert "generationConfig" not in body
    assert fates == NEAR
