import json

import pytest

from proxy.core.call import Envelope, Needs
from proxy.core.endpoints import Endpoint
from proxy.core.features import Feature
from proxy.wire.openai_envelope import read_envelope
from proxy.wire.openai_needs import affinity_of, needs_of


def read(endpoint: Endpoint = Endpoint.CHAT, **fields: object) -> Envelope:
    return read_envelope(json.dumps({"model": "m", **fields}, separators=(",", ":")).encode(), endpoint)


def user(content: object) -> dict[str, object]:
    return {"role": "user", "content": content}


SYSTEM = {"role": "system", "content": "be good"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4000}}


def test_a_plain_request_needs_nothing() -> None:
    assert needs_of(read(messages=[user("x" * 400)], stream=True)) == Needs(stream=True, tokens=107)


@pytest.mark.parametrize(
    ("fields", "tools"),
    [
        ({"tools": [{"type": "function"}]}, True),
        ({"functions": [{"name": "f"}]}, True),
        ({"tools": []}, False),
        ({"tools": None}, False),
    ],
)
def test_tools(fields: dict[str, object], tools: bool) -> None:
    assert needs_of(read(messages=[], **fields)).tools is tools


@pytest.mark.parametrize(
    ("content", "images"),
    [
        ([{"type": "text", "text": "a"}, IMAGE], True),
        ([{"type": "input_image", "image_url": "https://x"}], True),
        ("what does image_url mean?", False),
        ([{"type": "text", "text": "image_url"}], False),
        (["image_url"], False),
        ({"image_url": 1}, False),
        (None, False),
    ],
)
def test_images(content: object, images: bool) -> None:
    assert needs_of(read(messages=[SYSTEM, user(content)])).images is images


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}


@pytest.mark.parametrize(
    ("fields", "features"),
    [
        ({}, set()),
        ({"tools": [{"type": "function"}]}, {Feature.TOOLS}),
        ({"functions": [{"name": "f"}]}, {Feature.TOOLS}),
        ({"tools": [{"type": "custom"}]}, {Feature.TOOLS, Feature.CUSTOM_TOOLS}),
        ({"response_format": SCHEMA}, {Feature.JSON_SCHEMA}),
        ({"response_format": {"type": "json_object"}}, {Feature.JSON_OBJECT}),
        ({"response_format": {"type": "text"}}, set()),
        ({"response_format": {"type": []}}, set()),
        ({"response_format": 1}, set()),
        ({"reasoning_effort": "low"}, {Feature.REASONING}),
        ({"reasoning_effort": "none"}, set()),
        ({"reasoning": {"effort": "low"}}, {Feature.REASONING}),
        ({"n": 2}, {Feature.CHOICES}),
        ({"n": 1}, set()),
        ({"n": "2"}, set()),
        ({"logprobs": True}, {Feature.LOGPROBS}),
        ({"logprobs": False}, set()),
        ({"logprobs": 0}, {Feature.LOGPROBS}),
        ({"modalities": ["text", "audio"]}, {Feature.AUDIO_OUTPUT}),
        ({"modalities": ["text"]}, set()),
        ({"suffix": "x"}, {Feature.SUFFIX}),
        ({"echo": True}, {Feature.ECHO}),
    ],
)
def test_features_of_the_top_level(fields: dict[str, object], features: set[Feature]) -> None:
    assert needs_of(read(messages=[user("x")], **fields)).features == features


@pytest.mark.parametrize(
    ("part", "features"),
    [
        ({"type": "text", "text": '"file" input_audio image_url'}, set()),
        (IMAGE, {Feature.IMAGES}),
        ({"type": "image_url", "image_url": {"url": "https://x"}}, {Feature.IMAGES, Feature.IMAGE_URLS}),
        ({"type": "input_image", "image_url": "https://x"}, {Feature.IMAGES, Feature.IMAGE_URLS}),
        ({"type": "input_audio", "input_audio": {"data": "A", "format": "wav"}}, {Feature.AUDIO_INPUT}),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,A"}}, {Feature.DOCUMENTS}),
        ({"type": "file", "file": {"file_id": "file-1"}}, {Feature.DOCUMENTS, Feature.FILE_IDS}),
        ({"type": "file"}, {Feature.DOCUMENTS}),
        ({"type": "image_url"}, {Feature.IMAGES}),
    ],
)
def test_features_of_parts(part: dict[str, object], features: set[Feature]) -> None:
    assert needs_of(read(messages=[SYSTEM, user([part])])).features == features


@pytest.mark.parametrize(("calls", "parallel"), [([CALL], False), ([CALL, CALL], True), (None, False)])
def test_a_history_with_several_calls_in_a_turn(calls: object, parallel: bool) -> None:
    turn = {"role": "assistant", "content": None, "tool_calls": calls}
    needs = needs_of(read(messages=[user("x"), turn, 7], tools=[{"type": "function"}]))
    assert (Feature.PARALLEL_TOOLS in needs.features) is parallel


@pytest.mark.parametrize(
    ("fields", "output"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6, "max_tokens": 5}, 6),
        ({"max_tokens": -1}, 0),
        ({"max_tokens": "9"}, 0),
        ({}, 0),
    ],
)
def test_the_longest_answer_that_is_asked_for(fields: dict[str, object], output: int) -> None:
    assert needs_of(read(messages=[], **fields)).output == output


def test_encoded_files_are_no_tokens() -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "A" * 4000, "format": "wav"}}
    assert needs_of(read(messages=[user([IMAGE, audio])])).tokens < 100
    spaced = read_envelope(b'{"model":"m","messages":[{"type": "x", "data": "%b"}]}' % (b"A" * 4000), Endpoint.CHAT)
    assert needs_of(spaced).tokens < 100


def test_prompts_inputs_and_tools_are_read_too() -> None:
    assert needs_of(read(Endpoint.COMPLETIONS, prompt="x" * 400)).tokens == 100
    assert needs_of(read(Endpoint.EMBEDDINGS, input=["x" * 396])).tokens == 100
    assert needs_of(read(messages=[], tools=[{"description": "x" * 400}])).tokens > 100


@pytest.mark.parametrize("messages", ["image_url", 7, [7, "image_url"], {"image_url": 1}, [[]]])
def test_odd_messages_need_nothing(messages: object) -> None:
    envelope = read(messages=messages)
    assert not needs_of(envelope).images
    assert affinity_of(envelope) == ""


def test_affinity_stays_while_the_conversation_grows() -> None:
    start = [SYSTEM, user("hi")]
    grown = [*start, {"role": "assistant", "content": "yes"}, SYSTEM, user("more")]
    key = affinity_of(read(messages=start))
    assert len(key) == 32
    assert affinity_of(read(messages=grown)) == key
    assert affinity_of(read(messages=[SYSTEM, user("other")])) != key
    assert affinity_of(read(messages=[user("hi")])) not in ("", key)


def test_a_developer_message_counts_as_the_first_instruction() -> None:
    assert affinity_of(read(messages=[{"role": "developer", "content": "a"}])) != ""


def test_affinity_of_a_prompt_is_its_start() -> None:
    start = "x" * 600
    key = affinity_of(read(Endpoint.COMPLETIONS, prompt=start + "a"))
    assert affinity_of(read(Endpoint.COMPLETIONS, prompt=start + "b")) == key != ""


def test_embeddings_belong_to_no_conversation() -> None:
    assert affinity_of(read(Endpoint.EMBEDDINGS, input="x")) == ""


def test_an_unclosed_file_in_bytes_that_are_no_json_ends_the_count() -> None:
    envelope = Envelope("m", False, False, {"messages": b"not raw"}, b"")
    assert needs_of(envelope) == Needs()
