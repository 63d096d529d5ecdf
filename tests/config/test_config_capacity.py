"""Priorities, learning and overload as they are written, and what about them could never take effect."""

import pytest
from config_texts import DIGEST, PROVIDERS, defaults, route

from proxy.config.load import parse
from proxy.core.overload import OverloadSettings
from proxy.core.settings import Settings


def read(text: str) -> Settings:
    return parse(text, "f.yaml", {})


def server(text: str) -> str:
    return f"server: {{{text}}}\n{route('targets: [a/x]')}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", OverloadSettings()),
        ("{lag: 80ms, refuse_memory: 0.99}", OverloadSettings(0.08, 0.5, 0.95, 0.99)),
        ("{lag: off, memory: 90%}", OverloadSettings(None, None, 0.9, 0.98)),
        ("{memory: off, refuse_lag: 2s}", OverloadSettings(0.05, 2.0, None, None)),
        ("off", OverloadSettings(None, None, None, None)),
        ('"off"', OverloadSettings(None, None, None, None)),
    ],
)
def test_overload_as_it_is_written(text: str, expected: OverloadSettings) -> None:
    assert read(server(f"overload: {text}")).server.overload == expected


def test_overload_is_on_unless_it_is_written_off() -> None:
    settings = read(server("listen: 127.0.0.1:1"))
    assert settings.server.overload == OverloadSettings()
    assert settings.server.memory_limit is None
    assert read(server("memory_limit: 2GiB")).server.memory_limit == 2 << 30


def test_a_key_says_how_urgent_its_calls_are() -> None:
    keys = f"keys: [{{name: a, hash: {DIGEST}, priority: critical}}, {{name: b, hash: {'b' * 64}}}]\n"
    assert [key.priority for key in read(route("targets: [a/x]") + keys).keys] == ["critical", "normal"]


def test_a_provider_overrides_whether_to_learn() -> None:
    assert all(provider.adaptive for provider in read(defaults("strategy: ordered")).providers.values())
    off = read(defaults("adaptive: false").replace("kind: ollama", "kind: ollama, adaptive: true"))
    assert {name: provider.adaptive for name, provider in off.providers.items()} == {"a": False, "b": True}


REFUSED = [
    (server("overload: {lag: 600ms}"), "server.overload.lag: lag (600ms) is not below refuse_lag (500ms)"),
    (server("overload: {refuse_lag: 50ms}"), "server.overload.refuse_lag: lag (50ms) is not below refuse_lag (50ms)"),
    (server("overload: {lag: off, refuse_lag: 1s}"), "server.overload.refuse_lag: has no effect with lag: off"),
    (server("overload: {memory: 99%}"), "server.overload.memory: memory (99%) is not below refuse_memory (98%)"),
    (
        server("overload: {refuse_memory: 90%}"),
        "server.overload.refuse_memory: memory (95%) is not below refuse_memory (90%)",
    ),
    (server("overload: {memory: off, refuse_memory: 99%}"), "server.overload.refuse_memory: has no effect with memory: off"),
    (server("memory_limit: 1GiB, overload: off"), "server.memory_limit: has no effect with overload.memory: off"),
    (server("overload: {lag: soon}"), "server.overload.lag: expected a duration"),
    (server("overload: {memory: 0}"), "server.overload.memory: expected a share such as 5% or 0.05"),
    (PROVIDERS + f"keys: [{{name: k, hash: {DIGEST}, priority: high}}]", "keys[0].priority: unknown priority"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=[expected[:60] for _, expected in REFUSED])
def test_what_cannot_be_meant_is_refused(complain, text: str, expected: str) -> None:
    assert any(expected in problem for problem in complain(text)), complain(text)
