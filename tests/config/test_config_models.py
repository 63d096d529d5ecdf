"""The schema for editors, and the examples that users copy."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from proxy.config.load import load
from proxy.config.messages import _section_in
from proxy.config.models import Document, split_address
from proxy.core.settings import BreakerSettings, ProbeSettings, RetrySettings, ServerSettings, Timeouts

EXAMPLES = Path(__file__).parents[2] / "config"
ENV = {
    "OPENAI_API_KEY": "sk-1",
    "OPENROUTER_API_KEY": "sk-2",
    "GROQ_API_KEY": "sk-3",
    "SLACK_WEBHOOK": "https://hooks.slack.com/services/T/B/x",
    "ANTHROPIC_API_KEY": "sk-ant-4",
    "GOOGLE_CLOUD_PROJECT": "acme",
    "AZURE_OPENAI_ENDPOINT": "https://acme.openai.azure.com",
    "AWS_ROLE_ARN": "arn:aws:iam::1:role/llm",
}
SCHEMA = jsonschema.Draft202012Validator(Document.model_json_schema())
FILES = sorted(EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_example_loads(path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "openai"
    secret.write_text("sk-4")
    copy = tmp_path / path.name
    copy.write_text(path.read_text().replace("/run/secrets/openai", str(secret)))
    settings = load(copy, {**ENV, "AWS_WEB_IDENTITY_TOKEN_FILE": str(secret)})
    assert settings.routes


def test_the_examples_are_there() -> None:
    names = ["failover.yaml", "full.yaml", "local.yaml", "minimal.yaml", "team.yaml", "vendors.yaml"]
    assert [path.name for path in FILES] == names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_schema_agrees_with_the_examples(path: Path) -> None:
    data = yaml.safe_load(path.read_text())
    if data.get("server", {}).get("admin") is False:
        data["server"]["admin"] = "off"
    assert not list(SCHEMA.iter_errors(data))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(Document.model_json_schema())


@pytest.mark.parametrize(
    "wrong",
    [
        {"routes": [{"model": "m"}]},
        {"routes": [{"model": "m", "targets": ["x"]}]},
        {"routes": [{"model": "m", "targets": ["a/x"], "strategy": "fastst"}]},
        {"providers": {"a": {"kind": "opnai"}}},
        {"providers": {"a": {"kind": "openai", "nonsense": 1}}},
        {"alerts": {}},
        {"ledger": {"path": "x"}},
    ],
)
def test_the_schema_shows_mistakes(wrong: dict[str, object]) -> None:
    assert list(SCHEMA.iter_errors(wrong))


def sections(section: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield section
    for field in section.model_fields.values():
        inner = _section_in(field.annotation)
        if inner is not None:
            yield from sections(inner)


EVERY = sorted(set(sections(Document)), key=lambda section: section.__name__)


@pytest.mark.parametrize("section", EVERY, ids=lambda section: section.__name__)
def test_every_key_is_described_and_stands_in_full_yaml(section: type[BaseModel]) -> None:
    text = (EXAMPLES / "full.yaml").read_text()
    assert section.__doc__
    for name, field in section.model_fields.items():
        assert field.description, f"{section.__name__}.{name} has no description"
        assert re.search(rf"(?:^|[\s{{]){name}:", text), f"{section.__name__}.{name} is not in full.yaml"


def test_full_yaml_shows_the_shipped_defaults() -> None:
    settings = load(EXAMPLES / "full.yaml", ENV)
    assert replace(settings.server, memory_limit=None) == ServerSettings()
    assert settings.breaker == BreakerSettings()
    assert settings.retry == RetrySettings()
    assert settings.timeouts == Timeouts(answer=Timeouts().whole)
    assert settings.providers["openrouter"].probe == ProbeSettings()


def test_descriptions_give_the_shipped_defaults() -> None:
    """Wherever a description says `Default 3s.` that is what the settings say."""
    from proxy.config.shapes import BreakerModel, ProbeModel, RetryModel, TimeoutModel
    from proxy.config.units import parse_duration

    pairs = (
        (TimeoutModel, Timeouts()),
        (RetryModel, RetrySettings()),
        (BreakerModel, BreakerSettings()),
        (ProbeModel, ProbeSettings()),
    )
    checked = 0
    for model, shipped in pairs:
        for name, field in model.model_fields.items():
            said = re.search(r"Default ([0-9][0-9.a-z]*)\.$", field.description or "")
            if said:
                assert parse_duration(said.group(1)) == getattr(shipped, name), name
                checked += 1
    assert checked > 20


def test_listen_addresses_are_split() -> None:
    assert split_address("[::1]:80") == ("::1", 80)
    assert split_address("localhost:80") == ("localhost", 80)
