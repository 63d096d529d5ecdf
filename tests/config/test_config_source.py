import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.source import MAX_FILE, decode, read_yaml, show_path
from proxy.core.errors import ConfigError


def refuse(text: str) -> tuple[str, int | None]:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "f.yaml")
    return caught.value.problems[0].message, caught.value.problems[0].line


def test_every_value_has_its_line() -> None:
    source = read_yaml("server:\n  listen: x\nroutes:\n  - model: a\n    targets:\n      - b/c\n      - {to: d/e}\n", "f")
    assert source.data["routes"] == [{"model": "a", "targets": ["b/c", {"to": "d/e"}]}]
    assert source.line(("server", "listen")) == 2
    assert source.line(("routes", 0, "targets", 1, "to")) == 7
    assert source.line(("routes", 0, "strategy")) == 4, "what is not there is where it would be"
    assert source.line(("keys",)) == 1


def test_a_key_given_twice_is_named_with_both_lines() -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n", "f.yaml")
    assert [str(problem) for problem in caught.value.problems] == [
        "f.yaml:4: b.c: given twice (first in line 3); only one of them could count",
        "f.yaml:5: a: given twice (first in line 1); only one of them could count",
    ]


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("a:\n\tb: 1\n", "tab", 2),
        ("a: [1, 2\nb: 3\n", "not closed", 2),
        ("a: 'x\n", "never closed", 2),
        ("a: b: c\n", "second `:`", 1),
        ("a: 1\n  b: 2\n", "indentation", 2),
        ("a: *x\n", "alias", 1),
        ("a: @x\n", "quotes", 1),
        ("a: !!python/object:os.system x\n", "tags", 1),
        ("a: !!binary aGVsbG8=\n", "tags", 1),
        ("a: 1\n---\nb: 2\n", "one YAML document", 2),
        ("", "empty", None),
        ("# nothing\n", "empty", None),
        ("- a\n", "key: value", 1),
        ("just text\n", "key: value", 1),
        ("? [a]\n: b\n", "plain text", 1),
        ("a: {<<: 3}\n", "mappings only", 1),
        ("a: \x00\n", "control characters", None),
        ("[" * 100 + "]" * 100, "levels deep", 1),
    ],
)
def test_what_is_not_read_is_said_in_plain_words(text: str, words: str, line: int | None) -> None:
    message, found = refuse(text)
    assert words in message
    assert found == line


def test_secrets_in_broken_yaml_are_not_repeated() -> None:
    assert "sk-secret" not in refuse("a: [sk-secret\nb: sk-secret: sk-secret\n")[0]


def test_an_alias_bomb_stays_small() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "aliases" in refuse("\n".join(lines))[0]


def test_a_merge_bomb_stays_small() -> None:
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    assert "aliases" in refuse("\n".join(lines))[0]


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "a: &a {<<: *a}\n", "a: &a {b: *a}\n"])
def test_an_alias_of_itself_ends(text: str) -> None:
    assert "aliases" in refuse(text)[0]


def test_anchors_and_merges_work() -> None:
    source = read_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n", "f")
    assert source.data["b"] == {"x": 1, "y": 3}
    assert source.data["c"] == {"x": 1, "y": 2}


def test_dates_and_base_60_numbers_stay_text() -> None:
    data = read_yaml("a: 2024-11-20\nb: 8:30\nc: 1:30.5\nd: 012\ne: 1.5\nf: off\ng: 10\nh: null\n", "f").data
    assert data == {"a": "2024-11-20", "b": "8:30", "c": "1:30.5", "d": 10, "e": 1.5, "f": False, "g": 10, "h": None}


def test_a_file_that_is_too_large() -> None:
    assert "larger than" in refuse("a" * (MAX_FILE + 1))[0]
    with pytest.raises(ConfigError, match="larger than"):
        decode(b"a" * (MAX_FILE + 1), "f")


def test_a_file_that_is_not_utf_8_says_where() -> None:
    with pytest.raises(ConfigError, match=r"f:2: not UTF-8"):
        decode(b"a: 1\nb: \xff\n", "f")
    assert decode(b"\xef\xbb\xbfa: 1", "f") == "a: 1"


def test_paths_are_shown_as_people_write_them() -> None:
    assert show_path(("routes", 0, "targets", 1, "to")) == "routes[0].targets[1].to"
    assert show_path(("providers", "a", "models", "x/y")) == 'providers.a.models["x/y"]'


scalars = st.none() | st.booleans() | st.integers() | st.text(alphabet="abc ${}:é\"'#", max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), values, min_size=1, max_size=4))
def test_reads_what_pyyaml_writes(data: dict[str, object]) -> None:
    assert read_yaml(yaml.safe_dump(data, allow_unicode=True), "f").data == data


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"# \n\t%@`,?<1.", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        data: object = read_yaml(text, "f").data
    except ConfigError:
        data = {}
    assert isinstance(data, dict)
