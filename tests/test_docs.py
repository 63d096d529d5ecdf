"""What the README promises exists, and what exists stands in the README."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from proxy.cli.main import COMMANDS, build_parser
from proxy.config.models import Document
from proxy.policy.strategies import STRATEGIES
from proxy.providers.presets import PRESETS
from proxy.server.metrics import METRICS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def sections(model: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> set[type[BaseModel]]:
    """A section of the file and all below it."""
    seen = set() if seen is None else seen
    if model in seen:
        return seen
    seen.add(model)

    def walk(annotation: object) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            sections(annotation, seen)
        for part in getattr(annotation, "__args__", ()):
            walk(part)

    for field in model.model_fields.values():
        walk(field.annotation)
    return seen


@pytest.mark.parametrize("section", sorted(sections(Document), key=lambda s: s.__name__), ids=lambda s: s.__name__)
def test_every_key_of_the_file_is_explained(section: type[BaseModel]) -> None:
    for name, field in section.model_fields.items():
        if section is Document:
            assert f"`{name}" in README
        else:
            assert f"| `{name}` | {field.description} |" in README, f"{section.__name__}.{name}"


def test_every_metric_strategy_and_preset_is_listed() -> None:
    for metric in METRICS:
        assert f"| `{metric.name}` | {metric.type} | {metric.help} |" in README
    for name in STRATEGIES:
        assert f"| `{name}` |" in README
    for preset in PRESETS.values():
        assert f"| `{preset.name}` |" in README
        assert preset.base_url in README


def test_every_reply_header_is_listed() -> None:
    source = "".join(path.read_text() for path in (ROOT / "proxy/pipeline").glob("*.py"))
    headers = set(re.findall(r'b"(x-undimmed-[a-z-]+)"', source))
    assert len(headers) > 8
    for header in headers:
        assert f"`{header}`" in README, header


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_listed(name: str) -> None:
    commands = next(action for action in build_parser(name)._actions if action.dest == "command")
    assert isinstance(commands.choices, dict)
    assert f"`undimmed {name}" in README
    for action in commands.choices[name]._actions:
        for option in action.option_strings:
            if option.startswith("--") and option != "--help":
                assert f"`{option}" in README, f"{name} {option}"


def test_the_way_of_a_call_names_only_what_exists() -> None:
    flow = README.split("## What happens to a request")[1].split("### Where the code is")[0]
    code = "\n".join(path.read_text() for path in (ROOT / "proxy").rglob("*.py"))
    for name in re.findall(r"`([A-Za-z_.]+)`", flow):
        last = name.split(".")[-1]
        if name.endswith((".py", "/")) or "/" in name:
            continue
        assert re.search(rf"(def|class) {last}\b", code), name
    for path in re.findall(r"`([a-z_/]+\.py)`", README):
        assert (ROOT / "proxy" / path).exists() or (ROOT / path).exists(), path


def test_every_dependency_has_its_reason() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    reasons = README.split("## Dependencies")[1].split("## ")[0]
    for line in project["dependencies"]:
        assert re.split(r"[<>=;\[ ]", line)[0] in reasons.lower()


def test_every_example_file_is_named_and_exists() -> None:
    for path in (ROOT / "config").glob("*.yaml"):
        assert f"`{path.name}`" in README
