from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.config.discover import OTHER_SERVER, discover, read_settings, survey, to_yaml
from proxy.config.known_models import KNOWN_MODELS
from proxy.config.load import Overrides, parse
from proxy.core.errors import ConfigError
from proxy.core.settings import Credential
from proxy.core.sources import AwsKeys, AwsProfileSource, EntraSource, GoogleFileSource
from proxy.providers.presets import PRESETS


def nobody(port: int, key: str | None) -> Sequence[str] | None:
    return None


def test_providers_by_their_usual_variables() -> None:
    env = {"OPENAI_API_KEY": "sk-1", "OPENAI_API_KEY_2": "sk-2", "OPENROUTER_API_KEY": "sk-3", "GROQ_API_KEY": ""}
    settings = discover(env, nobody)
    assert list(settings.providers) == ["openai", "openrouter"]
    assert settings.providers["openai"].credentials == (Credential("openai#1", "sk-1"), Credential("openai#2", "sk-2"))
    assert all(provider.direct for provider in settings.providers.values())
    gpt = next(route for route in settings.routes if route.name == "gpt-5")
    assert [[target.id for target in tier] for tier in gpt.tiers] == [["openai/gpt-5"], ["openrouter/openai/gpt-5"]]
    assert settings.source == "environment"


@pytest.mark.parametrize(
    ("env", "region"),
    [({}, "us-east-1"), ({"AWS_REGION": "eu-west-1"}, "eu-west-1"), ({"AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2")],
)
def test_bedrock_listens_in_the_region_of_the_environment(env: dict[str, str], region: str) -> None:
    provider = discover({"AWS_BEARER_TOKEN_BEDROCK": "k", **env}, nobody).providers["bedrock"]
    assert (provider.region, provider.origin.host) == (region, f"bedrock-runtime.{region}.amazonaws.com")


AWS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s3cret"}
ENTRA = {"AZURE_OPENAI_ENDPOINT": "https://acme.openai.azure.com/", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}


def test_aws_by_the_variables_of_its_sdks() -> None:
    provider = discover({**AWS, "AWS_REGION": "eu-west-1"}, nobody).providers["bedrock"]
    assert (provider.region, provider.credentials[0].aws) == ("eu-west-1", AwsKeys("AKIA", "s3cret"))
    session = discover({**AWS, "AWS_SESSION_TOKEN": "tok"}, nobody).providers["bedrock"]
    assert session.credentials[0].aws == AwsKeys("AKIA", "s3cret", "tok")
    profile = discover({"AWS_PROFILE": "work"}, nobody).providers["bedrock"]
    assert isinstance(profile.credentials[0].source, AwsProfileSource)


def test_a_key_goes_before_what_else_a_cloud_offers() -> None:
    provider = discover({**AWS, "AWS_BEARER_TOKEN_BEDROCK": "k"}, nobody).providers["bedrock"]
    assert [credential.secret for credential in provider.credentials] == ["k"]


def test_azure_by_key_or_by_entra() -> None:
    keyed = discover({"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://a.openai.azure.com"}, nobody)
    assert keyed.providers["azure"].origin.host == "a.openai.azure.com"
    assert keyed.providers["azure"].credentials[0].secret == "k"
    entra = discover({**ENTRA, "AZURE_CLIENT_SECRET": "s"}, nobody).providers["azure"]
    assert (entra.kind, entra.origin.host) == ("azure", "acme.openai.azure.com")
    assert isinstance(entra.credentials[0].source, EntraSource)
    with pytest.raises(ConfigError, match="AZURE_OPENAI_ENDPOINT"):
        discover({"AZURE_OPENAI_API_KEY": "k"}, nobody)  # nobody knows where


def test_google_cloud_by_its_key_file(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text("{}")
    env = {"GOOGLE_CLOUD_PROJECT": "acme", "GOOGLE_APPLICATION_CREDENTIALS": str(path)}
    provider = discover(env, nobody).providers["vertex"]
    assert (provider.project, provider.region) == ("acme", "global")
    assert isinstance(provider.credentials[0].source, GoogleFileSource)


def test_what_is_printed_names_no_secret() -> None:
    printed = to_yaml(survey({**AWS, **ENTRA, "AZURE_CLIENT_SECRET": "hush"}, nobody))
    assert "s3cret" not in printed
    assert "hush" not in printed


def test_the_same_key_in_two_variables_is_one_credential() -> None:
    settings = discover({"TOGETHER_API_KEY": "k", "TOGETHERAI_API_KEY": "k"}, nobody)
    assert len(settings.providers["together"].credentials) == 1


def test_local_servers_by_their_ports() -> None:
    asked: dict[int, str | None] = {}

    def look(port: int, key: str | None) -> Sequence[str] | None:
        asked[port] = key
        return {11434: ["llama3.2:1b", "qwen3:8b", "qwen3:8b"], 8000: ["qwen3:8b"]}.get(port)

    settings = discover({"VLLM_API_KEY": "v"}, look)
    assert set(asked) == {preset.local_port for preset in PRESETS.values() if preset.local_port}
    assert asked[8000] == "v"
    assert list(settings.providers) == ["ollama", "vllm"]
    assert settings.providers["vllm"].credentials[0].secret == "v"
    by_name = {route.name: [target.id for target in route.targets] for route in settings.routes}
    assert by_name == {"llama3.2:1b": ["ollama/llama3.2:1b"], "qwen3:8b": ["ollama/qwen3:8b", "vllm/qwen3:8b"]}


def test_a_local_server_that_is_away_is_not_a_provider_for_its_key() -> None:
    with pytest.raises(ConfigError):
        discover({"OLLAMA_API_KEY": "k"}, nobody)


def test_beside_llama_cpp_we_listen_elsewhere() -> None:
    settings = discover({}, lambda port, key: ["smollm2"] if port == 8080 else None)
    assert f"127.0.0.1:{settings.server.port}" in OTHER_SERVER
    assert settings.server.port != 8080


def test_a_server_without_models_can_still_be_addressed() -> None:
    settings = discover({}, lambda port, key: [] if port == 11434 else None)
    assert settings.routes == ()
    assert settings.providers["ollama"].direct


ODD = ["a", "on", "a: b", "${HOME}", "$${x}", "é", 'q"uote', "C:\\x", "/models/x.gguf", "12", "-", "#", "1:30", "2024-11-20"]
UNUSABLE = ["", " x", "a*", "x\ny", "file:/etc/passwd"]


def test_what_is_printed_is_what_runs() -> None:
    env = {variable: f"sk-{variable}" for preset in PRESETS.values() for variable in preset.env}
    found = survey(env, lambda port, key: ODD + UNUSABLE if port == 11434 else None)
    text = to_yaml(found)
    assert "sk-" not in text
    settings = discover(env, lambda port, key: ODD + UNUSABLE if port == 11434 else None)
    assert parse(text, "environment", env) == settings
    names = {route.name for route in settings.routes}
    assert set(ODD) | set(KNOWN_MODELS) == names


def test_overrides_hold_here_too() -> None:
    assert discover({"XAI_API_KEY": "k"}, nobody, Overrides(listen="127.0.0.1:9")).server.port == 9


def test_nothing_found_says_what_was_tried_and_what_to_do() -> None:
    with pytest.raises(ConfigError) as caught:
        discover({}, nobody)
    text = str(caught.value)
    for words in ("OPENAI_API_KEY", "OPENROUTER_API_KEY", "ollama 11434", "undimmed demo", "undimmed.yaml"):
        assert words in text


def test_settings_come_from_the_file_where_there_is_one(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings(None, {"XAI_API_KEY": "k"}, nobody).source == "environment"
    (tmp_path / "undimmed.yaml").write_text("providers: {a: {kind: vllm, direct: true}}")
    assert list(read_settings(None, {"XAI_API_KEY": "k"}, nobody).providers) == ["a"]
