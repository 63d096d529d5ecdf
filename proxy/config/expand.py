"""`${NAME}`, `${NAME:-default}` and `file:/path` in the values of a configuration.

Works on the data after YAML has been read, so that what comes in can never change the structure of the file. Secrets may
come this way: no message repeats a value, and the places they went to are remembered as hidden.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath

from proxy.config.source import Data, Path, Source
from proxy.core.errors import ConfigProblem

_REFERENCE = re.compile(r"\$(\$)?\{([^}]*)\}")
_UNCLOSED = re.compile(r"(?<!\$)\$\{[^}]*$")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE = "file:"
MAX_SECRET = 64 * 1024

ReadFile = Callable[[FilePath], bytes]


class _Missing(Exception):
    """A reference that leads nowhere; the text says why."""


def _look_up(reference: str, env: Mapping[str, str]) -> str:
    name, marker, default = reference.partition(":-")
    if not _NAME.fullmatch(name):
        raise _Missing(
            "${…} takes the name of an environment variable: ${NAME} or ${NAME:-default}; write $${ for a plain ${"
        )
    value = env.get(name, "")
    if value or marker:
        return value or default
    state = "is empty" if name in env else "is not set"
    raise _Missing(f"the environment variable {name} {state} (${{{name}:-default}} would give it a default)")


def expand_text(text: str, env: Mapping[str, str]) -> str:
    """The text with its references replaced, once: what comes out is not looked at again."""

    if _UNCLOSED.search(text):
        raise _Missing("`${` without its `}`; write $${ for a plain ${")

    def replace(found: re.Match[str]) -> str:
        escaped, reference = found.groups()
        return f"${{{reference}}}" if escaped else _look_up(reference, env)

    return _REFERENCE.sub(replace, text)


def read_limited(path: FilePath) -> bytes:
    """The start of a file, one byte more than is allowed so that the caller can tell."""
    with path.open("rb") as stream:
        return stream.read(MAX_SECRET + 1)


def _read(text: str, base: FilePath, read: ReadFile) -> str:
    place = text.removeprefix(_FILE)
    try:
        raw = read(base / FilePath(place).expanduser())
        value = raw.decode().strip()
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "it cannot be opened"
        raise _Missing(f"cannot read {place}: {reason}") from error
    except ValueError as error:
        raise _Missing(f"cannot read {place}: it is not UTF-8 text") from error
    if not value:
        raise _Missing(f"{place} is empty")
    if len(raw) > MAX_SECRET:
        raise _Missing(f"{place} is larger than {MAX_SECRET // 1024} KiB")
    return value


def expand(source: Source, env: Mapping[str, str], base: FilePath, read: ReadFile = read_limited) -> list[ConfigProblem]:
    """Replace references in every text value of `source`, in place; what could not be found comes back as problems.
    `file:` paths are relative to `base`, the folder of the configuration."""
    problems: list[ConfigProblem] = []

    def visit(value: Data, path: Path) -> Data:
        if isinstance(value, dict):
            return {key: visit(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [visit(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or not ("${" in value or value.startswith(_FILE)):
            return value
        source.hidden.add(path)
        try:
            text = expand_text(value, env)
            return _read(text, base, read) if value.startswith(_FILE) else text
        except _Missing as missing:
            problems.append(source.problem(path, str(missing)))
            return value

    source.data = {key: visit(value, (key,)) for key, value in source.data.items()}
    return problems
