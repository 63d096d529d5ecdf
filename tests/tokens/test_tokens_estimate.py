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
    assert usage == Usage(input=3, output=2, source=UsageSource.ESTIMATE, raw_input=3)


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
    words = [
        "get_current_weather",
        "Get the current weather in a given location",
        "location",
        "unit",
        '"celsius", "fahrenheit"',
    ]
    words += ["The city and state, e.g. San Francisco, CA", "The unit of temperature to return"]
    texts = sum(counter.measure(word, "gpt-4o").tokens for word in words)
    found = {
        model: chat(counter, model, messages=[], tools=[TOOL] * count, tool_choice=choice).input - 3
        for model, count, choice in [
            ("claude-sonnet-4", 1, "auto"),
            ("gemini-2.5-pro", 1, "auto"),
            ("llama-4-scout", 2, "auto"),
        ]
    }
    assert found == {
        "claude-sonnet-4": round(texts * 1.18) + 346 + 3 * 5 + 2 * 12,
        "gemini-2.5-pro": round(texts * 1.1) + 2 * 3,
        "llama-4-scout": 2 * texts + 200 + 48,
    }
    forced = chat(counter, "claude-sonnet-4", messages=[], tools=[TOOL], tool_choice={"type": "any"}).input
    assert forced == found["claude-sonnet-4"] + 3 - (346 - 313)


NAMED = {"type": "function", "function": {"name": "now"}}


@pytest.mark.parametrize(("choice", "more"), [("auto", 0), ("none", 1), (NAMED, 8)])
def test_choice_of_a_tool(counter, choice, more):
    plain = chat(counter, "gpt-4o", messages=[], tools=[NAMED]).input
    assert chat(counter, "gpt-4o", messages=[], tools=[NAMED], tool_choice=choice).input == plain + more


def test_tools_under_a_system_message_cost_less(counter):
    plain = chat(counter, "gpt-4o", messages=[{"role": "user", "content": "x"}], tools=[TOOL]).input
    assert chat(counter, "gpt-4o", messages=[{"role": "developer", "content": "x"}], tools=[TOOL]).input == plain - 4


def test_the_first_models_name_costs_less(counter):
    assert chat(counter, "gpt-3.5-turbo-0301", messages=JARGON).input == 127


def test_what_is_not_opened_is_guessed(counter):
    value = ["word"] * 20_000
    size = len(json.dumps(value))
    for _ in range(20):
        value = [value]
    usage = chat(counter, "gpt-4o", messages=[{"role": "user", "content": value}])
    assert usage.lower_bound
    assert usage.input == pytest.approx(size // 4, rel=0.01)
    letters = chat(counter, "gpt-4o", messages=[{"role": "user", "content": "a" * 1_000_000}])
    assert letters.input > 200_000


def test_a_factor_touches_the_text_alone(counter):
    content = [{"type": "text", "text": "word " * 200}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]
    fields = raw(messages=[{"role": "user", "content": content}])
    plain = estimate(counter, Endpoint.CHAT, fields, [], "gpt-4o")
    scaled = estimate(counter, Endpoint.CHAT, fields, [], "gpt-4o", 1.5)
    assert (plain.raw_input, plain.factor) == (plain.input, 1.0)
    assert (scaled.raw_input, scaled.factor, scaled.image_in) == (plain.input, 1.5, 1105)
    assert scaled.input == round((plain.input - 1105) * 1.5) + 1105


def test_letters_have_factors_of_their_own(counter):
    texts = ["Съешь же ещё этих мягких французских булок. " * 20]
    plain = chat(counter, "gpt-4o", texts, messages=[]).output
    assert chat(counter, "claude-sonnet-4-5", texts, messages=[]).output == pytest.approx(plain * 2.04, abs=1)


def test_token_ids_are_counted_as_they_are(counter):
    assert estimate(counter, Endpoint.COMPLETIONS, raw(prompt=[1, 2, 3]), ["hello"], "gpt-4").input == 3
    assert estimate(counter, Endpoint.EMBEDDINGS, raw(input=["hello world", "hello"]), [], "gpt-4o").input == 3
