"""Answers as the Responses API streams them, and whole. Their shapes are held to schemas and types by the contract tests."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire.responses_plays import BEGAN, CALL_ID, PLAYS, SPENT, WISHES, call, parse

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OK
from proxy.wire.dialects import CLIENTS
from proxy.wire.dialogue import Refusal, Text, Thinking, ToolCall
from proxy.wire.pieces import CallBegan, CallPiece, Citation, Completion, CompletionChoice, Finish, Finished, Piece
from proxy.wire.responses.encoder import ResponsesEncoder, write_answer
from proxy.wire.seals import seal_id

DIALECT = CLIENTS[Endpoint.RESPONSES]


def play(pieces: list[Piece], **fields: object) -> list[dict[str, Any]]:
    encoder = ResponsesEncoder(call(**fields))
    return parse(encoder.encode(pieces) + encoder.close())


def kinds(name: str) -> list[str]:
    return [event["type"].removeprefix("response.") for event in play(PLAYS[name])]


def last(name: str) -> dict[str, Any]:
    response = play(PLAYS[name])[-1]["response"]
    assert isinstance(response, dict)
    return response


def test_the_order_of_a_message() -> None:
    assert kinds("text") == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip


def test_the_order_of_reasoning() -> None:
    assert kinds("thinking")[2:9] == [
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
    ]  # fmt: skip


def test_the_order_of_a_call() -> None:
    assert kinds("a call")[-6:] == [
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.delta",
        "function_call_arguments.done", "output_item.done", "completed",
    ]  # fmt: skip


def test_a_call_of_a_namespace_is_told_in_both_its_names() -> None:
    tool = {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "close"}]}
    asked = call(tools=[tool])
    asked.dialogue = DIALECT.read(asked.envelope)
    encoder = ResponsesEncoder(asked)
    pieces = [
        BEGAN,
        CallBegan(0, "c1", "agents__close"),
        CallPiece(0, "{}"),
        CallBegan(1, "c2", "other"),
        Finished(Finish.STOP),
    ]
    events = parse(encoder.encode(pieces) + encoder.close())
    first, second = events[-1]["response"]["output"]
    assert (first["namespace"], first["name"]) == ("agents", "close")
    assert (second.get("namespace"), second["name"]) == (None, "other")
    assert [event["name"] for event in events if event["type"].endswith("arguments.done")] == ["close", "other"]


def test_a_complete_call_is_done_before_the_next_begins() -> None:
    events = [
        (event["type"].rpartition(".")[2], event.get("output_index")) for event in play(PLAYS["calls one after the other"])
    ]
    assert events[2:] == [
        ("added", 0), ("delta", 0), ("done", 0), ("done", 0), ("added", 1), ("delta", 1), ("done", 1), ("done", 1),
        ("completed", None),
    ]  # fmt: skip


def test_fragments_of_calls_in_turn_find_their_own() -> None:
    output = last("calls in turn")["output"]
    assert [item.get("arguments") for item in output] == ['{"city":"Oslo"}', '{"zone":1}', None]


def test_a_custom_calls_text() -> None:
    output = last("a custom call")["output"]
    assert [item.get("input") or item.get("arguments") for item in output] == ["*** Begin Patch", "[1]", None]


@pytest.mark.parametrize("name", PLAYS)
def test_events_are_numbered_and_deltas_make_the_whole(name: str) -> None:
    events = play(PLAYS[name])
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    response = events[-1]["response"]
    assert response["id"] == f"resp_undimmed_{CALL_ID}"
    added = {event["output_index"]: event["item"] for event in events if event["type"].endswith("output_item.added")}
    done = {event["output_index"]: event["item"] for event in events if event["type"].endswith("output_item.done")}
    assert [done[at] for at in range(len(done))] == response["output"]
    assert {at: item["id"] for at, item in added.items()} == {at: item["id"] for at, item in done.items()}
    for at, item in done.items():
        deltas = "".join(event["delta"] for event in events if event.get("output_index") == at and "delta" in event)
        parts = [*item.get("content", []), *item.get("summary", [])]
        text = "".join(part.get("text") or part.get("refusal") for part in parts)
        assert deltas == text + item.get("arguments", "") + item.get("input", "")
        assert all(
            event["item_id"] == item["id"] for event in events if event.get("output_index") == at and "item_id" in event
        )


@pytest.mark.parametrize(
    ("name", "status", "reason", "items"),
    [
        ("text", "completed", None, ["completed"]),
        ("stop sequence", "completed", None, ["completed"]),
        ("paused", "completed", None, ["completed"]),
        ("length", "incomplete", "max_output_tokens", ["incomplete"]),
        ("filtered", "incomplete", "content_filter", ["incomplete"]),
        ("nothing but a filter", "incomplete", "content_filter", []),
        ("refused without a word", "incomplete", "content_filter", ["incomplete"]),
        ("refused beside the answer", "incomplete", "content_filter", ["incomplete"]),
        ("a call that was cut", "incomplete", "max_output_tokens", ["incomplete"]),
        ("other choices", "completed", None, ["completed"]),
    ],
)
def test_endings(name: str, status: str, reason: str | None, items: list[str]) -> None:
    event = play(PLAYS[name])[-1]
    response = event["response"]
    assert event["type"] == f"response.{status}"
    assert response["status"] == status
    assert response["incomplete_details"] == (None if reason is None else {"reason": reason})
    assert [item["status"] for item in response["output"]] == items


def test_why_a_model_refused_stands_in_the_answer() -> None:
    content = last("refused beside the answer")["output"][0]["content"]
    assert content[1] == {"type": "refusal", "refusal": "not this"}


def test_seals_ride_in_envelopes() -> None:
    assert last("thinking")["output"][0]["encrypted_content"] == "undimmed.anthropic.signature.c2ln"
    redacted = last("thinking, redacted")["output"][0]
    assert (redacted["summary"], redacted["encrypted_content"]) == ([], "undimmed.anthropic.redacted.b3BhcXVl")
    assert last("thinking, unsealed")["output"][0]["encrypted_content"] is None
    after = last("a seal after the text")["output"]
    assert [item["type"] for item in after] == ["message", "reasoning"]
    assert last("calls one after the other")["output"][1]["call_id"] == seal_id("call_2", "Z2VtaW5p")


def test_thinking_and_what_is_redacted_are_two_items() -> None:
    first, second = last("redacted after thinking")["output"]
    assert (first["summary"], first["encrypted_content"]) == ([{"type": "summary_text", "text": "hm"}], None)
    assert second["encrypted_content"] == "undimmed.anthropic.redacted.b3BhcXVl"


def test_no_arguments_are_an_empty_object() -> None:
    assert last("a call without arguments")["output"][0]["arguments"] == "{}"


def test_sources_stand_with_what_they_are_for() -> None:
    parts = last("sources")["output"][0]["content"]
    assert [(note["title"], note["start_index"], note["end_index"]) for note in parts[0]["annotations"]] == [
        ("A", 0, 15),
        ("B", 0, 15),
        ("C", 15, 20),
    ]
    early = last("sources before the text")["output"][1]["content"][0]
    assert [(note["url"], note["end_index"]) for note in early["annotations"]] == [("https://a.example", 4)]


def test_usage() -> None:
    assert last("text")["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 1},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }
    assert "usage" not in last("filtered")


@pytest.mark.parametrize("wish", WISHES)
def test_the_request_is_repeated_as_it_was_in_every_response(wish: str) -> None:
    fields = WISHES[wish]
    responses = [event["response"] for event in play(PLAYS["text"], **fields) if "response" in event]
    assert len(responses) == 3
    for response in responses:
        assert response["store"] is False
        for key, value in fields.items():
            if value is not None and key not in ("tools", "text", "store"):
                assert response[key] == value
    tools = responses[0]["tools"]
    assert [tool["name"] for tool in tools] == [tool["name"] for tool in fields.get("tools") or []]


def test_model_and_time_are_the_vendors_else_the_calls() -> None:
    first = last("text")
    assert (first["model"], first["created_at"]) == ("vendor-model", 1_700_000_001)
    own = last("no beginning")
    assert (own["model"], own["created_at"]) == ("public", 1_700_000_000)


@pytest.mark.parametrize("name", PLAYS)
def test_a_whole_answer_is_what_its_stream_would_have_ended_with(name: str) -> None:
    encoder = ResponsesEncoder(call())
    encoder.encode(PLAYS[name])
    assert json.loads(encoder.write_whole()) == last(name)


def test_a_whole_answer_from_a_completion() -> None:
    choice = CompletionChoice(
        [
            Thinking("hm", "s", vendor="anthropic"),
            Text("Oslo"),
            Text("!"),
            Refusal("no"),
            ToolCall("call_1", "f", '{"a":1}', signature="Z2VtaW5p"),
            ToolCall("call_2", "p", "free", custom=True),
        ],
        Finished(Finish.TOOL_CALLS),
        [Citation("https://a.example", "A")],
    )
    other = CompletionChoice([Text("other")], Finished(Finish.STOP))
    got = json.loads(write_answer(call(), Completion(OK, BEGAN.id, BEGAN.model, 7, [choice, other], SPENT.usage)))
    reasoning, message, first, second = got["output"]
    assert (got["status"], got["created_at"], got["usage"]["total_tokens"]) == ("completed", 7, 15)
    assert reasoning["encrypted_content"] == "undimmed.anthropic.signature.s"
    assert [part.get("text") or part.get("refusal") for part in message["content"]] == ["Oslo!", "no"]
    assert [note["title"] for note in message["content"][0]["annotations"]] == ["A"]
    assert (first["call_id"], first["arguments"]) == (seal_id("call_1", "Z2VtaW5p"), '{"a":1}')
    assert (second["call_id"], second["input"]) == ("call_2", "free")


def test_a_whole_answer_of_nothing() -> None:
    got = json.loads(write_answer(call(), Completion(OK)))
    assert (got["output"], got["status"]) == ([], "completed")


@given(st.sampled_from(sorted(PLAYS)), st.lists(st.integers(1, 4), max_size=20))
def test_any_grouping_of_the_pieces_gives_the_same_bytes(name: str, sizes: list[int]) -> None:
    pieces = PLAYS[name]
    encoder, at, out = DIALECT.encoder(call()), 0, b""
    for size in [*sizes, len(pieces)]:
        out += encoder.encode(pieces[at : at + size])
        at += size
    whole = DIALECT.encoder(call())
    assert out + encoder.close() == whole.encode(pieces) + whole.close()
