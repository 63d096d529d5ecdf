"""Dialogues as chat requests: every field, every fate, held against OpenAI's schema of requests."""

import base64
import json
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from contract.contract_schemas import violations
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_dialogues import envelope

from proxy.core.endpoints import Endpoint
from proxy.core.facts import UNKNOWN, ModelFacts
from proxy.core.features import HARD, Fate, Feature
from proxy.core.features import Feature as F
from proxy.wire.chat.fates import FATES
from proxy.wire.chat.quirks import USUAL, Quirks
from proxy.wire.chat.reading import read_chat
from proxy.wire.chat.vendor import CHAT_FORMAT, make_chat_format
from proxy.wire.dialogue import (
    AnswerFormat,
    Audio,
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
from proxy.wire.openai_envelope import EnvelopeError, read_envelope
from proxy.wire.translation import name_losses

Fates = dict[Feature, Fate]
HI = [Turn("user", [Text("hi")])]
SAID = {"role": "user", "content": "hi"}
PDF = base64.b64encode(b"%PDF").decode()


def write(dialogue: Dialogue, facts: ModelFacts = UNKNOWN, quirks: Quirks = USUAL) -> tuple[dict[str, Any], Fates]:
    """The body, valid, and what is different from the table."""
    written = make_chat_format(quirks).write(dialogue, "up/model", facts)
    body = json.loads(written.body)
    if quirks == USUAL:
        assert violations("CreateChatCompletionRequest", body) == []
    assert body["model"] == "up/model"
    return body, written.fates


def messages(*turns: Turn, facts: ModelFacts = UNKNOWN, quirks: Quirks = USUAL) -> list[dict[str, Any]]:
    found = write(Dialogue(list(turns)), facts, quirks)[0]["messages"]
    assert isinstance(found, list)
    return found


def say(role: Role, *parts: Part, name: str | None = None) -> list[dict[str, Any]]:
    first, *rest = messages(*HI, Turn(role, list(parts), name))
    assert first == SAID
    return rest


def test_every_feature_has_a_fate_and_only_hard_ones_are_refused() -> None:
    assert set(FATES) == set(Feature)
    assert {feature for feature, fate in FATES.items() if fate is Fate.REFUSED} <= HARD
    assert all(FATES[feature] is not Fate.DROPPED for feature in HARD)
    assert (CHAT_FORMAT.name, CHAT_FORMAT.fates) == ("openai-chat", FATES)


def test_the_plainest_request() -> None:
    assert write(Dialogue(HI)) == ({"model": "up/model", "messages": [SAID]}, {})


def test_usage_is_asked_for_where_a_server_can_be_asked() -> None:
    body = write(Dialogue(HI, stream=True))[0]
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert "stream_options" not in write(Dialogue(HI, stream=True), quirks=Quirks(ask_usage=False))[0]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"sampling": Sampling(max_tokens=5)}, {"max_completion_tokens": 5}),
        ({"sampling": Sampling(temperature=0, top_p=0.5)}, {"temperature": 0, "top_p": 0.5}),
        ({"sampling": Sampling(presence_penalty=1, frequency_penalty=0)}, {"presence_penalty": 1, "frequency_penalty": 0}),
        ({"sampling": Sampling(seed=7, choices=2)}, {"seed": 7, "n": 2}),
        ({"sampling": Sampling(stop=["a", "b"])}, {"stop": ["a", "b"]}),
        ({"sampling": Sampling(logit_bias={"5": 1})}, {"logit_bias": {"5": 1}}),
        ({"sampling": Sampling(top_k=3, logprobs=True, top_logprobs=2)}, {}),
        ({"reasoning": Reasoning("high")}, {"reasoning_effort": "high"}),
        ({"reasoning": Reasoning("none", summary="auto")}, {"reasoning_effort": "none"}),
        ({"reasoning": Reasoning(budget=2048)}, {"reasoning_effort": "low"}),
        ({"reasoning": Reasoning(budget=2049)}, {"reasoning_effort": "medium"}),
        ({"reasoning": Reasoning(budget=8193)}, {"reasoning_effort": "high"}),
        ({"reasoning": Reasoning(adaptive=True)}, {}),
        ({"answer_format": AnswerFormat("json")}, {"response_format": {"type": "json_object"}}),
        (
            {"answer_format": AnswerFormat("schema", "", {"type": "object"})},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}},
        ),
        (
            {"answer_format": AnswerFormat("schema", "n", {}, True, "d")},
            {"response_format": {
                "type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True, "description": "d"}
            }},
        ),
        ({"verbosity": "low"}, {"verbosity": "low"}),
        ({"prediction": {"type": "content", "content": "x"}}, {"prediction": {"type": "content", "content": "x"}}),
        ({"cache_key": "k"}, {"prompt_cache_key": "k"}),
        ({"user": "u", "metadata": {"a": "b"}}, {"user": "u"}),
        ({"service_tier": "flex"}, {"service_tier": "flex"}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"parallel": False, "tool_choice": ToolChoice("none")}, {}),
    ],
)  # fmt: skip
def test_settings(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    body, fates = write(Dialogue(HI, **fields))
    assert body == {"model": "up/model", "messages": [SAID], **expected}
    assert fates == {}


@pytest.mark.parametrize(
    ("fields", "facts", "expected", "fates"),
    [
        (
            {"sampling": Sampling(temperature=1, top_p=1, presence_penalty=1, logit_bias={"1": 1}, seed=1)},
            ModelFacts(sampling=False),
            {"seed": 1},
            dict.fromkeys((F.TEMPERATURE, F.TOP_P, F.PENALTIES, F.LOGIT_BIAS), Fate.DROPPED),
        ),
        ({"sampling": Sampling(temperature=1)}, ModelFacts(sampling=True), {"temperature": 1}, {}),
        (
            {"sampling": Sampling(stop=list("abcde"))},
            UNKNOWN,
            {"stop": list("abcd")},
            {F.STOP: Fate.APPROXIMATED},
        ),
        (
            {"sampling": Sampling(max_tokens=64000)},
            ModelFacts(max_output=16384),
            {"max_completion_tokens": 16384},
            {F.MAX_TOKENS: Fate.APPROXIMATED},
        ),
        ({"sampling": Sampling(max_tokens=5)}, ModelFacts(max_output=16384), {"max_completion_tokens": 5}, {}),
        ({"service_tier": "reserved"}, UNKNOWN, {}, {F.SERVICE_TIER: Fate.DROPPED}),
        ({"features": {F.PREFILL}}, UNKNOWN, {}, {}),
        ({"features": {F.PREFILL}}, ModelFacts(prefill=True), {}, {F.PREFILL: Fate.CARRIED}),
    ],
)
def test_what_the_model_or_the_value_changes(
    fields: dict[str, Any], facts: ModelFacts, expected: dict[str, Any], fates: Fates
) -> None:
    assert write(Dialogue(HI, **fields), facts) == ({"model": "up/model", "messages": [SAID], **expected}, fates)


def test_a_long_user_is_hashed() -> None:
    first, again, other = [write(Dialogue(HI, user=user))[0]["user"] for user in ("u" * 65, "u" * 65, "v" * 65)]
    assert first == again != other
    assert len(first) == 32
    assert write(Dialogue(HI, user="u" * 64))[0]["user"] == "u" * 64


def test_a_model_without_schemas_gets_the_schema_as_an_instruction() -> None:
    wanted = AnswerFormat("schema", "n", {"type": "object"})
    body, fates = write(Dialogue([Turn("system", [Text("s")]), *HI], answer_format=wanted), ModelFacts(native_schema=False))
    assert body["response_format"] == {"type": "json_object"}
    assert [message["role"] for message in body["messages"]] == ["system", "system", "user"]
    assert body["messages"][1]["content"].endswith('JSON Schema:\n{"type":"object"}')
    assert fates == {F.JSON_SCHEMA: Fate.APPROXIMATED}
    bare = write(
        Dialogue([Turn("system", [Text("s")])], answer_format=AnswerFormat("schema")), ModelFacts(native_schema=False)
    )
    assert bare[0]["messages"][1]["content"].endswith("{}")


# Messages.


@pytest.mark.parametrize(
    ("role", "parts", "expected"),
    [
        ("system", [Text("a"), Text("b")], [{"role": "system", "content": "a\n\nb"}]),
        ("system", [], []),
        ("user", [Text("a"), Text("b")], [{"role": "user", "content": "a\n\nb"}]),
        ("user", [], [{"role": "user", "content": ""}]),
        ("assistant", [Text("a"), Text("b")], [{"role": "assistant", "content": "ab"}]),
        ("assistant", [], []),
        ("assistant", [Thinking("hm")], []),
        ("assistant", [Refusal("no")], [{"role": "assistant", "content": "no"}]),
        (
            "assistant", [Text("a"), ToolCall("c1", "f", '{"x": 1}', signature="S"), ToolCall("c2", "g", "")],
            [{"role": "assistant", "content": "a", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ]}],
        ),
        (
            "user", [Text("a"), Image("QUJD", "image/png", detail="low"), Image("QUJD"), Image(url="https://x")],
            [{"role": "user", "content": [
                {"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
                {"type": "image_url", "image_url": {"url": "https://x"}},
            ]}],
        ),
        (
            "user", [Audio("QUJD", "wav"), Document(PDF, "application/pdf", name="a.pdf"), Document(PDF)],
            [{"role": "user", "content": [
                {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
                {"type": "file", "file": {"filename": "document.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
            ]}],
        ),
        (
            "user", [ToolResult("c1", "f", [Text("a"), Text("b")]), ToolResult("c2", "g", [Text("x")], error=True),
                Text("so?")],
            [
                {"role": "tool", "content": "a\n\nb", "tool_call_id": "c1"},
                {"role": "tool", "content": "Error: x", "tool_call_id": "c2"},
                {"role": "user", "content": "so?"},
            ],
        ),
        ("user", [ToolResult("c1", "f", [])], [{"role": "tool", "content": "", "tool_call_id": "c1"}]),
        (
            "user", [ToolResult("c1", "f", [Text("a"), Image(url="https://x"), Document(text="doc")]), ToolResult("c2", "", [
                Document(PDF, "application/pdf", name="a.pdf")]), Text("so?")],
            [
                {"role": "tool", "content": "a\n\nDocument:\n\ndoc", "tool_call_id": "c1"},
                {"role": "tool", "content": "", "tool_call_id": "c2"},
                {"role": "user", "content": [
                    {"type": "text", "text": "From the result of f (c1):"},
                    {"type": "image_url", "image_url": {"url": "https://x"}},
                    {"type": "text", "text": "From the result of the tool (c2):"},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
                    {"type": "text", "text": "so?"},
                ]},
            ],
        ),
    ],
)  # fmt: skip
def test_turns(role: Role, parts: list[Part], expected: list[dict[str, Any]]) -> None:
    assert say(role, *parts) == expected


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
def test_names(role: Role) -> None:
    assert say(role, Text("a"), name="bob") == [{"role": role, "content": "a", "name": "bob"}]


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (Document(text="t"), "Document:\n\nt"),
        (Document(text="t", name="n", context="c"), "Document: n\n\nc\n\nt"),
        (Document(base64.b64encode("é".encode()).decode(), "text/plain"), "Document:\n\né"),
        (Document(base64.b64encode(b"{}").decode(), "application/json"), "Document:\n\n{}"),
    ],
)
def test_documents_of_text_are_text(document: Document, text: str) -> None:
    body, fates = write(Dialogue([Turn("user", [document])]))
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": text}]}]
    assert fates == {F.DOCUMENTS: Fate.APPROXIMATED}


@pytest.mark.parametrize(
    "dialogue",
    [
        Dialogue([Turn("user", [Image(file_id="f")])]),
        Dialogue([Turn("user", [Document(url="https://x")])]),
        Dialogue([Turn("user", [Document(file_id="f")])]),
        Dialogue([Turn("user", [Document("A", "text/plain")])]),
        Dialogue([Turn("user", [Document("/w==", "text/plain")])]),
        Dialogue(HI, tools=[Tool("web_search", hosted={"type": "web_search"})]),
    ],
)
def test_what_has_no_form_here(dialogue: Dialogue) -> None:
    with pytest.raises(EnvelopeError):
        CHAT_FORMAT.write(dialogue, "m", UNKNOWN)


LATER = (Turn("user", [Text("hi")]), Turn("system", [Text("s")]))


def test_later_instructions_stay_unless_the_model_cannot() -> None:
    assert messages(*LATER)[1] == {"role": "system", "content": "s"}
    body, fates = write(Dialogue([Turn("system", [Text("x")]), *LATER]), ModelFacts(later_system=False))
    assert [message["role"] for message in body["messages"]] == ["system", "user", "user"]
    assert body["messages"][2]["content"] == "<system>\ns\n</system>"
    assert fates == {F.LATER_SYSTEM: Fate.APPROXIMATED}


def test_reasoning_goes_back_only_to_those_who_want_it() -> None:
    turn = Turn(
        "assistant", [Thinking("h"), Thinking("m"), Thinking(redacted="R", vendor="anthropic"), ToolCall("c", "f", "")]
    )
    body, fates = write(Dialogue([turn]))
    assert "reasoning_content" not in body["messages"][0]
    assert fates == {F.THINKING_HISTORY: Fate.DROPPED}
    own = Quirks(thinking_of=frozenset({""}))
    body, fates = write(Dialogue([turn]), quirks=own)
    assert body["messages"][0]["reasoning_content"] == "h\n\nm"
    assert fates == {F.THINKING_HISTORY: Fate.CARRIED}
    others = Turn("assistant", [Thinking("h"), Thinking("m", "S", vendor="anthropic"), Text("a")])
    body, fates = write(Dialogue([others]), quirks=own)
    assert body["messages"][0]["reasoning_content"] == "h"
    assert fates == {F.THINKING_HISTORY: Fate.DROPPED}
    assert messages(Turn("assistant", [Thinking("h")]), quirks=own) == [
        {"role": "assistant", "content": "", "reasoning_content": "h"}
    ]


# Tools.


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (Tool("f"), {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}),
        (
            Tool("f", "d", {"type": "object"}, True),
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"},
                "strict": True}},
        ),
    ],
)  # fmt: skip
def test_tools(tool: Tool, expected: dict[str, Any]) -> None:
    assert write(Dialogue(HI, tools=[tool], parallel=False))[0]["tools"] == [expected]


TOOLS = [Tool("f"), Tool("k")]


@pytest.mark.parametrize(
    ("choice", "names", "expected"),
    [
        (None, ["f", "k"], None),
        (ToolChoice("auto"), ["f", "k"], "auto"),
        (ToolChoice("none"), ["f", "k"], "none"),
        (ToolChoice("required"), ["f", "k"], "required"),
        (ToolChoice("named", "f"), ["f", "k"], {"type": "function", "function": {"name": "f"}}),
        (ToolChoice("required", allowed=["k"]), ["k"], "required"),
        (ToolChoice("auto", allowed=["z"]), [], None),
    ],
)
def test_tool_choice(choice: ToolChoice | None, names: list[str], expected: object) -> None:
    body = write(Dialogue(HI, tools=TOOLS, tool_choice=choice))[0]
    assert [tool[tool["type"]]["name"] for tool in body.get("tools", [])] == names
    assert body.get("tool_choice") == expected


# Quirks.


def test_a_vendors_quirks_are_applied_to_the_finished_body() -> None:
    quirks = Quirks(
        drop=("logit_bias", "user", "top_k"),
        rename=MappingProxyType({"seed": "random_seed"}),
        cap="max_tokens",
        ask_usage=False,
    )
    dialogue = Dialogue(HI, stream=True, sampling=Sampling(seed=1, max_tokens=2, logit_bias={"1": 1}), user="u")
    body = write(dialogue, quirks=quirks)[0]
    assert body == {"model": "up/model", "messages": [SAID], "stream": True, "random_seed": 1, "max_tokens": 2}


def test_what_a_vendor_does_not_take_has_another_fate() -> None:
    quirks = Quirks(drop=("seed", "response_format", "frequency_penalty", "odd"), refuses=frozenset({F.IMAGES}))
    fates = make_chat_format(quirks).fates
    changed = {feature: fate for feature, fate in fates.items() if fate is not FATES[feature]}
    assert changed == {
        F.SEED: Fate.DROPPED, F.PENALTIES: Fate.DROPPED, F.JSON_SCHEMA: Fate.REFUSED, F.IMAGES: Fate.REFUSED,
    }  # fmt: skip


# There and back again.

WORD = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
NAME = st.text("abcdefgh_", min_size=1, max_size=8)
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}}
LINK = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}}
FILE = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}}
MARKED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}

user_content = WORD | st.lists(st.sampled_from([PICTURE, LINK, SOUND, FILE, MARKED]), min_size=1, unique_by=json.dumps)
users = st.fixed_dictionaries({"role": st.just("user"), "content": user_content}, optional={"name": NAME})
systems = st.fixed_dictionaries({"role": st.sampled_from(["system", "developer"]), "content": WORD})
answers = st.fixed_dictionaries({"role": st.just("assistant"), "content": WORD}, optional={"reasoning_content": WORD})


@st.composite
def exchanges(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Calls of tools and their results."""
    ids = draw(st.lists(NAME, min_size=1, max_size=3, unique=True))
    calls = [{"id": id_, "type": "function", "function": {"name": draw(NAME), "arguments": draw(WORD)}} for id_ in ids]
    results = [{"role": "tool", "tool_call_id": id_, "content": draw(WORD)} for id_ in draw(st.permutations(ids))]
    return [{"role": "assistant", "content": draw(st.none() | WORD), "tool_calls": calls}, *results]


conversations = st.lists(st.lists(users | systems | answers, min_size=1, max_size=2) | exchanges(), min_size=1, max_size=4)
functions = st.fixed_dictionaries(
    {"name": NAME, "parameters": st.just({"type": "object"})}, optional={"description": WORD, "strict": st.booleans()}
)
tools = st.lists(functions.map(lambda function: {"type": "function", "function": function}), min_size=1, max_size=3)
requests = st.fixed_dictionaries(
    {"messages": conversations.map(lambda groups: [message for group in groups for message in group])},
    optional={
        "tools": tools,
        "tool_choice": st.sampled_from(["auto", "none", "required", {"type": "function", "function": {"name": "a"}}]),
        "parallel_tool_calls": st.booleans(),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(1, 50),
        "presence_penalty": st.floats(-2, 2),
        "frequency_penalty": st.floats(-2, 2),
        "seed": st.integers(0, 2**31),
        "stop": WORD | st.lists(WORD, min_size=1, max_size=4),
        "n": st.integers(1, 5),
        "max_tokens": st.integers(1, 9999),
        "logit_bias": st.dictionaries(st.integers(0, 9).map(str), st.integers(-100, 100), min_size=1),
        "reasoning_effort": st.sampled_from(["none", "low", "high"]),
        "response_format": st.sampled_from(
            [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}]
        ),
        "verbosity": st.sampled_from(["low", "high"]),
        "prediction": st.just({"type": "content", "content": "x"}),
        "user": NAME,
        "metadata": st.just({"a": "b"}),
        "service_tier": st.sampled_from(["auto", "flex"]),
        "prompt_cache_key": NAME,
        "store": st.booleans(),
        "min_p": st.floats(0, 1),
        "stream": st.booleans(),
    },
)


def strip(dialogue: Dialogue) -> Dialogue:
    """What the table says is carried."""
    turns = [
        Turn(turn.role, [_unmark(part) for part in turn.parts if not isinstance(part, Thinking)], turn.name)
        for turn in dialogue.turns
    ]
    lost = {feature for feature, fate in FATES.items() if fate is not Fate.CARRIED} - {F.PREFILL}
    features, tooled = dialogue.features - lost, bool(dialogue.tools)
    return replace(
        dialogue,
        turns=turns,
        sampling=replace(dialogue.sampling, top_k=None),
        metadata=None,
        unknown=[],
        features=features if tooled else features - {F.TOOL_CHOICE, F.PARALLEL_OFF},
        tool_choice=dialogue.tool_choice if tooled else None,
        parallel=dialogue.parallel if tooled else None,
    )


def _unmark(part: Part) -> Part:
    return replace(part, cache=None) if isinstance(part, Text) else part


@settings(max_examples=150)
@given(requests)
def test_what_is_carried_comes_back(fields: dict[str, Any]) -> None:
    asked = read_chat(envelope(**fields))
    written = CHAT_FORMAT.write(asked, "m", UNKNOWN)
    assert violations("CreateChatCompletionRequest", json.loads(written.body)) == []
    again = read_chat(read_envelope(written.body, Endpoint.CHAT))
    wanted = strip(asked)
    assert again.turns == wanted.turns
    assert again == wanted
    lost = set(name_losses(asked, written, CHAT_FORMAT.fates))
    gone = {feature.value for feature in asked.features if FATES[feature] is Fate.DROPPED} | set(asked.unknown)
    assert lost == gone | ({"prefill;approximated"} if F.PREFILL in asked.features else set())
