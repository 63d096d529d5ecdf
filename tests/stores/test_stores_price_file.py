"""The list that ships: whole, sane, and what the vendors publish."""

from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest

from proxy.config.known_models import KNOWN_MODELS
from proxy.core.usage import Price, Usage
from proxy.providers.presets import PRESETS
from proxy.stores.price_file import FILE, bundled, load
from proxy.tokens.price_list import LISTS, SERVICES, ListFile, Row, Step, make_price, matches
from proxy.tokens.prices import cost

DOLLAR = 1_000_000_000
#: Nothing is dearer, in dollars per million tokens, so that a price per thousand would show.
MOST = 700
LIST = msgspec.json.decode(FILE.read_bytes(), type=ListFile)
ROWS = [(vendor, row) for vendor, rows in LIST.vendors.items() for row in rows]

#: Well-known models that the list does not have. A new list may know some of them: take them out then.
UNLISTED = {
    "cohere/command-a-reasoning-08-2025",
    "openrouter/x-ai/grok-4",
    "fireworks/accounts/fireworks/models/gpt-oss-120b",
    "fireworks/accounts/fireworks/models/gpt-oss-20b",
    "fireworks/accounts/fireworks/models/llama-v3p3-70b-instruct",
    "together/openai/gpt-oss-20b",
}


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def price_of(preset: str, model: str, wall: float | None = None, tier: str = "") -> Price | None:
    vendor = bundled().vendor(preset)
    assert vendor is not None
    return vendor.tariff(model).price(bundled().as_of if wall is None else wall, None, tier)


def test_it_says_where_it_comes_from() -> None:
    assert LIST.date <= date.today()
    assert [(source.name, source.licence.split(",")[0]) for source in LIST.sources] == [
        ("genai-prices", "MIT"),
        ("litellm", "MIT"),
    ]
    assert all(source.version for source in LIST.sources)
    assert len(ROWS) > 1500
    assert set(LIST.vendors) == {name for names in LISTS.values() for name in names}
    assert set(LISTS) <= set(PRESETS)


def steps_of(row: Row) -> list[Step]:
    return [*row.steps, *(step for steps in row.services.values() for step in steps)]


def test_every_price_is_sane() -> None:
    fields = {name for name in Price.__dataclass_fields__ if name not in ("tiers", "by_kind")}
    for vendor, row in ROWS:
        where = f"{vendor}/{row.id}"
        assert set(row.services) <= SERVICES, where
        for step in steps_of(row):
            assert set(step.rates) <= fields, where
            for name, rate in step.rates.items():
                numbers = [rate] if isinstance(rate, int) else [rate[0], *rate[2::2]]
                edges = [] if isinstance(rate, int) else rate[1::2]
                assert all(type(number) is int and 0 <= number <= MOST * DOLLAR for number in numbers), f"{where}: {name}"
                assert edges == sorted(set(edges)), f"{where}: {name}"
                assert all(edge > 0 for edge in edges), f"{where}: {name}"
        for step in row.steps:
            assert {"input", "output"} <= set(step.rates), where
            price = make_price(step.rates)
            # Reading a cache is never dearer than not having one.
            assert vendor == "openrouter" or price.cached is None or price.cached <= price.input, where


def test_every_row_can_be_found_by_a_clause_that_works() -> None:
    for vendor, row in ROWS:
        assert row.match[0] in ("=", "^", "$", "*", "~", "and", "or"), f"{vendor}/{row.id}"
        matches(row.match, row.id)  # a pattern that is none would raise


def test_well_known_models_are_priced_or_known_not_to_be() -> None:
    unpriced = {
        f"{preset}/{model}"
        for served in KNOWN_MODELS.values()
        for preset, model in served
        if price_of(preset, model) is None
    }
    assert unpriced == UNLISTED


def test_doubts_are_marked_and_few() -> None:
    doubts = {f"{vendor}/{row.id}" for vendor, row in ROWS if row.doubt}
    assert doubts
    assert len(doubts) < len(ROWS) / 20
    assert all(row.doubt.startswith("litellm ") for _, row in ROWS if row.doubt)
    assert not any(name.startswith("anthropic/") for name in doubts)


@pytest.mark.parametrize(
    ("preset", "model", "dollars"),
    [  # As the vendors' own pages show them, per million: input, cached, output.
        ("openai", "gpt-5", (1.25, 0.125, 10)),
        ("openai", "gpt-5-2025-08-07", (1.25, 0.125, 10)),
        ("openai", "gpt-4o", (2.5, 1.25, 10)),
        ("openai", "gpt-4o-mini", (0.15, 0.075, 0.6)),
        ("azure", "gpt-4o-2024-08-06", (2.5, 1.25, 10)),
        ("anthropic", "claude-haiku-4-5", (1, 0.1, 5)),
        ("anthropic", "claude-haiku-4-5-20251001", (1, 0.1, 5)),
        ("anthropic", "claude-opus-4-7", (5, 0.5, 25)),
        ("gemini", "gemini-2.5-flash", (0.3, 0.03, 2.5)),
        ("vertex", "gemini-2.5-flash", (0.3, 0.03, 2.5)),
        ("groq", "openai/gpt-oss-120b", (0.15, 0.075, 0.6)),
    ],
)
def test_published_prices(preset: str, model: str, dollars: tuple[float, float, float]) -> None:
    price = price_of(preset, model)
    assert price is not None
    assert price.cached is not None
    assert (price.input / DOLLAR, price.cached / DOLLAR, price.output / DOLLAR) == dollars


@pytest.mark.parametrize(
    ("preset", "model", "usage", "nano"),
    [
        # Case 2 (litellm #9812): $1.063761 for 6 + 159,217 written into the cache + 2,745 out.
        ("anthropic", "claude-opus-4-7", Usage(159_223, 2745, cache_write=159_217), 1_063_761_250),
        ("anthropic", "claude-opus-4-7", Usage(1000, 0, cache_write=1000, cache_write_1h=1000), 10_000_000),
        # Case 4: cached tokens of OpenAI at a tenth.
        ("openai", "gpt-5", Usage(10_000, 100, cached=8000), 2000 * 1250 + 8000 * 125 + 100 * 10_000),
        # Case 7: thoughts are output.
        ("gemini", "gemini-2.5-pro", Usage(10, 8150, reasoning=8000), 10 * 1250 + 8150 * 10_000),
        ("gemini", "gemini-2.5-flash", Usage(100, 0, audio_in=60), 40 * 300 + 60 * 1000),
        # Long context: above 200,000 every token costs more.
        ("gemini", "gemini-2.5-pro", Usage(200_000, 0), 200_000 * 1250),
        ("gemini", "gemini-2.5-pro", Usage(200_001, 10), 200_001 * 2500 + 10 * 15_000),
        # Case 22 (langwatch #7048): cached audio is not fresh audio.
        ("openai", "gpt-realtime", Usage(1000, 0, cached=1000, audio_in=1000, audio_cached=1000), 1000 * 400),
        ("openai", "gpt-realtime", Usage(1000, 0, audio_in=1000), 1000 * 32_000),
        ("openai", "gpt-4o-audio-preview", Usage(100, 0, audio_in=100), 100 * 40_000),
        # A fee for each request.
        ("perplexity", "sonar", Usage(10, 10), 12_000_000 + 20 * 1000),
    ],
)
def test_published_examples(preset: str, model: str, usage: Usage, nano: int) -> None:
    assert cost(usage, price_of(preset, model)) == nano


def test_service_tiers() -> None:
    assert price_of("openai", "gpt-5", tier="flex") == Price(625_000_000, 5 * DOLLAR, 62_500_000)
    assert price_of("openai", "gpt-5", tier="priority") == Price(2_500_000_000, 20 * DOLLAR, 250_000_000)
    assert price_of("openai", "gpt-5", tier="default") == price_of("openai", "gpt-5")
    batch = price_of("anthropic", "claude-opus-4-7", tier="batch")
    assert batch is not None
    assert (batch.input, batch.output) == (2_500_000_000, 12_500_000_000)
    assert price_of("azure", "gpt-5", tier="flex") is None


def test_prices_of_the_time() -> None:
    """Case 5 of 4.2: a call is charged what it cost when it began."""
    early, peak, later = (
        price_of("deepseek", "deepseek-v4-flash", at(time))
        for time in ("2026-08-01T12:00", "2026-09-20T02:00", "2026-09-20T12:00")
    )
    assert early is not None
    assert peak is not None
    assert later is not None
    assert (early.input, peak.input, later.input) == (140_000_000, 300_000_000, 150_000_000)


@pytest.mark.parametrize(
    ("preset", "model"),
    [("openai", "gpt-99-ultra"), ("openai", "ft:gpt-5:acme::1"), ("openai", "whisper-1"), ("anthropic", "sonnet")],
)
def test_unknown_is_unknown(preset: str, model: str) -> None:
    """Case 18: neither $0 nor the price of something else."""
    assert price_of(preset, model) is None
    assert cost(Usage(10, 10), price_of(preset, model)) is None


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"date": "soon"}', b'\xff"', b'{"date":"2026-01-01"}'])
def test_a_list_that_cannot_be_read_costs_prices_only(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "prices.json"
    if content is not None:
        path.write_bytes(content)
    prices = load(path)
    assert prices.vendor("openai") is None
    assert str(prices).startswith("none (prices.json cannot be read")


def test_it_is_read_once() -> None:
    assert bundled() is bundled()
