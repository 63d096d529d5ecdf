"""Joints of streams that only some servers send: odd events, parts in lists, blocks and items in every state."""

from collections.abc import Sequence
from json import dumps, loads
from typing import Any

import pytest
from support.joint_streams import ENDPOINTS, open_reader, say, write

from proxy.core.endpoints import Endpoint
from proxy.core.usage import Usage
from proxy.wire.joints.fitness import _JOINTS
from proxy.wire.joints.joint import MAX_KEPT, Bill
from proxy.wire.joints.seam import Exact

WORDS = ("When ", "one ", "lamp ", 'goes "dark"', " stays.")
USAGE = Usage(20, 9)


def events(*told: object) -> bytes:
    """Events with these values, or with these bytes as they are."""
    lines = [one if isinstance(one, bytes) else dumps(one).encode() for one in told]
    return b"".join([b"data: " + line + b"\n\n" for line in lines])


def chunk(delta: object = None, finish: str | None = None, **more: object) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish} | more
    return {"id": "1", "model": "m", "choices": [choice]}


def block(kind: str, index: int = 0, **fields: object) -> dict[str, Any]:
    return {"type": f"content_block_{kind}", "index": index, **fields}


def item(kind: str, place: int = 0, **fields: object) -> dict[str, Any]:
    return {"type": f"response.{kind}", "output_index": place, "sequence_number": 7, **fields}


MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
PART = {"type": "output_text", "text": "", "annotations": []}
HI = {"content": "Hi"}
OPENED = item("output_item.added", item=MESSAGE)


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        (Endpoint.CHAT, [chunk(HI), chunk(HI, index=1)]),
        (Endpoint.CHAT, [chunk(HI, logprobs={"content": [{"token": "Hi"}]})]),
        (Endpoint.CHAT, [chunk({"refusal": "No."})]),
        (Endpoint.CHAT, [chunk({"audio": {"id": "a"}})]),
        (Endpoint.CHAT, [chunk({"annotations": [{"type": "url_citation"}]})]),
        (Endpoint.CHAT, [chunk({"function_call": {"name": "f"}})]),
        (Endpoint.CHAT, [chunk(HI, "stop"), chunk(HI)]),
        (Endpoint.CHAT, [b"{broken"]),
        (Endpoint.MESSAGES, [block("start", content_block={"type": "server_tool_use", "id": "s"})]),
        (Endpoint.MESSAGES, [block("delta", delta={"type": "citations_delta", "citation": {}})]),
        (Endpoint.MESSAGES, [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}]),
        (Endpoint.RESPONSES, [item("output_item.added", item={"type": "web_search_call"})]),
        (Endpoint.RESPONSES, [item("output_item.added", item=MESSAGE), item("refusal.delta", delta="No.")]),
        (
            Endpoint.RESPONSES,
            [item("output_item.added", item=MESSAGE), item("content_part.added", part={"type": "refusal"})],
        ),
        (Endpoint.RESPONSES, [item("output_item.added", item=MESSAGE), item("output_text.annotation.added", annotation={})]),
        (Endpoint.RESPONSES, [{"type": "response.completed", "response": {}}]),
    ],
)
def test_what_no_other_answer_can_end(endpoint: Endpoint, told: list[object]) -> None:
    joint = _JOINTS[endpoint]()
    joint.read(events(*told))
    assert joint.obstacle


def test_what_says_nothing_stands_in_nobodys_way() -> None:
    joint = _JOINTS[Endpoint.CHAT]()
    joint.read(
        b": undimmed waiting\n\n"
        + events({"id": "1", "choices": []}, chunk(), chunk(HI), chunk({"content": None}), b"[DONE]")
    )
    assert (joint.text, joint.obstacle) == ("Hi", "")
    joint = _JOINTS[Endpoint.MESSAGES]()
    joint.read(
        events({"type": "message_start"}, {"type": "ping"}, block("start", content_block={"type": "text", "text": "Hi"}))
    )
    joint.read(events(block("delta", delta={"type": "text_delta", "text": None})))
    assert (joint.text, joint.obstacle, joint.input) == ("Hi", "", None)
    joint = _JOINTS[Endpoint.RESPONSES]()
    joint.read(
        events({"type": "response.created"}, item("output_item.added", item=MESSAGE), item("output_text.delta", delta="Hi"))
    )
    assert (joint.text, joint.obstacle) == ("Hi", "")


def join(endpoint: Endpoint, before: Sequence[object], after: Sequence[object]) -> list[dict[str, Any]]:
    joint = _JOINTS[endpoint]()
    joint.read(events(*before))
    assert not joint.obstacle
    joint.begin(Exact(joint.text), Bill())
    out = joint.join(b": comment\n\n" + events(*after))
    return [loads(line[6:]) for line in out.split(b"\n") if line.startswith(b"data: {")]


def test_parts_of_content_are_text_behind_the_seam() -> None:
    """Mistral's reasoning models: lists of thoughts and texts."""
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    before = [chunk({"content": [thought, {"type": "text", "text": "Go"}]})]
    after = [
        chunk({"content": [thought]}),
        chunk({"content": [{"type": "text", "text": "Good"}, {"type": "text", "text": "!"}]}),
    ]
    (told,) = join(Endpoint.CHAT, before, after)
    assert told["choices"][0]["delta"] == {"content": "od!"}


def test_a_lone_half_of_a_character_is_read_as_the_client_reads_it() -> None:
    joint = _JOINTS[Endpoint.CHAT]()
    joint.read(b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}\n\n')
    assert (joint.text, joint.obstacle) == ("a?", "")


def test_an_unreadable_event_is_no_continuation() -> None:
    joint = _JOINTS[Endpoint.CHAT]()
    joint.begin(Exact(""), Bill())
    assert joint.join(events(chunk(HI), b"[1]")) == b""
    assert joint.diverged


def test_usage_beside_the_last_word_and_no_usage_at_all() -> None:
    used = {"prompt_tokens": 3.0, "completion_tokens": None}
    after = [chunk(HI) | {"usage": None}, chunk({}, "stop") | {"usage": used}, {"id": "2", "choices": [], "usage": None}]
    text, last = join(Endpoint.CHAT, [], after)
    assert text["usage"] is None
    assert last["usage"] == {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}


def test_a_message_in_several_blocks_goes_on_in_another() -> None:
    """Cut between two blocks; the next answer says it in one, and in one more."""
    before = [
        block("start", content_block={"type": "text", "text": ""}),
        block("delta", delta={"text": "Go"}),
        block("stop"),
    ]
    after: list[object] = [block("start", content_block={"type": "text", "text": "Good "})]
    after += [block("delta", delta={"type": "citations_delta", "citation": {"url": "u"}}), block("stop")]
    after += [block("start", 1, content_block={"type": "text", "text": "night"}), block("stop", 1)]
    after += [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": None}, {"type": "message_stop"}]
    told = join(Endpoint.MESSAGES, before, after)
    assert [(event["type"], event.get("index")) for event in told] == [
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
        ("content_block_start", 2),
        ("content_block_delta", 2),
        ("content_block_stop", 2),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert told[2]["delta"]["type"] == "citations_delta"


def test_sources_of_text_that_the_client_has_are_left_out() -> None:
    after = [
        block("start", content_block={"type": "text"}),
        block("delta", delta={"type": "citations_delta", "citation": {}}),
    ]
    assert join(Endpoint.MESSAGES, [block("start", content_block={"type": "text", "text": "Go"})], after) == []


def test_usage_of_a_message_that_names_no_input() -> None:
    after = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}]
    (told,) = join(Endpoint.MESSAGES, [], after)
    assert told["usage"] == {"output_tokens": 4}


def test_a_signed_thought_keeps_its_signature() -> None:
    before = [block("start", content_block={"type": "thinking"}), block("delta", delta={"thinking": "Hm"})]
    before += [block("delta", delta={"signature": "s"})]
    after = [block("start", content_block={"type": "text", "text": "Good"})]
    stop, start, _ = join(Endpoint.MESSAGES, before, after)
    assert (stop["type"], start["index"]) == ("content_block_stop", 1)


def test_open_reasoning_texts_are_closed_as_far_as_they_go() -> None:
    """Open models show their reasoning itself, not a summary of it."""
    shell = {"type": "reasoning", "id": "rs_1", "summary": [], "status": "in_progress"}
    before = [item("output_item.added", item=shell), item("content_part.added", part={"type": "reasoning_text"})]
    before += [item("reasoning_text.delta", delta="Hm"), item("reasoning_text.done", text="Hm")]
    before += [item("reasoning_text.delta", delta="Well")]
    after = [item("output_item.added", item=MESSAGE), item("output_text.delta", delta="Good")]
    told = join(Endpoint.RESPONSES, before, after)
    assert [event["type"].removeprefix("response.") for event in told] == [
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
    ]
    texts = [part["text"] for part in told[2]["item"]["content"]]
    assert texts == ["Hm", "Well"]
    assert told[2]["item"]["status"] == "completed"
    assert told[1]["content_index"] == 1


def test_a_message_that_was_done_is_followed_by_another_of_its_own_name() -> None:
    before = [
        item("output_item.added", item=MESSAGE),
        item("output_text.delta", delta="Go"),
        item("output_text.done", text="Go"),
    ]
    before += [item("content_part.done", part=PART | {"text": "Go"}), item("output_item.done", item=MESSAGE)]
    after = [item("output_item.added", item=MESSAGE), item("output_text.delta", delta="Good")]
    after += [item("output_item.done", item=MESSAGE), item("unheard.of", 5)]
    told = join(Endpoint.RESPONSES, before, after)
    assert told[0]["item"]["id"] == "msg_1_1"
    assert told[0]["output_index"] == 1


def test_a_refusal_is_no_continuation() -> None:
    before = [item("output_item.added", item=MESSAGE), item("output_text.delta", delta="Go")]
    after = [item("output_item.added", item=MESSAGE), item("refusal.delta", delta="No.")]
    assert join(Endpoint.RESPONSES, before, after) == []


def test_a_response_without_usage_says_none() -> None:
    after = [{"type": "response.completed", "response": {"id": "resp_2", "usage": None}}]
    (told,) = join(Endpoint.RESPONSES, [{"type": "response.created", "response": {"id": "resp_1"}}], after)
    assert told["response"] == {"id": "resp_1", "usage": None, "output": []}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_connection_that_breaks_inside_an_event_says_nothing_of_what_came_before(endpoint: Endpoint) -> None:
    whole = write(endpoint, "a", say(WORDS), USAGE)
    mark = {Endpoint.MESSAGES: b"event: message_stop", Endpoint.RESPONSES: b"event: response.completed"}.get(
        endpoint, b"[DONE]"
    )
    for reader, data in ((open_reader(endpoint), whole[: whole.index(mark) + 5]), (open_reader(endpoint), whole[:-40])):
        reader.feed(data)
        reader.forgo()
        assert reader.end().ok is (endpoint is not Endpoint.RESPONSES and len(data) > len(whole) - 60)


def test_what_is_too_long_to_be_kept_is_let_go() -> None:
    joint = _JOINTS[Endpoint.CHAT]()
    joint.read(events(chunk({"content": "x" * MAX_KEPT})))
    assert not joint.obstacle
    joint.read(events(chunk({"content": "y"})))
    assert joint.obstacle
    assert joint.text == ""
