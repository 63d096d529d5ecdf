"""YAML text to plain data that knows where each of its keys stands.

Reads through PyYAML's safe loader but walks the nodes itself, so that every value has a line, a key given twice is an
error instead of a silent overwrite, and aliases cannot blow a small file up: what is read is counted after expansion.
Dates and base-60 numbers, which YAML 1.1 makes of `2024-11-20` and `8:30`, stay the text that was written.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath

import yaml

from proxy.core.errors import ConfigError, ConfigProblem

Data = None | bool | int | float | str | list["Data"] | dict[str, "Data"]
#: Keys and indices from the top: ("routes", 0, "targets", 1).
Path = tuple[str | int, ...]

MAX_FILE = 1024 * 1024
MAX_NODES = 50_000
MAX_DEPTH = 40

_SYNTAX = (
    (r"found character '\\t'", "a tab: YAML allows only spaces for indentation"),
    (r"could not find expected ':'", "this line is neither `key: value` nor a list item; is a `:` or a space missing?"),
    (r"mapping values are not allowed here", "a second `:` in one line; put the value in quotes or fix the indentation"),
    (r"expected <block end>, but found", "the indentation does not fit the lines above"),
    (r"found unexpected end of stream", "a quote or bracket is opened here and never closed"),
    (r"expected ',' or '(\]|\})'", "a `[` or `{` list that is not closed, or a `,` missing in it"),
    (r"found undefined alias", "an alias (`*name`) without its anchor (`&name`)"),
    (r"found character '[%@`]'", "a value cannot begin with this character; put it in quotes"),
    (r"special characters are not allowed", "the file contains control characters"),
    (r"unacceptable character", "the file contains control characters"),
    (r"could not determine a constructor", "YAML tags (`!name`) are not read here"),
    (r"but found another document", "only one YAML document per file (`---` stands in the middle)"),
)


class _Loader(yaml.SafeLoader):
    """Without YAML 1.1's dates and base-60 numbers, and with a limit on nesting, which the composer recurses over."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            mark: yaml.Mark = self.get_mark()
            raise _Refused(f"nested more than {MAX_DEPTH} levels deep", mark.line + 1)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _narrow(resolvers: dict[str, list[tuple[str, re.Pattern[str]]]]) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """PyYAML's implicit types without timestamps."""
    return {first: [pair for pair in pairs if not pair[0].endswith(":timestamp")] for first, pairs in resolvers.items()}


_Loader.yaml_implicit_resolvers = _narrow(yaml.SafeLoader.yaml_implicit_resolvers)


class _Refused(Exception):
    """The text is YAML but not something that is read here."""

    def __init__(self, message: str, line: int, path: Path = ()) -> None:
        super().__init__(message)
        self.problem = (message, line, path)


@dataclass(slots=True)
class Source:
    """A configuration text as data. `lines` holds the line of each key path; `hidden` the paths whose value came from
    outside (environment, files) and so may be secret: messages never repeat those. Relative paths begin at `folder`."""

    name: str
    data: dict[str, Data]
    lines: dict[Path, int] = field(default_factory=dict)
    hidden: set[Path] = field(default_factory=set)
    folder: FilePath = field(default_factory=FilePath)

    def line(self, path: Path) -> int | None:
        """The line of this path or of the nearest thing around it that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def problem(self, path: Path, message: str) -> ConfigProblem:
        return ConfigProblem(message, self.name, self.line(path), show_path(path))


def show_path(path: Path) -> str:
    """`routes[0].targets[1].to`; keys that would be ambiguous are quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z0-9_-]+", step):
            text += f".{step}" if text else step
        else:
            text += f'["{step[:80]}"]'
    return text


class _Walk:
    """One pass over the nodes of one document."""

    def __init__(self, loader: _Loader, source: Source) -> None:
        self.loader = loader
        self.source = source
        self.problems: list[ConfigProblem] = []
        self.count = 0
        self.depth = 0

    def read(self, node: yaml.Node, path: Path) -> Data:
        line = node.start_mark.line + 1
        self.count += 1
        self.depth += 1
        if self.count > MAX_NODES or self.depth > MAX_DEPTH:
            raise _Refused("aliases (`*name`) expand this file to more than can be meant", line, path)
        self.source.lines.setdefault(path, line)
        value = self._value(node, path)
        self.depth -= 1
        return value

    def _value(self, node: yaml.Node, path: Path) -> Data:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: Path) -> Data:
        line = node.start_mark.line + 1
        kind = node.tag.rpartition(":")[2]
        text = str(node.value)
        if kind in ("int", "float") and ":" in text:
            return text
        if kind not in ("null", "bool", "int", "float", "str"):
            raise _Refused("YAML tags (`!name`) are not read here", line, path)
        try:
            value: Data = self.loader.construct_object(node)
        except (ValueError, yaml.constructor.ConstructorError) as error:
            raise _Refused("a number that cannot be read", line, path) from error
        return value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Data]:
        own: dict[str, Data] = {}
        merged: dict[str, Data] = {}
        for key_node, value_node in node.value:
            if key_node.tag.endswith(":merge"):
                merged = {**self._merge(value_node, path), **merged}
                continue
            key = self._key(key_node, path)
            here = (*path, key)
            if key in own:
                first = self.source.lines[here]
                self._complain(here, key_node, f"given twice (first in line {first}); only one of them could count")
                continue
            # A merged-in value may have left its own line here; the key's own one counts.
            self.source.lines[here] = key_node.start_mark.line + 1
            own[key] = self.read(value_node, here)
        return {**merged, **own}

    def _key(self, node: yaml.Node, path: Path) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise _Refused("a key must be plain text", node.start_mark.line + 1, path)
        return str(node.value)

    def _merge(self, node: yaml.Node, path: Path) -> dict[str, Data]:
        sources: Sequence[yaml.Node] = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Data] = {}
        for item in sources:
            found = self.read(item, path)
            if not isinstance(found, dict):
                raise _Refused("`<<` merges mappings only", node.start_mark.line + 1, path)
            result = {**found, **result}
        return result

    def _complain(self, path: Path, node: yaml.Node, message: str) -> None:
        self.problems.append(ConfigProblem(message, self.source.name, node.start_mark.line + 1, show_path(path)))


def decode(raw: bytes, name: str) -> str:
    """Bytes of a file to text; refuses what is too large or not UTF-8."""
    if len(raw) > MAX_FILE:
        raise ConfigError([ConfigProblem(f"larger than {MAX_FILE // 1024} KiB; this cannot be a configuration", name)])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([ConfigProblem("not UTF-8; save the file in that encoding", name, line)]) from error


def _plain(error: yaml.YAMLError) -> tuple[str, int | None]:
    """PyYAML's complaint in plain words. Its own text may quote the file, so only known kinds are passed on."""
    said = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = None if mark is None else mark.line + 1
    for pattern, message in _SYNTAX:
        if re.search(pattern, said):
            return f"not valid YAML: {message}", line
    return "not valid YAML here; check indentation, quotes and brackets", line


def read_yaml(text: str, name: str) -> Source:
    """Data and lines of a YAML text; ConfigError with every duplicate key, or with the first thing unreadable."""
    if len(text) > MAX_FILE:
        raise ConfigError([ConfigProblem(f"larger than {MAX_FILE // 1024} KiB; this cannot be a configuration", name)])
    source = Source(name, {})
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise ConfigError([ConfigProblem("is empty; config/minimal.yaml is a start", name)])
        walk = _Walk(loader, source)
        data = walk.read(node, ())
    except _Refused as refused:
        message, line, path = refused.problem
        raise ConfigError([ConfigProblem(message, name, line, show_path(path))]) from refused
    except yaml.YAMLError as error:
        message, found = _plain(error)
        raise ConfigError([ConfigProblem(message, name, found)]) from error
    if walk.problems:
        raise ConfigError(walk.problems)
    if not isinstance(data, Mapping):
        raise ConfigError([ConfigProblem("must hold `key: value` pairs (providers:, routes:, …) at the top", name, 1)])
    source.data = data
    return source
