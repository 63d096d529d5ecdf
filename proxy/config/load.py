"""From a file to `Settings`, or to every mistake in it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from proxy.config.consistency import Rule, find_problems
from proxy.config.conversion import build
from proxy.config.expand import ReadFile, expand, read_limited
from proxy.config.source import MAX_FILE, Source, decode, read_yaml
from proxy.config.stored_keys import with_stored_keys
from proxy.config.validation import validate
from proxy.core.errors import ConfigError, ConfigProblem
from proxy.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says instead of the file: addresses as in `server:`."""

    listen: str | None = None
    admin: str | None = None


NO_OVERRIDES = Overrides()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where what a file refers to comes from: `env` for `${NAME}`, `read` for `file:`. `spared`: rules not to hold it to."""

    env: Mapping[str, str]
    read: ReadFile = read_limited
    spared: frozenset[Rule] = frozenset()


USUAL_NAMES = ("undimmed.yaml", "undimmed.yml")


def _override(source: Source, overrides: Overrides) -> None:
    for name, value in (("listen", overrides.listen), ("admin", overrides.admin)):
        if value is None:
            continue
        server = source.data.get("server")
        source.data["server"] = {**(server if isinstance(server, dict) else {}), name: value}
        source.lines.pop(("server", name), None)


def find_file(named: str | None, folder: Path) -> Path | None:
    """The file to use: the one that was named, else the usual one where it exists, else none."""
    if named is not None:
        return Path(named)
    return next((folder / usual for usual in USUAL_NAMES if (folder / usual).is_file()), None)


def parse(
    text: str,
    name: str,
    env: Mapping[str, str],
    base: Path | None = None,
    overrides: Overrides = NO_OVERRIDES,
) -> Settings:
    """Settings of a YAML text; ConfigError with all its mistakes, in the order of the lines. `name` is shown as the
    file; `base` is where relative paths begin."""
    return with_stored_keys(parse_in(Surroundings(env), text, name, base, overrides), env)


def parse_in(
    around: Surroundings, text: str, name: str, base: Path | None = None, overrides: Overrides = NO_OVERRIDES
) -> Settings:
    """The same where a file's surroundings are others than this machine's, and without the keys of a store."""
    source = read_yaml(text, name)
    source.folder = base or Path()
    _override(source, overrides)
    problems = expand(source, around.env, source.folder, around.read)
    draft, mistakes = validate(source, problems)
    problems += mistakes
    told = {problem.key for problem in problems}
    problems += [problem for problem in find_problems(draft, around.spared) if problem.key not in told]
    if problems:
        unique = {(problem.key, problem.message): problem for problem in problems}
        raise ConfigError(sorted(unique.values(), key=lambda problem: problem.line or 0))
    return build(draft.document, name, source.folder)


def load(path: Path, env: Mapping[str, str] | None = None, overrides: Overrides = NO_OVERRIDES) -> Settings:
    """Settings of a file; `env` is the process's own unless given."""
    return parse(read_text(path), str(path), os.environ if env is None else env, path.parent, overrides)


def read_text(path: Path) -> str:
    """The text of a configuration file; ConfigError where there is none."""
    name = str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError([ConfigProblem(f"cannot be read: {error.strerror or 'unknown reason'}", name)]) from error
    return decode(raw, name)
