import json

import pytest

from proxy.core.usage import Usage
from proxy.wire.openai_usage import make_usage, read_usage


@pytest.mark.parametrize(
    ("value", "outside", "usage"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}, False, Usage(3, 2)),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            False,
            Usage(100, 50, cached=40, cache_write=10, reasoning=30),
        ),
        (
            {"prompt_tokens": 6, "completion_tokens": 2, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 2},
            False,
            Usage(6, 2, cached=4),
        ),
        (
            {"completion_tokens": 2, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 2},
            False,
            Usage(6, 2, cached=4),
        ),
        (
            {"prompt_tokens": 6, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 9}},
            True,
            Usage(6, 11, reasoning=9),
        ),
        (
            {"prompt_tokens": 6, "completion_tokens": 2, "reasoning_tokens": 9, "citation_tokens": 5},
            True,
            Usage(6, 16, reasoning=9),
        ),
        (
            {"prompt_tokens": 6, "completion_tokens": 2, "reasoning_tokens": 9},
            False,
            Usage(6, 2, reasoning=2, contradicts=True),
        ),
        ({"prompt_tokens": 12.0, "completion_tokens": 2.2}, False, Usage(12, 3)),
        ({"prompt_tokens": -1, "completion_tokens": 2}, False, Usage(0, 2)),
        ({"prompt_tokens": 3, "completion_tokens": None}, False, Usage(3, 0)),
        ({"prompt_tokens": 3, "completion_tokens": True}, False, Usage(3, 0)),
        (
            {"input_tokens": 3, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 1}},
            False,
            Usage(3, 4, cached=1),
        ),
        (
            {
                "prompt_tokens": 3,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 9, "cache_write_tokens": 9},
            },
            False,
            Usage(3, 1, cached=3, contradicts=True),
        ),
        ({"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": None}, False, Usage(3, 1)),
        ({}, False, None),
        ({"total_tokens": 3}, False, None),
        ({"prompt_tokens": "3"}, False, None),
    ],
)
def test_one_meaning_for_every_vendor(value: dict[str, object], outside: bool, usage: Usage | None) -> None:
    assert read_usage(json.dumps(value).encode(), outside) == usage


@pytest.mark.parametrize("raw", [b"null", b"1", b"[]", b"", b"{", b'"\xff"', b"[" * 100_000])
def test_what_is_no_usage_is_none(raw: bytes) -> None:
    assert read_usage(raw) is None


@pytest.mark.parametrize("count", [float("inf"), float("nan"), 10**400, 10**13])
def test_what_is_no_number_is_no_count(count: float) -> None:
    assert make_usage({"prompt_tokens": count, "completion_tokens": 1}) == Usage(0, 1)
