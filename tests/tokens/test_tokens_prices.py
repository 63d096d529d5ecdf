import pytest

from proxy.core.usage import Price, Usage
from proxy.tokens.prices import cost, dollars

GPT = Price(input=2_500_000_000, output=10_000_000_000, cached=1_250_000_000)


def test_input_and_output():
    assert cost(Usage(input=1000, output=500), GPT) == 2_500_000 + 5_000_000


def test_cached_input_is_charged_once_at_its_own_price():
    assert cost(Usage(input=1000, cached=400), GPT) == 600 * 2500 + 400 * 1250


def test_cached_input_without_a_price_of_its_own_costs_the_full_price():
    assert cost(Usage(input=1000, cached=400), Price(input=2_500_000_000, output=0)) == 2_500_000


def test_reasoning_is_part_of_output():
    assert cost(Usage(output=100, reasoning=90), GPT) == 1_000_000


def test_price_per_request():
    assert cost(Usage(), Price(input=0, output=0, per_request=7)) == 7


def test_rounded_half_up_once():
    price = Price(input=500_000, output=250_000)
    assert cost(Usage(input=1), price) == 1
    assert cost(Usage(output=1), price) == 0
    assert cost(Usage(input=1, output=2), price) == 1
    assert cost(Usage(input=1, output=1), price) == 1


def test_no_price_is_no_cost():
    assert cost(Usage(input=10), None) is None
    assert cost(Usage(input=10), Price(input=0, output=0)) == 0


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        (Usage(input=10, cached=50), 10 * 1250),
        (Usage(input=-5, output=-1, cached=-2), 0),
        (Usage(input=10, cached=-3), 25_000),
    ],
)
def test_contradictions_are_clamped(usage, nano):
    assert cost(usage, GPT) == nano


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (12_500, "0.0000125"),
        (3_000_000_000, "3"),
        (12_500_000_000, "12.5"),
        (10_000_000_000, "10"),
        (-1_500_000_000, "-1.5"),
    ],
)
def test_dollars_are_exact(nano, text):
    assert dollars(nano) == text


def test_what_the_vendor_bills_goes_before_what_was_counted():
    price = Price(input=2_000_000_000, output=10_000_000_000, cached=1_000_000_000)
    assert cost(Usage(542, 63, billed=(13, 61)), price) == 13 * 2000 + 61 * 10_000
    assert cost(Usage(542, 63, cached=512, billed=(13, 61)), price) == 13 * 1000 + 61 * 10_000
