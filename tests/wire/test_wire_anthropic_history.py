"""What other vendors left in a conversation, taken out before Anthropic sees it."""

import json
from typing import Any

import pytest
from messages_shapes import body

from proxy.core.endpoints import Endpoint
from proxy.wire.anthropic.envelope import read_envelope
from proxy.wire.anthropic.history import list_changes
from proxy.wire.openai_envelope import splice

USER = {"role": "user", "content": "hi"}
FOREIGN = {"type": "thinking", "thinking": "x", "signature": "undimmed.google.signature.S"}
OWN = {"type": "thinking", "thinking": "x", "signature": "EvMC"}
CALL = {"type": "tool_use", "id": "a::sig:Uw", "name": "f", "input": {"id": "kept"}}
BARE = {"type": "tool_use", "id": "a", "name": "f", "input": {"id": "kept"}}


def clean(*messages: Any, **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    envelope = read_envelope(body(messages, **fields), Endpoint.MESSAGES)
    changes, lost = list_changes(envelope)
    return json.loads(splice(envelope, changes)), lost


def answered(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


@pytest.mark.parametrize(
    "messages", [[], [USER], [USER, answered(OWN, BARE)], [{"role": "user", "content": "undimmed.google.signature.S"}], [3]]
)
def test_nothing_of_ours_nothing_changed(messages: list[Any]) -> None:
    envelope = read_envelope(body(messages), Endpoint.MESSAGES)
    changes, lost = list_changes(envelope)
    assert lost == ()
    assert json.loads(splice(envelope, changes)) == json.loads(envelope.body)


def test_foreign_seals_go() -> None:
    redacted = [{"type": "redacted_thinking", "data": data} for data in ("R", "undimmed.openai.redacted.R")]
    result = {"type": "tool_result", "tool_use_id": "a::sig:Uw", "content": "r"}
    value, lost = clean(
        USER,
        answered(FOREIGN, OWN, *redacted, CALL, {"type": "thinking"}, {}),
        {"role": "user", "content": [result]},
        answered(FOREIGN),
        answered(),
    )
    assert value["messages"] == [
        USER,
        answered(OWN, redacted[0], BARE, {"type": "thinking"}, {}),
        {"role": "user", "content": [{**result, "tool_use_id": "a"}]},
        answered(),
    ]
    assert lost == ("reasoning.history", "reasoning.signature")


def test_an_id_that_only_looks_sealed_stays() -> None:
    value, lost = clean(USER, answered({**BARE, "id": "a::sig:!"}), USER)
    assert (value["messages"][1]["content"][0]["id"], lost) == ("a::sig:!", ())


def test_what_is_kept_keeps_its_bytes() -> None:
    raw = (
        b'{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a::sig:Uw","name":"f",'
        b'"input":{"x": 1.10,"y":"\\u00e4"}}]},{"role":"user","content": "x"}]}'
    )
    envelope = read_envelope(raw, Endpoint.MESSAGES)
    assert splice(envelope, list_changes(envelope)[0]) == raw.replace(b"a::sig:Uw", b"a").replace(b': "x"', b':"x"')


def test_foreign_sources_go() -> None:
    own = {"type": "web_search_result_location", "encrypted_index": "E"}
    foreign = {"type": "web_search_result_location", "encrypted_index": "undimmed.citation"}
    value, lost = clean(
        USER,
        answered(
            {"type": "text", "text": "a", "citations": [own, foreign]}, {"type": "text", "text": "b", "citations": [foreign]}
        ),
        USER,
    )
    blocks = value["messages"][1]["content"]
    assert (blocks[0]["citations"], blocks[1]["citations"], lost) == ([own], None, ())


@pytest.mark.parametrize(
    ("blocks", "thinking", "sent"),
    [
        ([FOREIGN, BARE], {"type": "enabled", "budget_tokens": 2000}, {"type": "disabled"}),
        ([FOREIGN, {"type": "text", "text": "x"}, BARE], {"type": "enabled", "budget_tokens": 2000}, {"type": "disabled"}),
        ([FOREIGN, OWN, BARE], {"type": "enabled", "budget_tokens": 2000}, {"type": "enabled", "budget_tokens": 2000}),
        ([FOREIGN, BARE], {"type": "adaptive"}, {"type": "adaptive"}),
        ([FOREIGN, {"type": "text", "text": "x"}], {"type": "enabled"}, {"type": "enabled"}),
    ],
)
def test_a_budget_cannot_follow_a_thought_that_went(blocks: list[Any], thinking: Any, sent: Any) -> None:
    value, lost = clean(USER, answered(*blocks), USER, thinking=thinking)
    assert value["thinking"] == sent
    assert ("reasoning;approximated" in lost) is (sent != thinking)


@pytest.mark.parametrize(
    ("call", "thinking", "sent"),
    [
        ("call_1", {"type": "enabled", "budget_tokens": 2000}, {"type": "disabled"}),
        ("toolu_1", {"type": "enabled", "budget_tokens": 2000}, {"type": "enabled", "budget_tokens": 2000}),
        ("call_1", {"type": "adaptive"}, {"type": "adaptive"}),
    ],
)
def test_a_budget_cannot_follow_anothers_call_without_a_mark(call: str, thinking: Any, sent: Any) -> None:
    messages = USER, answered({**BARE, "id": call}), {"role": "user", "content": []}
    value, lost = clean(*messages, thinking=thinking)
    assert value["messages"] == list(messages)
    assert value["thinking"] == sent
    assert lost == (("reasoning;approximated",) if sent != thinking else ())


@pytest.mark.parametrize("messages", [b'["\xff ::sig:"]', b"3", b'{"x":"::sig:"}', b'[["::sig:"]]'])
def test_what_cannot_be_read_is_left_alone(messages: bytes) -> None:
    raw = b'{"model":"m","messages":%b}' % messages
    envelope = read_envelope(raw, Endpoint.MESSAGES)
    changes, lost = list_changes(envelope)
    assert splice(envelope, changes) == raw
    assert lost == ()


def test_without_an_assistant_or_messages_there_is_nothing_to_break_off() -> None:
    assert clean({"role": "user", "content": [CALL]}, thinking={"type": "enabled"})[0]["thinking"] == {"type": "enabled"}
    assert clean({"role": "user", "content": [CALL]}, {"role": "assistant", "content": "x"}, thinking={"type": "enabled"})[1]
    envelope = read_envelope(b'{"model":"::sig:"}', Endpoint.MESSAGES)
    assert list_changes(envelope) == ({}, ())
