import random
from pathlib import Path

import pytest
import yaml

from proxy.config.load import Overrides, find_file, load, parse
from proxy.core.errors import ConfigError, ConfigProblem

EXAMPLES = Path(__file__).parents[2] / "config"
GOOD = "providers: {a: {kind: vllm}}\nroutes: [{model: m, targets: [a/x]}]\n"


def test_a_file_is_loaded_and_names_itself(tmp_path: Path) -> None:
    path = tmp_path / "undimmed.yaml"
    path.write_text(GOOD)
    settings = load(path, {})
    assert settings.source == str(path)
    assert settings.routes[0].name == "m"


def test_the_process_environment_is_the_usual_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDIMMED_TEST_MODEL", "from-outside")
    path = tmp_path / "f.yaml"
    path.write_text(GOOD.replace("model: m", "model: '${UNDIMMED_TEST_MODEL}'"))
    assert load(path).routes[0].name == "from-outside"


def test_secrets_in_files_lie_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-9\n")
    path = tmp_path / "f.yaml"
    path.write_text("providers: {a: {kind: openai, credentials: ['file:key'], direct: true}}")
    assert load(path, {}).providers["a"].credentials[0].secret == "sk-9"


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read: "):
        load(tmp_path / name, {})


def test_the_command_line_beats_the_file() -> None:
    settings = parse(f"server: {{listen: 127.0.0.1:1}}\n{GOOD}", "f", {}, overrides=Overrides("127.0.0.1:2", "off"))
    assert (settings.server.port, settings.server.admin_port) == (2, None)
    assert parse(GOOD, "f", {}, overrides=Overrides("127.0.0.1:3")).server.port == 3


def test_the_command_line_is_held_to_the_same_rules() -> None:
    with pytest.raises(ConfigError, match=r"server\.listen: 0\.0\.0\.0:1 is open to others"):
        parse(GOOD, "f", {}, overrides=Overrides("0.0.0.0:1"))


def test_problems_come_in_the_order_of_the_lines() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("routes:\n  - {model: m, targets: [x/y]}\nnonsense: 1\nproviders: {a: {kind: '${NO}'}}\n", "f", {})
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4]


def test_the_usual_file_is_found(tmp_path: Path) -> None:
    assert find_file(None, tmp_path) is None
    (tmp_path / "undimmed.yml").touch()
    assert find_file(None, tmp_path) == tmp_path / "undimmed.yml"
    (tmp_path / "undimmed.yaml").touch()
    assert find_file(None, tmp_path) == tmp_path / "undimmed.yaml"
    assert find_file("other.yaml", tmp_path) == Path("other.yaml")


JUNK = [None, True, 0, -1, 1.5, "", "x", "a/b", "${NOPE}", "3s", [], {}, [None], {"x": 1}, ["a/b", 3], {"kind": "openai"}]


def _mutate(value: object, rng: random.Random) -> object:
    """The same data with something in it replaced, removed or added."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        changed = dict(value)
        if rng.random() < 0.1:
            del changed[key]
        elif rng.random() < 0.1:
            changed[rng.choice(["x", "to", "kind", "model", "when", " ", "models"])] = rng.choice(JUNK)
        else:
            changed[key] = _mutate(value[key], rng)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.9:
        index = rng.randrange(len(value))
        return [_mutate(item, rng) if place == index else item for place, item in enumerate(value)]
    return rng.choice(JUNK)


def _problems(text: str, env: dict[str, str]) -> list[ConfigProblem]:
    try:
        parse(text, "f", env)
    except ConfigError as error:
        return error.problems
    return []


def test_whatever_is_wrong_with_a_file_it_is_a_list_of_problems() -> None:
    data = yaml.safe_load((EXAMPLES / "full.yaml").read_text())
    env = {"OPENAI_API_KEY": "sk-hush", "OPENROUTER_API_KEY": "sk-hush-2"}
    refused = 0
    for seed in range(80):
        rng = random.Random(seed)
        wrong = data
        for _ in range(rng.randint(1, 4)):
            wrong = _mutate(wrong, rng)
        problems = _problems(yaml.safe_dump(wrong), env)
        refused += problems != []
        assert not any("sk-hush" in str(problem) for problem in problems), seed
    assert refused > 40
