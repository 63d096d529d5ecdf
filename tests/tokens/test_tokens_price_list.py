from datetime import UTC, date, datetime

import pytest

from proxy.core.usage import Price
from proxy.tokens.price_list import (
    MAX_MODELS,
    MAX_SERVED,
    ListFile,
    PriceList,
    Row,
    Source,
    Step,
    VendorPrices,
    make_price,
    matches,
)

M = 1_000_000_000


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def row(name: str, rate: int = M, **more: object) -> Row:
    return Row(name, ["=", name], [Step({"input": rate, "output": 2 * rate})], **more)


def input_of(vendor: VendorPrices, model: str, wall: float = 0.0, served: str | None = None, tier: str = "") -> int | None:
    price = vendor.tariff(model).price(wall, served, tier)
    return None if price is None else price.input


@pytest.mark.parametrize(
    ("clause", "name", "fits"),
    [
        (["=", "a", "b"], "b", True),
        (["=", "a", "b"], "ab", False),
        (["^", "gpt-", "o1"], "o1-mini", True),
        (["^", "gpt-"], "x-gpt-", False),
        (["$", "-latest"], "m-latest", True),
        (["$", "-latest"], "m-latest-1", False),
        (["*", "x", "claude"], "us.claude.v1", True),
        (["*", "claude"], "clau", False),
        (["~", r"^o[134]"], "o3", True),
        (["~", r"^o[134]$"], "o34", False),
        (["and", ["^", "a"], ["$", "z"]], "abz", True),
        (["and", ["^", "a"], ["$", "z"]], "ab", False),
        (["or", ["^", "a"], ["$", "z"]], "bz", True),
        (["or", ["^", "a"], ["$", "z"]], "b", False),
        (["later", "a"], "a", False),
    ],
)
def test_clauses(clause: list[object], name: str, fits: bool) -> None:
    assert matches(clause, name) is fits


def test_the_first_row_that_matches_counts() -> None:
    broad = Row("broad", ["^", "gpt"], [Step({"input": 9 * M, "output": 0})])
    vendor = VendorPrices([row("gpt-1"), broad, row("gpt-2"), row("other")])
    assert [input_of(vendor, name) for name in ("gpt-1", "gpt-2", "GPT-1", "other", "nobody")] == [M, 9 * M, M, M, None]


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("m-2025-12-11", True),
        ("m-20251211", True),  # as some resellers write it
        ("m-20259999", False),
        ("models/m-2025-12-11", True),
        ("publishers/google/models/m-2025-12-11", True),
        ("models/x/m-2025-12-11", False),
    ],
)
def test_spellings(model: str, known: bool) -> None:
    assert (input_of(VendorPrices([row("m-2025-12-11")]), model) is not None) is known


def test_a_fine_tuned_model_is_not_its_base() -> None:
    """Case 18: unknown is not the price of something else."""
    vendor = VendorPrices([Row("gpt", ["*", "gpt-4o"], [Step({"input": M, "output": M})]), row("ft:gpt-4.1", 3 * M)])
    assert input_of(vendor, "ft:gpt-4o:acme::1") is None
    assert input_of(vendor, "ft:gpt-4.1") == 3 * M
    assert input_of(vendor, "gpt-4o", served="ft:gpt-4o:acme::1") is None


def test_the_model_that_answered_counts() -> None:
    """Case 15."""
    vendor = VendorPrices([row("auto", 5 * M), row("small"), Row("unpriced", ["=", "unpriced"])])
    assert input_of(vendor, "auto", served="small") == M
    assert input_of(vendor, "auto", served="auto") == 5 * M
    assert input_of(vendor, "auto", served="") == 5 * M
    assert input_of(vendor, "auto", served="nobody") == 5 * M
    assert input_of(vendor, "auto", served="unpriced") is None
    assert input_of(vendor, "my-deployment", served="small") == M
    assert input_of(vendor, "my-deployment", served="my-deployment-2") is None


def test_names_that_answer_are_remembered_within_bounds() -> None:
    tariff = VendorPrices([row("m"), row("late", 7 * M)]).tariff("m")
    for number in range(MAX_SERVED):
        assert tariff.price(0.0, f"x{number}") == tariff.price(0.0)
    assert tariff.price(0.0, "late") == tariff.price(0.0)
    assert tariff.price(0.0, "x1") == tariff.price(0.0)


def test_a_price_holds_from_a_day_on() -> None:
    steps = [
        Step({"input": 3 * M, "output": 0}),
        Step({"input": 2 * M, "output": 0}, since=date(2026, 5, 1)),
        Step({"input": M, "output": 0}, since=date(2026, 9, 1)),
    ]
    vendor = VendorPrices([Row("m", ["=", "m"], steps)])
    days = (
        "2025-01-01",
        "2026-04-30T23:59:59",
        "2026-05-01",
        "2026-08-31T23:59:59",
        "2026-09-01",
        "2026-05-02",
        "2030-01-01",
    )
    assert [input_of(vendor, "m", at(day)) for day in days] == [3 * M, 3 * M, 2 * M, 2 * M, M, 2 * M, M]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [((60, 240), [9, 1, 1, 9, 9]), ((23 * 60, 150), [1, 1, 9, 9, 1])],
)
def test_a_price_holds_at_some_hours(hours: tuple[int, int], expected: list[int]) -> None:
    steps = [Step({"input": 9, "output": 0}), Step({"input": 1, "output": 0}, hours=hours)]
    vendor = VendorPrices([Row("m", ["=", "m"], steps)])
    times = (
        "2026-01-01T00:59:59",
        "2026-01-01T01:00:00",
        "2026-01-01T03:59:59",
        "2026-01-01T04:00:00",
        "2026-01-01T23:30:00",
    )
    assert [input_of(vendor, "m", at(time)) for time in times] == expected
    # The same in another order: what is remembered between two turns is never taken beyond them.
    assert [input_of(vendor, "m", at(time)) for time in reversed(times)] == expected[::-1]


def test_a_future_price_is_none_yet() -> None:
    """No step is in force: the first one counts."""
    vendor = VendorPrices([Row("m", ["=", "m"], [Step({"input": M, "output": 0}, since=date(2030, 1, 1))])])
    assert input_of(vendor, "m", at("2026-01-01")) == M


def test_service_tiers_replace_single_rates() -> None:
    services = {
        "flex": [Step({"input": M // 2}, since=date(2026, 5, 1)), Step({"input": 9 * M, "output": 9 * M})],
        "priority": [Step({"input": 2 * M}, since=date(2026, 5, 1))],
    }
    vendor = VendorPrices([row("m", services=services)])
    now = at("2026-06-01")
    assert vendor.tariff("m").price(now, None, "flex") == Price(M // 2, 9 * M)
    assert vendor.tariff("m").price(now, "m", "priority") == Price(2 * M, 2 * M)
    assert vendor.tariff("m").price(at("2026-01-01"), None, "flex") == Price(9 * M, 9 * M)
    assert vendor.tariff("m").price(at("2026-01-01"), None, "priority") is None
    assert vendor.tariff("m").price(now, None, "batch") is None
    assert vendor.tariff("m").price(now, None, "provisioned") == Price(M, 2 * M)


def test_a_reseller_has_no_service_tiers_of_the_vendor() -> None:
    vendor = VendorPrices([], [row("m", services={"flex": [Step({"input": 0})]})])
    assert input_of(vendor, "m") == M
    assert input_of(vendor, "m", tier="flex") is None


def test_tiers_by_length() -> None:
    price = make_price({"input": [1, 100, 2, 300, 3], "output": [10, 300, 30], "cached": 5, "per_request": 7})
    assert price == Price(
        1, 10, 5, 7, tiers=((100, Price(2, 10, 5, 7)), (300, Price(3, 30, 5, 7))),
    )  # fmt: skip


def test_tariffs_are_made_once_and_within_bounds() -> None:
    vendor = VendorPrices([row("m")])
    assert vendor.tariff("m") is vendor.tariff("m")
    for number in range(MAX_MODELS):
        vendor.tariff(f"x{number}")
    assert vendor.tariff("one more") is not vendor.tariff("one more")
    assert vendor.tariff("m").row == row("m")
    assert repr(vendor.tariff("m")) == "<ListTariff m: m>"
    assert repr(vendor.tariff("x")) == "<ListTariff x: no row>"


def test_presets_find_their_lists() -> None:
    sources = [Source("some-list", "1.2", "MIT", "the prices")]
    file = ListFile(date(2026, 11, 25), sources, {"azure": [row("own", 4 * M)], "openai": [row("gpt"), row("own")]})
    prices = PriceList(file)
    azure = prices.vendor("azure")
    assert azure is not None
    assert (input_of(azure, "own"), input_of(azure, "gpt")) == (4 * M, M)
    assert prices.vendor("azure") is azure
    assert prices.vendor("vllm") is None
    assert prices.as_of == at("2026-11-25")
    assert str(prices) == "bundled list of 2026-11-25 (some-list 1.2); a price in the file goes before it"
    assert "(" not in str(PriceList(ListFile(date(2026, 1, 1), [], {})))


def test_without_a_list_nothing_is_priced() -> None:
    prices = PriceList(trouble="prices.json cannot be read")
    assert prices.vendor("openai") is None
    assert (prices.date, prices.as_of) == (None, 0.0)
    assert str(prices) == "none (prices.json cannot be read)"
    assert str(PriceList()) == "none"
