"""Audio, images, what is written into caches for how long, and the service tier: each vendor's words for them."""

import json

import msgspec
import pytest
from wire_chunks import event, read

from proxy.core.usage import Usage, unusual_tier
from proxy.wire.anthropic.usage import Tally
from proxy.wire.converse.answer import TokenUsage
from proxy.wire.converse.answer import read_usage as read_converse
from proxy.wire.gemini.usage import UsageMetadata
from proxy.wire.gemini.usage import read_usage as read_gemini
from proxy.wire.openai_chat import read_chat_answer
from proxy.wire.openai_usage import find_tier, make_usage, read_usage
from proxy.wire.responses.stream import ResponsesStreamReader
from proxy.wire.responses.whole import read_responses_answer


def dump(value: object) -> bytes:
    return json.dumps(value).encode()


# OpenAI.

CHAT = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 30},
    "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 20},
}
CHAT_USAGE = Usage(100, 50, cached=40, reasoning=5, audio_in=30, audio_out=20)


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        (CHAT, CHAT_USAGE),
        (
            {"input_tokens": 100, "output_tokens": 5, "input_tokens_details": {"image_tokens": 80, "text_tokens": 20}},
            Usage(100, 5, image_in=80),
        ),
        (
            {"input_tokens": 9, "output_tokens": 5, "output_tokens_details": {"image_tokens": 4}},
            Usage(9, 5, image_out=4),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 0,
                "prompt_tokens_details": {
                    "cached_tokens": 70,
                    "audio_tokens": 60,
                    "image_tokens": 20,
                    "cached_tokens_details": {"audio_tokens": 50, "image_tokens": 15, "text_tokens": 5},
                },
            },
            Usage(100, 0, cached=70, audio_in=60, audio_cached=50, image_in=20, image_cached=15),
        ),
        (  # Parts that are larger than their wholes.
            {
                "prompt_tokens": 10,
                "completion_tokens": 3,
                "prompt_tokens_details": {
                    "cached_tokens": 5,
                    "audio_tokens": 90,
                    "image_tokens": 90,
                    "cached_tokens_details": {"audio_tokens": 90, "image_tokens": 90},
                },
                "completion_tokens_details": {"audio_tokens": 90, "image_tokens": 90},
            },
            Usage(10, 3, cached=5, audio_in=10, audio_cached=5, audio_out=3),
        ),
    ],
)
def test_openai_kinds(value: dict[str, object], usage: Usage) -> None:
    assert read_usage(dump(value)) == usage
    assert make_usage(value) == usage


def answer(**more: object) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}
    return dump({"choices": [choice], "model": "m", "usage": CHAT, **more})


PLAIN = {
    "prompt_tokens": 3,
    "completion_tokens": 2,
    "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


@pytest.mark.parametrize(
    ("tier", "expected"),
    [("flex", "flex"), ("priority", "priority"), ("default", ""), (None, ""), (7, ""), ({"a": 1}, "")],
)
@pytest.mark.parametrize("used", [CHAT, PLAIN])
def test_openai_tier_streamed_and_whole(used: dict[str, object], tier: object, expected: str) -> None:
    """Case 4: a stream tells the same as a whole answer."""
    whole = read_chat_answer(answer(usage=used, service_tier=tier)).usage
    reader, _ = read(event({"choices": [], "usage": used, "service_tier": tier}))
    assert whole == reader.usage
    assert whole is not None
    assert whole.tier == expected
    assert whole.audio_in == used["prompt_tokens_details"]["audio_tokens"]


def test_tier_of_an_event() -> None:
    assert find_tier(b'{"service_tier":"flex","x":[]}') == "flex"
    assert find_tier(b'{"service_tier":"flex","x":"\\ud800"}') is None, "it was read after a repair"
    assert find_tier(b"{}") is None


def test_usual_tiers_are_no_news() -> None:
    assert [unusual_tier(word) for word in ("default", "standard", "auto", "on_demand", "scale", None, 3)] == [
        "", "", "", "", "scale", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete"])
def test_responses_streamed_and_whole(kind: str) -> None:
    """Case 6."""
    response = {
        "id": "r",
        "model": "gpt-5",
        "status": kind.removeprefix("response."),
        "service_tier": "flex",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "a"}]}],
        "usage": {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 30},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 10},
        },
    }
    reader = ResponsesStreamReader()
    reader.feed(b"event: " + kind.encode() + b"\ndata: " + dump({"type": kind, "response": response}) + b"\n\n")
    expected = Usage(100, 20, cached=30, reasoning=10, tier="flex")
    assert reader.usage == expected
    assert read_responses_answer(dump(response)).usage == expected


# Anthropic.


def tally(*usages: object) -> Usage | None:
    found = Tally()
    for usage in usages:
        found.take(msgspec.Raw(dump(usage)))
    return found.usage()


def test_deltas_replace_what_the_start_said() -> None:
    """Case 1: start 25/1, deltas 10 and 15."""
    assert tally({"input_tokens": 25, "output_tokens": 1}, {"output_tokens": 10}, {"output_tokens": 15}) == Usage(25, 15)


def test_anthropic_cache_by_lifetime_and_tier() -> None:
    start = {
        "input_tokens": 6,
        "cache_read_input_tokens": 10,
        "cache_creation_input_tokens": 50,
        "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 1,
        "service_tier": "standard",
    }
    assert tally(start, {"output_tokens": 7}) == Usage(66, 7, cached=10, cache_write=50, cache_write_1h=20)
    odd = {**start, "cache_creation": {"ephemeral_1h_input_tokens": 99}, "service_tier": "batch"}
    assert tally(odd) == Usage(66, 1, cached=10, cache_write=50, cache_write_1h=50, tier="batch", contradicts=True)
    assert tally({**start, "cache_creation": None, "speed": "fast"}) == Usage(66, 1, cached=10, cache_write=50, tier="fast")


@pytest.mark.parametrize(
    ("usages", "usage"),
    [
        # Kimi and DashScope: the start has the whole prompt, the cache comes at the end.
        (
            [{"input_tokens": 100, "output_tokens": 1}, {"output_tokens": 5, "cache_read_input_tokens": 80}],
            Usage(100, 5, cached=80),
        ),
        # The same, with the rest of the input repeated.
        (
            [{"input_tokens": 100}, {"input_tokens": 20, "output_tokens": 5, "cache_read_input_tokens": 80}],
            Usage(100, 5, cached=80),
        ),
        # More cached than there was.
        ([{"input_tokens": 10}, {"cache_read_input_tokens": 80, "output_tokens": 1}], Usage(80, 1, cached=80)),
        # Anthropic itself says it at the start, and may say it again.
        (
            [
                {"input_tokens": 20, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 0},
                {"cache_read_input_tokens": 80, "output_tokens": 5},
            ],
            Usage(100, 5, cached=80),
        ),
        # Said once more: taken out only once.
        (
            [{"input_tokens": 100}, {"cache_read_input_tokens": 80}, {"cache_read_input_tokens": 80, "output_tokens": 5}],
            Usage(100, 5, cached=80),
        ),
    ],
)
def test_the_prompt_is_counted_once(usages: list[object], usage: Usage) -> None:
    """Case 3."""
    assert tally(*usages) == usage


# Gemini.


def gemini(**counts: object) -> Usage | None:
    return read_gemini(msgspec.json.decode(dump(counts), type=UsageMetadata))


def test_gemini_kinds() -> None:
    """Case 7, with what the parts were."""
    found = gemini(
        promptTokenCount=400,
        toolUsePromptTokenCount=100,
        cachedContentTokenCount=200,
        candidatesTokenCount=60,
        thoughtsTokenCount=8000,
        promptTokensDetails=[
            {"modality": "TEXT", "tokenCount": 100},
            {"modality": "AUDIO", "tokenCount": 200},
            {"modality": "IMAGE", "tokenCount": 60},
            {"modality": "VIDEO", "tokenCount": 40},
        ],
        toolUsePromptTokensDetails=[{"modality": "IMAGE", "tokenCount": 10}],
        cacheTokensDetails=[{"modality": "AUDIO", "tokenCount": 150}, {"modality": "IMAGE", "tokenCount": 50}],
        candidatesTokensDetails=[{"modality": "IMAGE", "tokenCount": 50}, {"modality": "AUDIO", "tokenCount": 10}],
        serviceTier="flex",
    )
    assert found == Usage(
        500, 8060, cached=200, reasoning=8000, audio_in=200, audio_cached=150, image_in=110, image_cached=50, audio_out=10,
        image_out=50, tier="flex",
    )  # fmt: skip


@pytest.mark.parametrize(
    "details",
    [
        None,
        [],
        "AUDIO",
        ["AUDIO"],
        [{"modality": ["AUDIO"]}],
        [{"modality": "AUDIO", "tokenCount": "9"}],
        [{"modality": "AUDIO"}],
        [{"modality": "AUDIO", "tokenCount": None}],
        [{"modality": 3, "x": "AUDIO"}],
        [{"modality": "DOCUMENT", "tokenCount": 9}],
    ],
)
def test_odd_details_of_gemini_are_nothing(details: object) -> None:
    assert gemini(promptTokenCount=10, promptTokensDetails=details) == Usage(10, 0)


@pytest.mark.parametrize(
    ("traffic", "tier"),
    [("ON_DEMAND", ""), ("ON_DEMAND_FLEX", "flex"), ("ON_DEMAND_PRIORITY", "priority"), (7, ""), (None, "")],
)
def test_traffic_of_vertex(traffic: object, tier: str) -> None:
    assert gemini(promptTokenCount=10, trafficType=traffic) == Usage(10, 0, tier=tier)


# Bedrock.


@pytest.mark.parametrize(
    ("details", "longer"),
    [
        ([{"ttl": "5m", "inputTokens": 30}, {"ttl": "1h", "inputTokens": 20}], 20),
        ([{"ttl": "1h", "inputTokens": 900}], 50),
        ([{"ttl": "1h", "inputTokens": "x"}, {"ttl": "1h"}, 5], 0),
        (None, 0),
        ("1h", 0),
    ],
)
def test_converse_cache_by_lifetime(details: object, longer: int) -> None:
    usage = TokenUsage(6, 7, cache_read_input_tokens=10, cache_write_input_tokens=50, cache_details=details)
    assert read_converse(usage, "priority") == Usage(
        66, 7, cached=10, cache_write=50, cache_write_1h=longer, tier="priority"
    )


def test_converse_without_anything_written() -> None:
    usage = TokenUsage(6, 7, cache_details=[{"ttl": "1h", "inputTokens": 20}])
    assert read_converse(usage) == Usage(6, 7)
