from pathlib import Path

import pytest

from proxy.config.expand import MAX_SECRET, expand, expand_text
from proxy.config.source import read_yaml

ENV = {"KEY": "sk-1", "EMPTY": "", "ODD": "${KEY}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${KEY}", "sk-1"),
        ("a-${KEY}-b-${KEY}", "a-sk-1-b-sk-1"),
        ("${NOPE:-fallback}", "fallback"),
        ("${EMPTY:-fallback}", "fallback"),
        ("${NOPE:-}", ""),
        ("${KEY:-fallback}", "sk-1"),
        ("$${KEY}", "${KEY}"),
        ("${ODD}", "${KEY}"),
        ("$KEY costs $5", "$KEY costs $5"),
        ("${NOPE:-http://x:1/y}", "http://x:1/y"),
    ],
)
def test_references(text: str, expected: str) -> None:
    assert expand_text(text, ENV) == expected


def problems_of(text: str, base: Path = Path("/nowhere")) -> list[str]:
    return [str(problem) for problem in expand(read_yaml(text, "f.yaml"), ENV, base)]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("${NOPE}", "NOPE is not set"),
        ("${EMPTY}", "EMPTY is empty"),
        ("${no-name}", "takes the name"),
        ("${}", "takes the name"),
        ("a ${KEY", "without its `}`"),
        ("file:missing", "No such file"),
    ],
)
def test_what_leads_nowhere_is_named_with_key_and_line(value: str, words: str) -> None:
    [problem] = problems_of(f"a:\n  - b: '{value}'\n")
    assert problem.startswith("f.yaml:2: a[0].b: ")
    assert words in problem
    assert "sk-1" not in problem


def test_files_are_read_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-2\n")
    source = read_yaml(f"a: file:key\nb: file:{tmp_path}/key\nc: plain\n", "f")
    assert expand(source, ENV, tmp_path) == []
    assert source.data == {"a": "sk-2", "b": "sk-2", "c": "plain"}
    assert source.hidden == {("a",), ("b",)}


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "is empty"), (b"\xff", "not UTF-8"), (b"a" * (MAX_SECRET + 1), "is larger than")]
)
def test_files_that_hold_no_secret(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "key").write_bytes(content)
    [problem] = problems_of("a: file:key\n", tmp_path)
    assert words in problem


def test_every_missing_variable_is_reported() -> None:
    assert len(problems_of("a: '${X}'\nb: ['${Y}', '${KEY}']\nc: {d: '${Z}'}\n")) == 3
