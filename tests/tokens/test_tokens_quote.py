from msgspec import Raw

from proxy.core.settings import Target
from proxy.core.usage import Price, Usage, UsageSource
from proxy.tokens.price_list import Row, Step, VendorPrices
from proxy.tokens.quote import find_limit, quote, quote_price

PRICE = Price(3 * 10**9, 15 * 10**9, cached=3 * 10**8, image_in=6 * 10**9, per_request=2_000_000)


def test_the_longest_answer():
    assert find_limit({"max_tokens": Raw(b"5"), "max_completion_tokens": Raw(b"7")}) == 7
    assert find_limit({"max_output_tokens": Raw(b"9")}) == 9
    for odd in (b"null", b'"5"', b"-1", b"1.5", b"0", b"9" * 40):
        assert find_limit({"max_tokens": Raw(odd)}) is None
    assert find_limit({}) is None


def test_prices_say_where_they_are_from():
    row = Row("m", ["=", "m"], [Step({"input": 10**9, "output": 2 * 10**9})])
    vendor = VendorPrices([row], origin="list of 2026-11-20")
    assert quote_price(Target("a", "m", tariff=vendor.tariff("m")), 0.0) == {
        "input": "1",
        "output": "2",
        "from": "list of 2026-11-20",
    }
    assert quote_price(Target("a", "x", tariff=vendor.tariff("x")), 0.0) is None
    assert vendor.tariff("x").origin == ""
    assert quote_price(Target("a", "m"), 0.0) is None
    assert quote_price(Target("a", "m", price=PRICE), 0.0) == {
        "input": "3",
        "output": "15",
        "cached": "0.3",
        "image_in": "6",
        "per_request": "0.002",
        "from": "file",
    }


def test_a_row():
    usage = Usage(1000, image_in=200, audio_in=0, source=UsageSource.ESTIMATE, raw_input=900, factor=1.14, lower_bound=True)
    row = quote(Target("a", "m", price=PRICE, context_window=1500), usage, None, 0.0)
    assert row["input"] == {"text": 800, "image": 200, "audio": 0}
    assert row["cost_usd"] == {"input": "0.0056", "output": "0.015", "total": "0.0206"}
    assert (row["output_tokens"], row["fits"], row["raw_tokens"], row["lower_bound"]) == (1000, True, 900, True)
    assert quote(Target("a", "m", context_window=1500), usage, 501, 0.0)["fits"] is False
