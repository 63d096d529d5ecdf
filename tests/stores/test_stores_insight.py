"""Sums, waste, findings, dear models: tables of rows as the ledger gives them, and what is made of them."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from support.simulation import settings

from proxy.core.settings import Target
from proxy.core.usage import Price
from proxy.stores.insight.findings import MATTERS, find, gather
from proxy.stores.insight.lines import WASTES, Line, group_by, total_of
from proxy.stores.insight.outlooks import Hours, Purse, look_into, make_forecast, span_for
from proxy.stores.insight.premium import PLAIN, find_premium, price_routes, reprice, size_name
from proxy.stores.insight.records import flat_forecast, forecast_record
from proxy.stores.ledger.rollups import MAX_SIZE, SUMS, USE_SUMS
from proxy.stores.ledger.waste import KINDS

DOLLAR = 10**9
NOW = datetime(2026, 6, 16, 12, tzinfo=UTC).timestamp()


def row(route: str = "gpt", target: str = "a/x", waste: str = "", **sums: int) -> dict[str, int | str]:
    return {
        "route": route, "target": target, "provider": target.split("/")[0], "waste": waste, "hour": 490_000,
        **dict.fromkeys(SUMS, 0), **sums,
    }  # fmt: skip


def told(*rows: dict[str, int | str]) -> list[tuple[str, str]]:
    return [(finding.kind, finding.subject) for finding in find(gather(rows))]


class TestLines:
    def test_every_kind_of_waste_has_a_name(self) -> None:
        assert {"", *WASTES} == set(KINDS)

    def test_kinds_of_waste_are_told_apart_and_add_up(self) -> None:
        rows = [
            row(attempts=10, input=900, output=100, cost=9 * DOLLAR),
            row(waste="cut", attempts=2, wasted=50, wasted_cost=DOLLAR, cost=DOLLAR, input=50),
            row(waste="cut", attempts=1, wasted=7, wasted_unpriced=1, unpriced=1, input=7),
            row(waste="failed", attempts=4),
        ]
        [line] = group_by(rows, ("route",))
        assert {kind: (w.attempts, w.tokens, w.cost) for kind, w in line.wastes.items()} == {
            "cut": (3, 57, DOLLAR),
            "failed": (4, 0, 0),
        }
        assert (line.failed, line.cost, line.wasted_cost) == (7, 10 * DOLLAR, DOLLAR)
        assert line["wasted"] == sum(waste.tokens for waste in line.wastes.values())

    @pytest.mark.parametrize(
        ("sums", "name", "value"),
        [
            ({"unpriced": 3}, "cost", None),
            ({"unpriced": 3, "cost": 5}, "cost", 5),
            ({"failovers": 2, "failover_unpriced": 2}, "failover_cost", None),
            ({"failovers": 2, "failover_unpriced": 1, "failover_cost": -4}, "failover_cost", -4),
            ({"first_contents": 4, "first_content_ms": 1000}, "first_content_ms", 250),
            ({}, "first_content_ms", None),
            ({"generated": 300, "generation_ms": 2000}, "speed", 150),
            ({}, "speed", None),
            ({"input": 30, "output": 10, "estimated": 10}, "estimated_share", 0.25),
            ({"output": 10, "reasoning": 4}, "reasoning_share", 0.4),
            ({}, "reasoning_share", 0),
            ({"cache_saved": 3, "saved": 4}, "saved", 7),
        ],
    )
    def test_figures(self, sums: dict[str, int], name: str, value: float | None) -> None:
        assert getattr(total_of([row(**sums)]), name) == value

    def test_nothing_is_nothing(self) -> None:
        assert (Line(()).cost, Line(()).tokens, group_by([], ("route",))) == (0, 0, [])

    def test_groups_and_their_order(self) -> None:
        rows = [row(cost=1, target="b/y"), row(cost=3), row(cost=2, target="b/z", route="r")]
        assert [line.group for line in group_by(rows, ("model",))] == [("x",), ("z",), ("y",)]
        assert [line.group for line in group_by(rows, ("day", "route"))] == [("2025-11-24", "gpt"), ("2025-11-24", "r")]
        assert [line.group for line in group_by(rows, ("hour",))] == [("2025-11-24T16:00Z",)]


class TestFindings:
    def test_nothing_to_say(self) -> None:
        assert told() == []
        assert told(row(attempts=100, calls=100, input=10**6, cost=100 * DOLLAR)) == []

    @pytest.mark.parametrize(
        ("rows", "kind", "subject", "words"),
        [
            (
                [row(cost=88 * DOLLAR), row(waste="cut", cost=8 * DOLLAR, wasted_cost=8 * DOLLAR, attempts=9),
                 row(waste="hedge", target="b/y", cost=4 * DOLLAR, wasted_cost=4 * DOLLAR, attempts=9)],
                "waste", "gpt", "12% of the money of route gpt ($12.00) went to attempts nobody received, mostly cut "
                "streams at a/x ($8.00): put a target that finishes",
            ),
            (
                [row(cost=90 * DOLLAR), row(route="", waste="probe", cost=10 * DOLLAR, wasted_cost=10 * DOLLAR, attempts=9)],
                "probes", "", "Probes cost $10.00 (10% of all money)",
            ),
            (
                [row(input=600), row(target="l/m", input=400, unpriced=2, unpriced_tokens=400)],
                "unpriced", "l/m", "400 tokens of l/m (40% of all) have no known price, so every cost is a lower bound; set "
                "`providers.l.models.m.price`",
            ),
            ([row(input=62, estimated=38, output=38)], "estimated", "a/x", "38% of the tokens of a/x (38) are estimates"),
            (
                [row(attempts=70), row(waste="failed", attempts=30)],
                "failing", "a/x", "30% of 100 attempts at a/x failed",
            ),
            (
                [row(cost=50 * DOLLAR, failovers=7, failover_cost=5 * DOLLAR)],
                "failover", "gpt", "Failover cost route gpt $5.00 (10% of its money): 7 calls went to dearer targets",
            ),
            ([row(output=100, reasoning=71, cost=DOLLAR)], "reasoning", "a/x", "71% of the output of a/x is reasoning"),
            (
                [row(input=500_000, cache_write=400_000, cached=100_000)],
                "cache", "a/x", "400k tokens were written into the cache of a/x, and 100k read from it",
            ),
            (
                [row(attempts=50, first_contents=50, first_content_ms=50 * 4200),
                 row(target="b/y", attempts=50, first_contents=50, first_content_ms=50 * 500)],
                "slow", "a/x", "a/x took 4.20s on average to begin its answers for route gpt, b/y 0.50s",
            ),
            ([row(attempts=98), row(attempts=2, possibly_billed=2)], "possibly_billed", "", "2 attempts (2%) had been sent"),
        ],
    )  # fmt: skip
    def test_each_rule_speaks_when_its_threshold_is_passed(self, rows, kind, subject, words) -> None:
        found = {(f.kind, f.subject): f.text for f in find(gather(rows))}
        assert words in found[kind, subject]

    @pytest.mark.parametrize(
        "rows",
        [
            [row(cost=96 * DOLLAR), row(waste="cut", cost=4 * DOLLAR, wasted_cost=4 * DOLLAR)],
            [row(cost=DOLLAR // 10), row(waste="cut", cost=DOLLAR // 20, wasted_cost=DOLLAR // 20)],
            [row(input=950, estimated=50, output=50)],
            [row(attempts=10), row(waste="failed", attempts=9)],
            [row(cost=50 * DOLLAR, failovers=7, failover_cost=-5 * DOLLAR)],
            [row(output=100, reasoning=59, cost=DOLLAR)],
            [row(input=500_000, cache_write=100_000, cached=400_000)],
            [row(attempts=50, first_contents=50, first_content_ms=50 * 4200)],
            [row(attempts=5, first_contents=50, first_content_ms=50 * 4200),
             row(target="b/y", attempts=500, first_contents=50, first_content_ms=50 * 500)],
        ],
    )  # fmt: skip
    def test_and_is_silent_below_it(self, rows) -> None:
        assert told(*rows) == []

    def test_what_moves_little_of_all_money_is_left_to_the_tables(self) -> None:
        small = round(MATTERS * 100 * DOLLAR * 0.9)
        rows = [row("big", cost=99 * DOLLAR), row("small", waste="cut", cost=small, wasted_cost=small)]
        assert told(*rows) == []


def use(target: str, size: int = 1000, features: str = "", outcome: str = "ok", route: str = "gpt", **sums: int):
    numbers = {**dict.fromkeys(USE_SUMS, 0), "attempts": 1, "delivered": 1, **sums}
    return {"route": route, "target": target, "features": features, "size": size, "outcome": outcome, **numbers}


def per_million(into: int, out: int, **more) -> Price:
    return Price(into * DOLLAR, out * DOLLAR, **more)


DEAR, NEAR, CHEAP = per_million(10, 30), per_million(9, 27), per_million(1, 2, cached=DOLLAR // 10)
PRICES = {"gpt": {"a/dear": DEAR, "b/near": NEAR, "c/cheap": CHEAP, "l/free": None}}


class TestPremium:
    def test_what_it_was_used_for_and_what_that_costs_one_step_cheaper(self) -> None:
        rows = [
            use("a/dear", input=1_000_000, output=100_000, cost=13 * DOLLAR),
            use("a/dear", 16_000, "tools,tools.parallel", input=2_000_000, output=0, cached=1_000_000, cost=20 * DOLLAR),
            use("a/dear", 1000, "", "stream_broken", input=0, output=500_000, reasoned=1, cost=15 * DOLLAR),
            use("c/cheap", input=9_000_000, cost=9 * DOLLAR),
        ]
        [found] = find_premium(rows, PRICES)
        assert (found.route, found.target, found.cheaper, found.unpriced) == ("gpt", "a/dear", "c/cheap", ("l/free",))
        assert (found.total["cost"], found.total.there) == (48 * DOLLAR, round((1.2 + 1.1 + 1.0) * DOLLAR))
        shown = {kind: {u.name: (u["attempts"], u.there) for u in uses} for kind, uses in found.uses.items()}
        assert shown["feature"] == {
            "tools": (1, round(1.1 * DOLLAR)),
            "thought unasked": (1, DOLLAR),
            PLAIN: (1, round(1.2 * DOLLAR)),
        }
        assert list(shown["size"]) == ["up to 1k", "up to 16k"]
        assert list(shown["outcome"]) == ["ok", "stream_broken"]
        assert found.total.saves == round(44.7 * DOLLAR)

    def test_targets_that_cost_about_the_same_are_as_dear(self) -> None:
        rows = [use("a/dear", input=100, cost=5), use("b/near", input=100, cost=9)]
        assert [(p.target, p.cheaper) for p in find_premium(rows, PRICES)] == [("b/near", "c/cheap"), ("a/dear", "c/cheap")]
        alike = {"gpt": {"a/dear": DEAR, "b/near": NEAR}}
        assert [(p.target, p.cheaper) for p in find_premium(rows, alike)] == [("a/dear", "b/near")]

    @pytest.mark.parametrize(
        "prices",
        [{}, {"gpt": {"a/dear": DEAR}}, {"gpt": {"a/dear": DEAR, "l/free": None}}, {"gpt": {"a/dear": DEAR, "e/x": DEAR}}],
    )
    def test_without_a_cheaper_one_there_is_nothing_to_compare(self, prices) -> None:
        assert find_premium([use("a/dear", input=100, cost=5)], prices) == []

    def test_unpriced_attempts_leave_the_saving_unknown(self) -> None:
        [found] = find_premium([use("a/dear", input=100, unpriced=1)], PRICES)
        assert (found.total.cost, found.total.saves) == (None, None)

    def test_steps_by_length_and_fees_count_for_each_request(self) -> None:
        long = per_million(2, 2)
        price = per_million(1, 1, per_request=7, tiers=((200_000, replace(long, per_request=9)),))
        assert reprice(use("x/y", attempts=10, input=1_000_000), price) == DOLLAR + 70
        assert reprice(use("x/y", attempts=4, input=1_000_000), price) == 2 * DOLLAR + 36

    def test_sizes_have_names(self) -> None:
        assert [size_name(size) for size in (0, 1000, 256_000, MAX_SIZE)] == [
            "unknown size", "up to 1k", "up to 256k", "over 256k",
        ]  # fmt: skip
        [found] = find_premium([use("a/dear", 0, input=1), use("a/dear", 64_000, input=1)], PRICES)
        assert [u.name for u in found.uses["feature"]] == ["plain"]

    def test_prices_are_those_of_the_configuration_now(self) -> None:
        class Falling:
            def price(self, wall: float, served: str | None = None, tier: str = "") -> Price | None:
                return DEAR if wall < 10 else CHEAP

        config = settings([[Target("a", "x", price=NEAR), Target("b", "y", tariff=Falling()), Target("c", "z")]])
        assert price_routes(config, 5.0) == {"lamp": {"a/x": NEAR, "b/y": DEAR, "c/z": None}}
        assert price_routes(config, 15.0)["lamp"]["b/y"] is CHEAP

    def test_plain_short_requests_are_worth_a_finding(self) -> None:
        premiums = find_premium([use("a/dear", input=1_000_000, cost=10 * DOLLAR)], PRICES)
        [found] = find(gather([row(cost=10 * DOLLAR)]), premiums)
        assert (found.kind, found.subject) == ("premium", "a/dear")
        assert "same tokens at c/cheap would have cost $1.00" in found.text
        demanding = find_premium([use("a/dear", features="tools", input=1_000_000, cost=10 * DOLLAR)], PRICES)
        assert find(gather([row(cost=10 * DOLLAR)]), demanding) == []
        rest = use("a/dear", features="tools", input=9_000_000, cost=91 * DOLLAR)
        little = find_premium([use("a/dear", input=900_000, cost=9 * DOLLAR), rest], PRICES)
        assert find(gather([row(cost=100 * DOLLAR)]), little) == [], "less than a tenth of its money"


def hours(amount: int, days: int, route: str = "gpt", key: str = "ci"):
    """The same each hour of so many days before today, and of today so far."""
    now = int(NOW // 3600)
    return [
        {"route": route, "key": key, "hour": hour, "cost": amount, "input": 3, "output": 2, "unpriced": 0}
        for hour in range(now - 12 - 24 * days, now)
    ]


class TestForecast:
    def test_month_and_routes(self) -> None:
        found = make_forecast([*hours(DOLLAR, 20), *hours(DOLLAR // 2, 2, "new"), *hours(5, 20, "")], NOW)
        assert found.end.isoformat() == "2026-07-01"
        assert [ahead.name for ahead in found.routes] == ["gpt", "new"]
        assert found.total.outlook is not None
        assert found.routes[0].outlook is not None
        assert found.routes[0].outlook.expected == 30 * 24 * DOLLAR
        assert found.routes[1].outlook is None
        assert found.routes[1].why_not == "3 whole days are needed, there are 2"
        record = forecast_record(found)
        assert record["routes"][0]["expected_usd"] == "720"
        assert record["routes"][1]["expected_usd"] is None
        assert [line["route"] for line in flat_forecast(found)] == ["", "gpt", "new"]

    def test_an_empty_ledger_pretends_nothing(self) -> None:
        found = make_forecast([], NOW)
        assert (found.total.spent, found.total.outlook, found.routes) == (0, None, [])
        assert span_for(NOW).since < (NOW - 57 * 86400) * 1000

    @pytest.mark.parametrize(
        ("purse", "spent", "runs_out", "end"),
        [
            (Purse("key", "ci", "usd", 18 * DOLLAR, "day"), 12 * DOLLAR, "2026-06-16T18:00", "2026-06-17T00:00"),
            (Purse("key", "ci", "usd", 30 * DOLLAR, "day"), 12 * DOLLAR, None, "2026-06-17T00:00"),
            (Purse("key", "ci", "usd", 9 * DOLLAR, "day"), 12 * DOLLAR, "2026-06-16T12:00", "2026-06-17T00:00"),
            (Purse("key", "ci", "tokens", 5 * 42, "week"), 5 * 36, "2026-06-16T18:00", "2026-06-22T00:00"),
            (
                Purse("key", "ci", "usd", 20 * DOLLAR, "day", ZoneInfo("Asia/Tokyo")),
                21 * DOLLAR, "2026-06-16T12:00", "2026-06-16T15:00",
            ),
        ],
    )  # fmt: skip
    def test_budgets_to_the_end_of_their_own_period(self, purse, spent, runs_out, end) -> None:
        """Case 21: a day ends at midnight where the budget's zone has it, not with the month."""
        rows = hours(DOLLAR, 20)
        [found] = make_forecast(rows, NOW, [purse], {"key": rows}).purses
        assert found.ahead.spent == spent
        assert datetime.fromtimestamp(found.end, UTC).isoformat(timespec="minutes")[:16] == end
        told = None if found.runs_out is None else datetime.fromtimestamp(round(found.runs_out), UTC).isoformat()[:16]
        assert told == runs_out

    def test_budgets_that_run_out_come_first_among_findings(self) -> None:
        rows = hours(DOLLAR, 20)
        purses = [Purse("key", "ci", "usd", 18 * DOLLAR, "day"), Purse("key", "ci", "tokens", 1, "day")]
        forecast = make_forecast(rows, NOW, [*purses, Purse("key", "quiet", "usd", 5, "day")], {"key": rows})
        first, second = find(gather([row(unpriced=1, unpriced_tokens=5, input=5)]), (), forecast)[:2]
        assert first.text.startswith("The budget of key ci ($18.00 a day) will be used up by 2026-06-16 18:00 UTC;")
        assert second.text.startswith("The budget of key ci (1 tokens a day) is used up; it is whole again 2026-06-17")
        record = forecast_record(forecast)
        assert [(line["unit"], line["limit"], line["runs_out"]) for line in record["budgets"]] == [
            ("usd", "18", "2026-06-16T18:00:00+00:00"),
            ("tokens", 1, "2026-06-16T12:00:00+00:00"),
            ("usd", "0.000000005", None),
        ]

    def test_with_too_few_days_a_budget_that_is_up_is_up(self) -> None:
        found = look_into(Purse("key", "ci", "usd", 5, "month"), Hours({int(NOW // 3600) - 1: 9}, {}, {}), NOW)
        assert (found.ahead.outlook, found.runs_out, round(found.used, 1)) == (None, NOW, 1.8)
