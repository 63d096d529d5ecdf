import base64
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.endpoints import Endpoint
from proxy.tokens.parts import Image, PromptParts, Tools
from proxy.tokens.prompt import prompt_texts

JPEG = b"\xff\xd8\xff\xc0\x00\x11\x08" + (480).to_bytes(2, "big") + (640).to_bytes(2, "big") + bytes(60)
PICTURE = "data:image/jpeg;base64," + base64.b64encode(JPEG).decode()
SOUND = base64.b64encode(bytes(32_000)).decode()


def raw(**values):
    """Top-level fields as the envelope holds them."""
    return msgspec.json.decode(json.dumps(values), type=dict[str, msgspec.Raw])


def chat(*messages, **more):
    return prompt_texts(Endpoint.CHAT, raw(messages=messages, **more))


def test_messages():
    parts = chat({"role": "system", "content": "Be brief."}, {"role": "user", "name": "ann", "content": "Hi"})
    assert parts == PromptParts(texts=["Be brief.", "Hi", "ann"], tokens=3, messages=2, names=1)


def test_content_parts():
    content = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
        {"type": "input_image", "image_url": PICTURE, "detail": "high"},
        {"type": "input_audio", "input_audio": {"data": SOUND, "format": "mp3"}},
        {"type": "refusal", "refusal": "no"},
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        "bare",
    ]
    parts = chat({"role": "user", "content": content})
    assert parts.texts == ["look", "no", "hm", "bare"]
    assert parts.images == [Image((640, 480), "low"), Image((640, 480), "high")]
    assert parts.audio_seconds == pytest.approx(2, abs=0.01)
    assert not parts.lower_bound


def test_media_in_a_tool_result_is_no_text():
    big = "data:image/jpeg;base64," + base64.b64encode(JPEG + bytes(1_000_000)).decode()
    parts = chat({"role": "tool", "tool_call_id": "c", "content": json.dumps({"screenshot": big})})
    assert parts.images == [Image((640, 480), "auto")]
    assert sum(map(len, parts.texts)) < 100


def test_files():
    pdf = base64.b64encode(b"%PDF /Type /Page /Type /Page ").decode()
    parts = chat(
        {
            "role": "user",
            "content": [
                {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{pdf}"}},
                {"type": "file", "file": {"file_data": pdf}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ],
        }
    )
    assert parts.pages == 2 + 2 + 1
    assert parts.lower_bound
    assert not parts.texts


def test_parts_of_other_vendors():
    source = {"type": "base64", "media_type": "image/jpeg", "data": base64.b64encode(JPEG).decode()}
    parts = chat({"role": "user", "content": [{"type": "image", "source": source}, {"type": "new", "text": "t"}]})
    assert parts.images == [Image((640, 480), "auto")]
    assert parts.texts == ["t"]
    assert parts.lower_bound
    remote = chat({"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://x/y"}}]})
    assert remote.images == [Image(None, "auto")]


def test_remote_images_and_named_sound_make_a_lower_bound():
    assert chat({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}).lower_bound
    assert chat({"role": "user", "content": [{"type": "input_audio", "input_audio": {"id": "a"}}]}).lower_bound


def test_tool_calls_in_history():
    calls = [
        {"id": "1", "type": "function", "function": {"name": "look_up", "arguments": '{"q":1}'}},
        {"id": "2", "type": "custom", "custom": {"name": "shell", "input": "ls"}},
    ]
    parts = chat({"role": "assistant", "content": None, "tool_calls": calls}, {"role": "tool", "content": "found"})
    assert parts.texts == ["look_up", '{"q":1}', "shell", "ls", "found"]
    assert parts.tokens == 3 + 2 * 3
    old = chat({"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}})
    assert (old.texts, old.tokens) == (["f", "{}"], 6)


TOOL = {"type": "function", "function": {"name": "now"}}


@pytest.mark.parametrize(
    ("more", "read"),
    [
        ({}, ("", "")),
        ({"tool_choice": "auto"}, ("", "")),
        ({"tool_choice": "none"}, ("none", "")),
        ({"tool_choice": "required"}, ("forced", "")),
        ({"tool_choice": {"type": "function", "function": {"name": "now"}}}, ("forced", "now")),
        ({"tool_choice": ["nonsense"]}, ("", "")),
    ],
)
def test_tools(more, read):
    parts = chat({"role": "user", "content": "x"}, tools=[TOOL], **more)
    assert parts.tools == Tools([{"name": "now"}], choice=read[0], named=read[1])


def test_tools_under_a_system_message():
    assert chat({"role": "developer", "content": "x"}, tools=[TOOL]).tools.system


def test_functions_of_the_old_form():
    parts = chat({"role": "user", "content": "x"}, functions=[{"name": "now"}], function_call={"name": "now"})
    assert parts.tools == Tools([{"name": "now"}], choice="forced", named="now")


def test_hosted_tools_make_a_lower_bound():
    assert chat(tools=[{"type": "web_search"}]).lower_bound
    assert not chat(tools=[]).lower_bound


def test_output_schemas_are_read_by_the_model():
    schema = {"type": "object", "properties": {}}
    parts = chat(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    assert parts.texts == ['{"type":"object","properties":{}}']


@pytest.mark.parametrize(
    ("prompt", "texts", "tokens"),
    [("hi", ["hi"], 0), (["a", "b"], ["a", "b"], 0), ([1, 2, 3], [], 3), ([[1, 2], [3]], [], 3), (None, [], 0), ([], [], 0)],
)
def test_prompts_and_inputs(prompt, texts, tokens):
    expected = PromptParts(texts=texts, tokens=tokens)
    assert prompt_texts(Endpoint.EMBEDDINGS, raw(input=prompt)) == expected
    assert prompt_texts(Endpoint.COMPLETIONS, raw(prompt=prompt)) == expected


def test_suffix():
    assert prompt_texts(Endpoint.COMPLETIONS, raw(prompt="a", suffix="z")).texts == ["a", "z"]


def test_fields_that_cannot_be_read_make_a_lower_bound():
    deep = b"[" * 100_000 + b"]" * 100_000
    for broken in (b'"\xff"', b"[1,", deep):
        assert prompt_texts(Endpoint.CHAT, {"messages": broken}).lower_bound
    assert not prompt_texts(Endpoint.CHAT, {}).lower_bound


def test_a_field_that_is_too_large_is_guessed():
    dense = json.dumps([[1, {"a": []}]] * 300_000).encode()
    parts = prompt_texts(Endpoint.CHAT, {"messages": dense})
    assert (parts.unread, parts.lower_bound) == (len(dense), True)


def test_media_is_not_searched_for_without_end():
    deep = PICTURE
    for _ in range(20):
        deep = {"x": [deep]}
    assert chat({"role": "user", "content": [{"type": "new", "deep": deep}]}).images == []


def test_half_an_emoji_does_not_hide_the_rest():
    messages = b'[{"role":"user","content":"cut \\ud83d here"}]'
    assert prompt_texts(Endpoint.CHAT, {"messages": messages}).texts == ["cut ? here"]


NAMES = (
    *("role", "content", "type", "text", "image_url", "url", "file", "function", "tool_calls", "name", "source"),
    *("parameters", "properties", "enum", "required", "input_audio", "data", "items", "anyOf", "thinking", "arguments"),
)
names = st.sampled_from(NAMES)
words = st.sampled_from(
    ["", "text", "image_url", "file", "input_audio", "thinking", "image", "object", "array", "data:a/b;base64,AA"]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=25,
)
keys = st.sampled_from(["messages", "tools", "functions", "tool_choice", "response_format", "prompt", "suffix", "input"])


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(Endpoint), st.dictionaries(keys, anything | st.lists(anything, max_size=3)))
def test_no_shape_of_request_raises(endpoint, values):
    parts = prompt_texts(endpoint, raw(**values))
    assert all(isinstance(text, str) for text in parts.texts)
    assert parts.tokens >= -1
