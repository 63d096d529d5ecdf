import sys
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.config.load import parse
from proxy.core.errors import ConfigError
from proxy.core.settings import Credential, LedgerSettings, Origin, RetrySettings, Settings, Timeouts, When
from proxy.core.usage import Price, Usage
from proxy.stores.price_file import bundled
from proxy.tokens.prices import cost


def read(text: str, env: dict[str, str] | None = None) -> Settings:
    return parse(text, "f.yaml", env or {})


def test_presets_by_kind_by_name_and_by_host() -> None:
    providers = read(
        """
        providers:
          plain: {kind: openai, credentials: [k], direct: true}
          kind: {kind: groq, credentials: [k], direct: true}
          name: {kind: openai, preset: mistral, credentials: [k], direct: true}
          host: {kind: openai, base_url: "https://api.deepseek.com/v1", credentials: [k], direct: true}
          own: {kind: openai, base_url: "http://127.0.0.1:9999/v1", direct: true}
          moved: {kind: ollama, base_url: "http://gpu:11434/v1", direct: true}
        """
    ).providers
    assert {name: p.preset for name, p in providers.items()} == {
        "plain": "openai", "kind": "groq", "name": "mistral", "host": "deepseek", "own": "custom", "moved": "ollama",
    }  # fmt: skip
    assert {p.kind for p in providers.values()} == {"openai"}
    assert providers["name"].origin == Origin("https", "api.mistral.ai", 443, "/v1")
    assert providers["moved"].origin == Origin("http", "gpu", 11434, "/v1")


def test_vendors_with_a_format_of_their_own_and_where_they_are() -> None:
    providers = read(
        """
        providers:
          gemini: {kind: gemini, credentials: [k], direct: true}
          behind: {kind: gemini, base_url: "https://gate.example/google/v1beta", credentials: [k], direct: true}
          express: {kind: vertex, credentials: [k], direct: true}
          europe: {kind: vertex, project: p, region: europe-west1, credentials: [{google: {metadata: true}}], direct: true}
          union: {kind: vertex, project: p, region: eu, credentials: [t], direct: true}
          compat: {kind: openai, base_url: "https://generativelanguage.googleapis.com/o", credentials: [k], direct: true}
        """
    ).providers
    assert {name: (p.kind, p.preset, p.origin.host, p.origin.prefix) for name, p in providers.items()} == {
        "gemini": ("gemini", "gemini", "generativelanguage.googleapis.com", "/v1beta"),
        "behind": ("gemini", "gemini", "gate.example", "/google/v1beta"),
        "express": ("vertex", "vertex", "aiplatform.googleapis.com", "/v1"),
        "europe": ("vertex", "vertex", "europe-west1-aiplatform.googleapis.com", "/v1"),
        "union": ("vertex", "vertex", "aiplatform.eu.rep.googleapis.com", "/v1"),
        "compat": ("openai", "gemini", "generativelanguage.googleapis.com", "/o"),
    }
    assert [(p.region, p.project) for p in providers.values()] == [
        *[("", "")] * 2, ("global", ""), ("europe-west1", "p"), ("eu", "p"), ("", ""),
    ]  # fmt: skip


def test_credentials_are_numbered_and_empty_ones_left_out() -> None:
    text = 'providers: {a: {kind: openai, credentials: ["${K}", "${K2:-}", "${K3}"], direct: true}}'
    provider = read(text, {"K": "sk-1", "K3": "sk-3"}).providers["a"]
    assert provider.credentials == (Credential("a#1", "sk-1"), Credential("a#2", "sk-3"))
    assert "sk-1" not in repr(provider)


def test_a_single_credential_needs_no_list() -> None:
    assert read("providers: {a: {kind: openai, credentials: k, direct: true}}").providers["a"].credentials[0].secret == "k"


ROUTE = """
providers: {a: {kind: vllm}, or: {kind: ollama}}
routes:
  - model: [m, "m-*"]
    targets:
      - or/anthropic/claude-x
      - [a/x, {to: a/y, when: {tools: true, min_tokens: 100}, max_in_flight: 3, price: {input: 2.5, output: 0.15}}]
    strategy: fastest
"""


def test_targets_tiers_and_names() -> None:
    [route] = read(ROUTE).routes
    assert (route.name, route.models, route.strategy) == ("m", ("m", "m-*"), "fastest")
    assert [[target.id for target in tier] for tier in route.tiers] == [["or/anthropic/claude-x"], ["a/x", "a/y"]]
    assert route.tiers[0][0].provider == "or"
    assert route.tiers[0][0].model == "anthropic/claude-x"
    last = route.tiers[1][1]
    assert last.when == When(tools=True, min_tokens=100)
    assert last.price == Price(2_500_000_000, 150_000_000)
    assert (last.max_in_flight, last.max_queue, last.weight) == (3, 100, 1)


def test_facts_belong_to_the_target_id_wherever_they_are_written() -> None:
    settings = read(
        """
        providers: {a: {kind: vllm, models: {x: {context_window: 8k, price: {input: 1, output: 2, per_request: 0.01}}}}}
        routes:
          - {model: m, targets: [a/x]}
          - {model: n, targets: [{to: a/x, max_in_flight: 4, max_queue: 0}]}
        """
    )
    first, second = (route.targets[0] for route in settings.routes)
    assert first == second
    assert (first.context_window, first.max_in_flight, first.max_queue) == (8000, 4, 0)
    assert first.price == Price(10**9, 2 * 10**9, None, 10_000_000)


def test_defaults_lie_under_what_a_route_says() -> None:
    settings = read(
        """
        providers: {a: {kind: openai, credentials: [k]}}
        defaults: {timeout: {idle: 20s, total: 100s}, retry: {attempts: 5}, strategy: fastest, breaker: {consecutive: 7},
                   probe: {every: 5s}}
        routes:
          - {model: m, targets: [a/x], timeout: {total: 50s}, retry: {cap: 1s}}
        """
    )
    [route] = settings.routes
    assert route.timeouts == Timeouts(idle=20, total=50)
    assert route.retry == RetrySettings(attempts=5, cap=1.0)
    assert route.strategy == "fastest"
    assert settings.timeouts == Timeouts(idle=20, total=100)
    assert settings.breaker.consecutive == 7
    assert settings.providers["a"].probe.every == 5


def timeouts_of(target: str, timeout: str) -> Timeouts:
    providers = "providers: {a: {kind: openai, credentials: [k], direct: true}, l: {kind: ollama, direct: true}}"
    return read(f"{providers}\nroutes: [{{model: m, targets: [{target}], timeout: {timeout}}}]").routes[0].timeouts


def patience_of_last(targets: str, timeout: str) -> float | None:
    providers = "providers: {a: {kind: openai, credentials: [k], direct: true}, l: {kind: ollama, direct: true}}"
    route = read(f"{providers}\nroutes: [{{model: m, targets: [{targets}], timeout: {timeout}}}]").routes[0]
    return route.targets[-1].first_content


def test_shipped_limits_bend_to_written_ones() -> None:
    assert timeouts_of("a/x", "{total: 2s}") == Timeouts(connect=2, first_content=2, idle=2, total=2)
    assert timeouts_of("a/x", "{first_content: 1s}") == Timeouts(connect=1, first_content=1)


def test_slow_starters_get_the_time_of_their_preset_unless_a_limit_is_written() -> None:
    assert patience_of_last("a/x, l/x", "{}") == 300
    assert patience_of_last("a/x, l/x", "{first_content: 5s}") is None
    assert patience_of_last("l/x", "{total: 60s}") == 60
    assert patience_of_last("l/x, a/x", "{}") is None
    assert timeouts_of("a/x, l/x", "{}").first_content == 15


def test_server_and_keys() -> None:
    digest = "AB" * 32
    settings = read(
        f"""
        server: {{listen: "[::1]:9000", admin: off, max_body: 1MiB, hosts: llm.local, metrics_aliases: litellm}}
        providers: {{a: {{kind: vllm, direct: true}}}}
        routes: [{{model: [m, n], targets: [a/x]}}]
        keys: [{{name: ci, hash: "sha256:{digest}", routes: [n, direct, a/y]}}, {{name: all, hash: "{"cd" * 32}"}}]
        """
    )
    server = settings.server
    assert (server.host, server.port, server.admin_port, server.max_body, server.hosts) == (
        "::1",
        9000,
        None,
        1024**2,
        ("llm.local",),
    )
    assert server.metrics_aliases == "litellm"
    assert settings.keys[0].digest == digest.lower()
    assert settings.keys[0].routes == {"m", "direct", "a/y"}, "a second public name means its route"
    assert settings.keys[1].routes is None


def test_headers_are_lower_case() -> None:
    text = "providers: {a: {kind: vllm, direct: true, headers: {X-Title: me}}}"
    assert read(text).providers["a"].headers == {"x-title": "me"}


def test_targets_without_a_price_have_the_bundled_one() -> None:
    settings = read(
        """
        providers:
          openai: {kind: openai, credentials: k, direct: true}
          elsewhere: {kind: openai, base_url: "https://llm.example/v1", credentials: k}
          mine: {kind: vllm}
        routes:
          - model: m
            targets: [[openai/gpt-4o, {to: openai/gpt-4o-mini, price: {input: 1, output: 2}}], openai/unheard-of,
                      elsewhere/gpt-4o, mine/gpt-4o]
            strategy: least-busy
        """
    )
    usual, written, unheard, elsewhere, mine = settings.routes[0].targets
    assert usual.price == Price(2_500_000_000, 10**10, 1_250_000_000)
    assert usual.tariff is not None
    assert usual.tariff.price(bundled().as_of) == usual.price
    assert (written.price, written.tariff) == (Price(10**9, 2 * 10**9), None)
    assert unheard.price is None
    assert unheard.tariff is not None
    assert (elsewhere.price, elsewhere.tariff, mine.price, mine.tariff) == (None, None, None, None)
    assert settings.providers["mine"].pricing is None
    pricing = settings.providers["openai"].pricing
    assert pricing is not None
    assert pricing.tariff("gpt-4o") is usual.tariff


def test_cheapest_may_go_by_bundled_prices() -> None:
    settings = read(
        """
        providers: {a: {kind: groq, credentials: k}, b: {kind: openai, credentials: k}}
        routes: [{model: m, targets: [[a/openai/gpt-oss-120b, b/gpt-4o]], strategy: cheapest}]
        """
    )
    assert all(target.price for target in settings.routes[0].targets)


def test_everything_that_a_price_can_say() -> None:
    settings = read(
        """
        providers: {a: {kind: vllm}}
        routes:
          - model: m
            targets:
              - to: a/x
                price:
                  {input: 2, output: 8, cached: 0.2, cache_write: 2.5, cache_write_1h: 4, audio_in: 30, audio_cached: 0.3,
                   audio_out: 60, image_in: 5, image_out: 40, reasoning: 3, per_request: 0.005,
                   tiers: [{above: 400k, input: 8}, {above: 200k, input: 4, output: 12}]}
        """
    )
    nano = 10**9
    base = Price(
        2 * nano, 8 * nano, nano // 5, 5_000_000, 5 * nano // 2, 4 * nano, 30 * nano, 3 * nano // 10, 5 * nano,
        audio_out=60 * nano, image_out=40 * nano, reasoning=3 * nano,
    )  # fmt: skip
    tiers = (200_000, replace(base, input=4 * nano, output=12 * nano)), (400_000, replace(base, input=8 * nano))
    assert settings.routes[0].targets[0].price == replace(base, tiers=tiers)


def test_a_written_price_is_charged_once() -> None:
    """Case 5: cached tokens are part of the input, not added to it again."""
    target = "{to: a/x, price: {input: 2, output: 8, cached: 0.5}}"
    price = (
        read(f"{{providers: {{a: {{kind: vllm}}}}, routes: [{{model: m, targets: [{target}]}}]}}").routes[0].targets[0].price
    )
    assert cost(Usage(1000, 100, cached=900), price) == 100 * 2000 + 900 * 500 + 100 * 8000


LEDGER = "providers: {a: {kind: ollama, direct: true}}\nledger: "


def test_a_ledger_beside_the_file(tmp_path: Path) -> None:
    def ledger(text: str) -> LedgerSettings | None:
        return parse(LEDGER + text, "f.yaml", {}, tmp_path).ledger

    assert ledger("") is None
    assert ledger("{}") == LedgerSettings(str(tmp_path / "undimmed.db"), 90 * 86400)
    assert ledger("{url: 'sqlite:calls.db', retention: 7d}") == LedgerSettings(str(tmp_path / "calls.db"), 7 * 86400)
    for absolute in (f"sqlite:{tmp_path}/x.db", f"sqlite://{tmp_path}/x.db"):
        assert ledger(f"{{url: '{absolute}'}}") == LedgerSettings(f"{tmp_path}/x.db")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("undimmed.db", "expected sqlite: and a file"),
        ("postgres:db/undimmed", "expected sqlite: and a file"),
        ("postgresql://u:canary@db", "expected sqlite: and a file.*, or postgresql://USER:PASSWORD@HOST/DATABASE"),
        ("postgresql://u:canary@db:x/undimmed", "expected sqlite: and a file"),
        ("postgresql://u:canary@db/undimmed?sslmode=on", "sslmode on is none of disable, allow, prefer, require, verify-ca"),
        ("sqlite:", "expected sqlite: and a file"),
        ("sqlite://host/undimmed.db", "expected sqlite: and a file"),
        ("sqlite:undimmed.db?mode=memory", "expected sqlite: and a file"),
        ("sqlite:none/undimmed.db", "there is no folder"),
        ("sqlite:.", "is a folder"),
    ],
)
def test_a_ledger_that_cannot_be(url: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"f\.yaml:2: ledger\.url: .*{message}") as caught:
        parse(f"{LEDGER}{{url: '{url}'}}", "f.yaml", {}, tmp_path)
    assert "canary" not in str(caught.value)


def test_a_ledger_of_several_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ledger(text: str) -> LedgerSettings | None:
        return parse(LEDGER + text, "f.yaml", {"PASSWORD": "canary"}, tmp_path).ledger

    url = "postgresql://u:canary@db:5432/undimmed?sslmode=verify-full"
    settings = ledger("{url: 'postgresql://u:${PASSWORD}@db:5432/undimmed?sslmode=verify-full'}")
    assert settings == LedgerSettings(str(tmp_path / "undimmed-ledger"), url=url)
    assert "canary" not in repr(settings)
    assert ledger(f"{{url: '{url}', journal: rows}}") == LedgerSettings(str(tmp_path / "rows"), url=url)
    with pytest.raises(ConfigError, match=r"ledger\.journal: there is no folder"):
        ledger(f"{{url: '{url}', journal: none/rows}}")
    with pytest.raises(ConfigError, match=r"ledger\.journal: does nothing here"):
        ledger("{journal: rows}")
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ConfigError, match=r'ledger\.url: needs a package.*pip install "undimmed\[postgres\]"'):
        ledger(f"{{url: '{url}'}}")
