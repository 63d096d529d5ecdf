from pathlib import Path

import pytest

from proxy.core.errors import ConfigError
from proxy.core.settings import Settings
from proxy.rehearse.casting import LONGEST, cast, find_hit, set_clock
from proxy.rehearse.outage import Outage, load
from proxy.rehearse.traffic import Crowd, Mix, make_traffic, parse_mix
from proxy.rehearse.twin import Original, Twin, placeholder, read_twin
from proxy.rehearse.vendors import SimulatedVendor, dice

ROOT = Path(__file__).parents[2]
TEXT = """
server: {listen: "0.0.0.0:${PORT}"}
providers:
  openai: {kind: openai, credentials: ["${OPENAI_API_KEY}", "${OPENAI_API_KEY_2:-}", "file:/nowhere/key"]}
  azure-eu: {kind: azure, base_url: "${AZURE_ENDPOINT}", credentials: [{entra: {managed_identity: true}}]}
  azure-us: {kind: azure, base_url: "https://us.openai.azure.com", credentials: ["${AZURE_KEY}"]}
  anthropic: {kind: anthropic, credentials: [{command: [vault, read]}]}
  vertex: {kind: vertex, project: "${PROJECT}", credentials: [{google: {service_account: nowhere.json}}]}
  bedrock: {kind: bedrock, credentials: [{aws: {profile: default}}, {aws: {container: true}}]}
  # ${NOT_A_REFERENCE}
keys: [{name: ci, hash: "sha256:${CI_HASH}"}]
ledger: {url: "sqlite:/nowhere/at/all.db"}
routes:
  - {model: gpt-5, targets: [openai/gpt-5, azure-eu/gpt-5, azure-us/gpt-5]}
  - {model: [claude, "claude-*"], targets: [anthropic/claude-x, bedrock/claude-x]}
  - {model: gem, targets: [vertex/gemini-x, openai/gpt-5-mini]}
  - {model: vectors, targets: [openai/text-embedding-3-small, azure-eu/text-embedding-3-small]}
"""


def twin() -> Twin:
    return read_twin(Original(TEXT, "t.yaml"), {})


def settings() -> Settings:
    return twin().settings


def test_nothing_that_is_not_here_prevents_a_rehearsal() -> None:
    made = twin()
    assert made.made_up == ("PORT", "OPENAI_API_KEY", "AZURE_ENDPOINT", "AZURE_KEY", "PROJECT", "CI_HASH")
    assert made.clients == ("ci",)
    assert made.settings.keys == ()
    assert made.settings.ledger is None
    openai = made.settings.providers["openai"]
    assert [credential.secret for credential in openai.credentials] == ["rehearsal-openai#1", "rehearsal-openai#2"]


def test_what_does_not_last_gets_an_issuer_and_what_lasts_does_not() -> None:
    made = twin()
    assert set(made.issuers) == {"azure-eu", "vertex", "bedrock"}
    assert len(set(made.issuers.values())) == 3
    profile, container = made.settings.providers["bedrock"].credentials
    assert profile.aws is not None
    assert container.source is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AZURE_OPENAI_ENDPOINT", "https://placeholder.example"),
        ("AWS_REGION", "us-east-1"),
        ("KEY_HASH", "0" * 64),
        ("MY_KEY", "placeholder-my_key"),
    ],
)
def test_made_up_values_have_the_shape_that_is_asked_for(name: str, value: str) -> None:
    assert placeholder(name) == value


def test_real_mistakes_are_still_named() -> None:
    with pytest.raises(ConfigError, match=r"x\.yaml:2: routes\[0\]\.targets"):
        read_twin(Original("providers: {a: {kind: openai}}\nroutes: [{model: m, targets: [b/m]}]", "x.yaml"), {})


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_can_be_rehearsed(path: Path) -> None:
    made = read_twin(Original(path.read_text(), path.name, str(path.parent)), {})
    assert made.settings.routes


HITS = {
    "D4": (("openai",), False),
    "D15": (("azure-eu",), False),  # one region
    "D16": (("azure-eu",), False),  # only whom tokens have
    "D7": (("azure-eu",), True),  # openai has keys: as if
    "D9": (("vertex",), False),
    "D12": (("bedrock",), False),
    "D14": (("openai",), True),
    "D19": (("azure-eu", "azure-us"), False),
}


@pytest.mark.parametrize("name", HITS)
def test_who_is_hit(name: str) -> None:
    assert find_hit(twin(), load(name)) == HITS[name]


def test_an_outage_of_tokens_touches_nobody_who_has_none() -> None:
    text = 'providers: {openai: {kind: openai, credentials: ["k"]}}\nroutes: [{model: m, targets: [openai/m]}]'
    made = read_twin(Original(text, "k.yaml"), {})
    assert find_hit(made, load("D7")) == ((), False)


def test_long_outages_are_squeezed_and_all_have_healthy_time_around_them() -> None:
    for name in ("D4", "D10", "D19"):
        outage = load(name)
        clock = set_clock(outage)
        assert clock.length == min(outage.length, LONGEST)
        assert clock.squeeze == pytest.approx(outage.length / clock.length)
        assert clock.lead >= 60
        assert clock.tail >= 60
        assert clock.place(0) == clock.lead
        assert clock.place(outage.length) == pytest.approx(clock.lead + clock.length)
    assert set_clock(load("D4"), 300).squeeze == pytest.approx(17 * 60 / 300)


def _vendor(outage: Outage, name: str = "openai") -> SimulatedVendor:
    made = twin()
    roles = cast(made, outage, set_clock(outage), 60)
    return SimulatedVendor(name, roles.parts[name])


def test_models_and_keys_play_their_own_parts() -> None:
    from proxy.rehearse.answers import ask

    clock = set_clock(load("D1"))
    vendor = _vendor(load("D1"))

    def mode(key: str, at: float) -> float:
        asked = ask("POST", "/v1/chat/completions", f"rehearsal-openai#{key}", b'{"model":"gpt-5"}')
        return vendor.schedule_for(asked, at).at(at)[0].share

    inside = clock.lead + 100
    assert mode("1", inside) == 1.0
    assert mode("2", inside) == 0.04
    assert vendor.schedule_for(ask("POST", "/v1/chat/completions", "k", b"{}"), 1.0) is vendor.schedule


def test_a_models_name_is_found_wherever_a_format_has_it() -> None:
    from proxy.rehearse.answers import ask

    paths = {
        "/v1/chat/completions": "m",
        "/openai/deployments/gpt-5/chat/completions": "gpt-5",
        "/v1beta/models/gemini-x:streamGenerateContent": "gemini-x",
        "/model/anthropic.claude-x%3A0/converse-stream": "anthropic.claude-x:0",
        "/v1/other": "",
    }
    for path, model in paths.items():
        body = b'{"model":"m"}' if path == "/v1/chat/completions" else b"{}"
        assert ask("POST", path, "k", body).model == model


class TestTraffic:
    def test_equal_dice_give_equal_traffic(self) -> None:
        crowd = Crowd(Mix(), 5.0, ("one", "two"))
        first, second = (make_traffic(settings().routes, crowd, 100, dice(1, "x")) for _ in range(2))
        assert [(ask.at, ask.body, ask.wish) for ask in first] == [(ask.at, ask.body, ask.wish) for ask in second]
        assert 400 < len(first) < 600
        assert {ask.wish.key for ask in first} == {"one", "two"}
        assert {ask.wish.model for ask in first} == {"gpt-5", "claude", "gem", "vectors"}
        assert all(b'"input"' in ask.body for ask in first if ask.route.name == "vectors")

    def test_a_mix_is_read(self) -> None:
        mix = parse_mix("gpt-5=7, claude-*=3,stream=0.5,tools=1,input=2000,output=400", settings().routes)
        assert mix == Mix({"gpt-5": 7, "claude": 3}, 0.5, 1.0, 2000, 400)
        asks = make_traffic(settings().routes, Crowd(mix, 10.0), 60, dice(1, "x"))
        assert {ask.route.name for ask in asks} == {"gpt-5", "claude"}
        assert all(b'"tools"' in ask.body and len(ask.body) > 8000 for ask in asks)
        assert parse_mix("", settings().routes) == Mix()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("gpt-5", "is not NAME=NUMBER"),
            ("gpt-5=x", "is not NAME=NUMBER"),
            ("gpt=1", "is no route; did you mean gpt-5"),
            ("stream=2", "is a share"),
            ("gpt-5=0", "leaves no route with any traffic"),
        ],
    )
    def test_mistakes_in_a_mix_are_named(self, text: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            parse_mix(text, settings().routes)
