"""Limits and budgets in the file: what they become, and what cannot be meant."""

from pathlib import Path

import pytest
from config_texts import DIGEST, PROVIDERS, route

from proxy.config.load import parse
from proxy.core.errors import ConfigError
from proxy.core.limits import UNLIMITED, Budget, Limits, Period, Rates, Unit, Unpriced
from proxy.core.settings import Settings
from proxy.core.usage import Price
from proxy.stores.key_store import StoredKey, editing

PEPPER = "f00f" * 16


def read(text: str, env: dict[str, str] | None = None, base: Path | None = None) -> Settings:
    return parse(text, "f.yaml", env or {}, base)


def key(text: str) -> str:
    return route("targets: [a/x, b/y]") + f"keys: [{{name: k, hash: {DIGEST}, {text}}}]\n"


def limits(text: str) -> Limits:
    return read(key(text)).keys[0].limits


def test_nothing_written_limits_nothing() -> None:
    assert limits("routes: [m]") == UNLIMITED
    assert limits("limits: {}") == UNLIMITED


def test_rates() -> None:
    assert limits("limits: {rpm: 60, tpm: 100k, concurrent: 5}").rates == Rates(60, 100_000, 5)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("{usd: 20}", Budget(20_000_000_000)),
        ("{usd: 0.1, per: day}", Budget(100_000_000, per=Period.DAY)),
        ("{tokens: 1M, per: week}", Budget(1_000_000, Unit.TOKENS, Period.WEEK)),
        ("{usd: 1, soft: true, on_unpriced: allow}", Budget(10**9, soft=True, on_unpriced=Unpriced.ALLOW)),
        (
            "{usd: 1, on_unpriced: assume, assume: {input: 1, output: 2}}",
            Budget(10**9, on_unpriced=Unpriced.ASSUME, assumed=Price(10**9, 2 * 10**9)),
        ),
        ("{usd: 1, low: 75%}", Budget(10**9, low=0.75)),
        ("{usd: 1, low: 0.5}", Budget(10**9, low=0.5)),
    ],
)
def test_a_budget(text: str, budget: Budget) -> None:
    [found] = limits(f"budget: {text}").budgets
    assert (found.kind, found) == (budget.kind, Budget(**{**as_dict(found), "zone": found.zone}))
    assert as_dict(found) == as_dict(budget)


def as_dict(budget: Budget) -> dict[str, object]:
    names = ("amount", "unit", "per", "soft", "on_unpriced", "assumed", "low", "to")
    return {name: getattr(budget, name) for name in names}


def test_several_budgets_and_zones() -> None:
    day, month = limits("budget: [{usd: 1, per: day, zone: Europe/Berlin}, {usd: 20}]").budgets
    assert (str(day.zone), day.name) == ("Europe/Berlin", "usd a day in Europe/Berlin")
    assert (str(month.zone), month.name) == ("UTC", "usd a month")


def test_a_route_that_falls_to_a_cheaper_target() -> None:
    made = read(route("targets: [a/x, b/y], budget: {usd: 5, to: b/y}, limits: {rpm: 5}"))
    [budget] = made.routes[0].limits.budgets
    assert (budget.to, budget.low) == ("b/y", 0.8)
    assert made.routes[0].limits.rates.rpm == 5


def test_tags_and_providers() -> None:
    text = route("targets: [a/x]").replace("a: {kind: vllm", "a: {kind: vllm, limits: {rpm: 3}, budget: {usd: 1}")
    made = read(text + "tags: {team: {limits: {concurrent: 2}, budget: {tokens: 5k}}}\n")
    assert made.tags["team"].rates.concurrent == 2
    assert made.tags["team"].budgets[0].amount == 5000
    assert (made.providers["a"].limits.rates.rpm, made.providers["a"].limits.budgets[0].amount) == (3, 10**9)
    assert made.providers["b"].limits == UNLIMITED


def test_tags_and_expiry_of_a_key() -> None:
    [made] = read(key("tags: [b, a, b], expires: 2036-01-31T18:00+01:00")).keys
    assert (made.tags, made.expires) == (("a", "b"), 2085411600)
    assert read(key("expires: 2036-01-31, tags: one")).keys[0].expires == 2085350400
    assert read(key("tags: one")).keys[0].tags == ("one",)


REFUSED = [
    (key("budget: {per: day}"), "keys[0].budget: needs either usd or tokens"),
    (key("budget: {usd: 1, tokens: 5}"), "needs either usd or tokens"),
    (key("budget: [{usd: 1}, {usd: 2}]"), "keys[0].budget[1]: there is another budget of this unit, period and zone"),
    (key("budget: {tokens: 5, on_unpriced: allow}"), "on_unpriced: has no effect on a budget of tokens"),
    (key("budget: {usd: 5, on_unpriced: assume}"), "on_unpriced: needs a price to assume"),
    (key("budget: {usd: 5, assume: {input: 1, output: 1}}"), "assume: has no effect without on_unpriced: assume"),
    (key("budget: {usd: 5, to: b/y}"), "to: only the budget of a route can name a cheaper target"),
    (
        route("targets: [a/x, b/y], budget: {usd: 5, to: b/z}"),
        "routes[0].budget.to: is none of the route's targets: a/x, b/y",
    ),
    (route("targets: [a/x, b/y], budget: {usd: 5, to: a/x}"), "is the target that the route begins with anyway"),
    (key("budget: {usd: 0}"), "keys[0].budget.usd"),
    (key("budget: {usd: 5, per: year}"), 'unknown period "year"'),
    (key("budget: {usd: 5, zone: Mars/Base}"), "expected a time zone such as UTC"),
    (key("budget: {usd: 5, zone: ../etc/passwd}"), "expected a time zone such as UTC"),
    (key("budget: {usd: 5, low: 120%}"), "expected a share such as 80%"),
    (key("budget: {usd: 5, low: much}"), "expected a share such as 80%"),
    (key("budget: {usd: 5, low: true}"), "expected a share such as 80%"),
    (key("limits: {rpm: 0}"), "must be at least 1"),
    (key("limits: {rps: 1}"), 'limits.rps: unknown key; did you mean "rpm"?'),
    (key('tags: ["a b"]'), "a tag has 1 to 48 letters"),
    (key("expires: tomorrow"), "expected a date or a time"),
    (route("targets: [a/x]") + "tags: {t: {}}", "tags.t: has neither limits nor a budget"),
    (
        key("x: 1").replace(DIGEST, f"hmac:{DIGEST}").replace(", x: 1", ""),
        "keys[0].hash: a hash that begins with `hmac:` needs",
    ),
    (PROVIDERS + "key_store: /nowhere/keys.json", "key_store: there is no folder /nowhere"),
    (PROVIDERS + "key_store: /tmp", "key_store: /tmp is a folder"),
    (f"server: {{listen: 0.0.0.0:8080}}\n{PROVIDERS}", "add keys: or key_store:"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=[expected[:50] for _, expected in REFUSED])
def test_what_cannot_be_meant_is_refused(complain, text: str, expected: str) -> None:
    found = complain(text)
    assert any(expected in line for line in found), found


def test_a_store_of_keys_opens_the_door_to_others(tmp_path: Path) -> None:
    text = f"server: {{listen: 0.0.0.0:8080}}\n{PROVIDERS}key_store: keys.json\n"
    made = read(text, base=tmp_path)
    assert made.keys == ()
    assert made.key_store is not None
    assert made.key_store.path == str(tmp_path / "keys.json")


def test_a_stored_key_whose_route_is_gone_is_no_mistake(tmp_path: Path) -> None:
    with editing(tmp_path / "keys.json", PEPPER.encode()) as found:
        found.keys.append(StoredKey("k", f"hmac:{DIGEST}", "abcd", 1, routes=["m", "gone"]))
    made = read(route("targets: [a/x]") + "key_store: keys.json\n", {"UNDIMMED_KEY_PEPPER": PEPPER}, tmp_path)
    assert made.keys[0].routes == {"m", "gone"}
    assert made.pepper == PEPPER.encode()
    assert PEPPER not in repr(made)


def test_a_store_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "keys.json").symlink_to(tmp_path / "keys.json")
    with pytest.raises(ConfigError) as refused:
        read(route("targets: [a/x]") + "key_store: keys.json\n", base=tmp_path)
    assert "cannot be read" in str(refused.value)
