import base64
import json

import msgspec
import pytest

from proxy.core.endpoints import Endpoint
from proxy.core.usage import Usage, UsageSource
from proxy.tokens.estimate import estimate

# OpenAI's published examples ("How to count tokens"), with the figures its API gave for them.
JARGON = [
    {
        "role": "system",
        "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
    },
    {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
    {"role": "system", "name": "example_assistant", "content": "Things working well together will increase revenue."},
    {
        "role": "system",
        "name": "example_user",
        "content": "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Let's talk later when we're less busy about how to do better.",
    },
    {
        "role": "user",
        "content": "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    },
]
WEATHER = [
    {"role": "system", "content": "You are a helpful assistant that can answer to questions about the weather."},
    {"role": "user", "content": "What's the weather like in San Francisco?"},
]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the current weather in a given location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
                "unit": {
                    "type": "string",
                    "description": "The unit of temperature to return",
                    "enum": ["celsius", "fahrenheit"],
                },
            },
            "required": ["location"],
        },
    },
}


def raw(**values):
    return msgspec.json.decode(json.dumps(values), type=dict[str, msgspec.Raw])


def chat(counter, model, texts=(), **values):
    return estimate(counter, Endpoint.CHAT, raw(**values), texts, model)


@pytest.mark.parametrize(
    ("model", "tokens"), [("gpt-4o", 124), ("gpt-4o-mini", 124), ("gpt-4", 129), ("gpt-3.5-turbo", 129)]
)
def test_messages_as_the_api_counts_them(counter, model, tokens):
    assert chat(counter, model, messages=JARGON).input == tokens


@pytest.mark.parametrize(
    ("model", "tokens"), [("gpt-4o", 101), ("gpt-4o-mini", 101), ("gpt-4", 105), ("gpt-3.5-turbo", 105)]
)
def test_tools_as_the_api_counts_them(counter, model, tokens):
    assert chat(counter, model, messages=WEATHER, tools=[TOOL]).input == tokens


def test_an_estimate_says_so(counter):
    usage = chat(counter, "gpt-4o", ["hello world"], messages=[])
    assert usage == Usage(input=3, output=2, source=UsageSource.ESTIMATE)


def test_output_is_counted_by_choice(counter):
    assert chat(counter, "gpt-4o", ["hello world", "hello"], messages=[]).output == 3
    assert chat(counter, "gpt-4o", [], messages=[]).output == 0


def test_hidden_reasoning_makes_a_lower_bound(counter):
    assert chat(counter, "gpt-5", ["x"], messages=[]).lower_bound
    assert not estimate(counter, Endpoint.EMBEDDINGS, raw(input="x"), [], "gpt-5").lower_bound


def test_other_families_are_scaled(counter):
    texts = ["word " * 1000]
    plain = chat(counter, "gpt-4o", texts, messages=[]).output
    assert chat(counter, "claude-sonnet-4-5", texts, messages=[]).output == pytest.approx(plain * 1.18, abs=1)


def test_digits_cost_more_where_each_is_a_token(counter):
    texts = ["123456"]
    assert chat(counter, "gpt-4o", texts, messages=[]).output == 2
    assert chat(counter, "qwen3-32b", texts, messages=[]).output == 6


def test_images_are_measured_not_read(counter):
    pixels = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (1024).to_bytes(4, "big") * 2 + bytes(1_000_000)
    url = "data:image/png;base64," + base64.b64encode(pixels).decode()
    content = [{"type": "image_url", "image_url": {"url": url}}]
    usage = chat(counter, "gpt-4o", messages=[{"role": "user", "content": content}])
    assert usage.input == 3 + 4 + 765
    assert not usage.lower_bound


def test_remote_images_have_a_flat_figure(counter):
    content = [{"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}]
    usage = chat(counter, "gpt-4o", messages=[{"role": "user", "content": content}])
    assert usage.input == 3 + 4 + 1105
    assert usage.lower_bound


def test_sound_and_pages(counter):
    sound = {"type": "input_audio", "input_audio": {"data": base64.b64encode(bytes(160_000)).decode(), "format": "mp3"}}
    assert chat(counter, "gpt-4o", messages=[{"role": "user", "content": [sound]}]).input == 3 + 4 + 100
    paper = {"type": "file", "file": {"file_id": "f"}}
    assert chat(counter, "gpt-4o", messages=[{"role": "user", "content": [paper]}]).input == 3 + 4 + 1000


def test_hidden_prompt_of_tools(counter):
    tools = [TOOL, TOOL]
    plain = chat(counter, "gpt-4o", messages=[], tools=tools).input
    assert chat(counter, "llama-4-scout", messages=[], tools=tools).input == plain + 150 + 2 * 48


def test_token_ids_are_counted_as_they_are(counter):
    assert estimate(counter, Endpoint.COMPLETIONS, raw(prompt=[1, 2, 3]), ["hello"], "gpt-4").input == 3
    assert estimate(counter, Endpoint.EMBEDDINGS, raw(input=["hello world", "hello"]), [], "gpt-4o").input == 3
