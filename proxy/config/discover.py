"""Without a file: the providers that this environment already has keys for, and the model servers of this machine.

What is found becomes the YAML that one would have written, with `${NAME}` in place of every secret; the settings are read
from that very text, so what is printed is what runs.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from proxy.config.cloud_grants import GRANTS, Grant, find_grant
from proxy.config.known_models import KNOWN_MODELS
from proxy.config.load import NO_OVERRIDES, Overrides, find_file, load, parse
from proxy.config.local_servers import list_models
from proxy.core.errors import ConfigError, ConfigProblem
from proxy.core.settings import Settings
from proxy.providers.presets import PRESETS, Preset

SOURCE = "environment"
#: Our usual port; llama.cpp has the same.
USUAL_PORT = 8080
OTHER_SERVER = "{listen: 127.0.0.1:8090, admin: 127.0.0.1:8091}"
MAX_KEYS = 9
MAX_LOCAL_MODELS = 40

#: Models of the server at a port of this machine, given the key it may want; None: no model server there.
Look = Callable[[int, str | None], Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Found:
    """A provider of this environment: the variables that hold its keys, the models of a local server, the variables that
    hold its region and its address ("": the usual ones), and what a cloud offers in place of a key."""

    preset: Preset
    variables: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    region: str = ""
    address: str = ""
    grant: Grant | None = None


def _variables(preset: Preset, env: Mapping[str, str]) -> tuple[str, ...]:
    """NAME, NAME_2 … NAME_9, as far as they are set and differ."""
    names = (name if number == 1 else f"{name}_{number}" for name in preset.env for number in range(1, MAX_KEYS + 1))
    first: dict[str, str] = {}
    for name in names:
        value = env.get(name, "")
        if value:
            first.setdefault(value, name)
    return tuple(first.values())


def _usable(name: str) -> bool:
    """A model name that can stand in a file as it is."""
    return name.isprintable() and name == name.strip() != "" and "*" not in name and not name.startswith("file:")


def survey(env: Mapping[str, str], look: Look) -> list[Found]:
    """Everything found, in the order of the presets; ports are asked all at once."""
    keys = {preset.name: _variables(preset, env) for preset in PRESETS.values()}
    local = {preset.name: preset.local_port for preset in PRESETS.values() if preset.local_port is not None}

    def ask(name: str) -> Sequence[str] | None:
        return look(local[name], env[keys[name][0]] if keys[name] else None)

    with ThreadPoolExecutor(max_workers=max(1, len(local))) as pool:
        answers = dict(zip(local, pool.map(ask, local), strict=True))
    found: list[Found] = []
    for preset in PRESETS.values():
        variables, models = keys[preset.name], answers.get(preset.name)
        if preset.name in local and models is not None:
            usable = dict.fromkeys(model for model in models if _usable(model))
            found.append(Found(preset, variables, tuple(usable)[:MAX_LOCAL_MODELS]))
        elif preset.name not in local and variables:
            address = next(filter(env.get, preset.address_env), "")
            if address or preset.base_url:
                found.append(Found(preset, variables, region=_region(preset, env), address=address))
        elif (grant := find_grant(preset.name, env)) is not None:
            found.append(Found(preset, region=_region(preset, env), grant=grant))
    return found


def _region(preset: Preset, env: Mapping[str, str]) -> str:
    return next(filter(env.get, preset.region_env), "")


def _routes(found: Sequence[Found]) -> dict[str, list[str]]:
    """Public model -> targets, one tier each."""
    present = {item.preset.name for item in found}
    routes: dict[str, list[str]] = {}
    for public, places in KNOWN_MODELS.items():
        targets = [f"{vendor}/{model}" for vendor, model in places if vendor in present]
        if targets:
            routes[public] = targets
    for item in found:
        for model in item.models:
            routes.setdefault(model, []).append(f"{item.preset.name}/{model}")
    return routes


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
_WORDS = frozenset(["true", "false", "yes", "no", "on", "off", "null", "y", "n"])


def _scalar(text: str) -> str:
    """The text as YAML reads it back: bare where that is safe, else quoted; `${` is escaped against expansion."""
    text = text.replace("${", "$${")
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text, ensure_ascii=False)


def _lines(found: Sequence[Found]) -> Iterator[str]:
    if any(item.preset.local_port == USUAL_PORT for item in found):
        yield f"server: {OTHER_SERVER}"
    yield "providers:"
    for item in found:
        keys = [f'"${{{name}}}"' for name in item.variables]
        besides = ""
        if item.grant is not None:
            keys.append(item.grant.credential)
            besides = f"{item.grant.besides}, " if item.grant.besides else ""
        credentials = f"credentials: [{', '.join(keys)}], " if keys else ""
        region = f'region: "${{{item.region}}}", ' if item.region else ""
        address = f'base_url: "${{{item.address}}}", ' if item.address else ""
        yield f"  {item.preset.name}: {{kind: {item.preset.name}, {besides}{address}{region}{credentials}direct: true}}"
    routes = _routes(found)
    if routes:
        yield "routes:"
    for model, targets in routes.items():
        yield f"  - {{model: {_scalar(model)}, targets: [{', '.join(_scalar(target) for target in targets)}]}}"


def to_yaml(found: Sequence[Found]) -> str:
    """The file that says what was found; no secret is in it."""
    return "\n".join(_lines(found)) + "\n"


def nothing_found() -> ConfigError:
    """What was tried, and what to do now."""
    variables = ", ".join(preset.env[0] for preset in PRESETS.values() if preset.env and preset.local_port is None)
    clouds = "; ".join(dict.fromkeys(f"{grant.preset} {' + '.join(grant.needs)}" for grant in GRANTS))
    servers = ", ".join(f"{preset.name} {preset.local_port}" for preset in PRESETS.values() if preset.local_port)
    return ConfigError(
        [
            ConfigProblem(
                "no undimmed.yaml here, and no provider found.\n"
                f"  keys looked for in the environment: {variables}\n"
                f"  or a cloud's own: {clouds}\n"
                f"  local servers looked for on their usual ports: {servers}\n"
                "  Set one of the variables, start a local server, or write an undimmed.yaml.\n"
                "  To see it work without any of that: undimmed demo"
            )
        ]
    )


def read_found(found: Sequence[Found], env: Mapping[str, str], overrides: Overrides = NO_OVERRIDES) -> Settings:
    """Settings of what was found; ConfigError where that is nothing."""
    if not found:
        raise nothing_found()
    return parse(to_yaml(found), SOURCE, env, overrides=overrides)


def discover(env: Mapping[str, str], look: Look, overrides: Overrides = NO_OVERRIDES) -> Settings:
    """Settings of this environment; ConfigError says what was tried if there is nothing."""
    return read_found(survey(env, look), env, overrides)


def read_settings(named: str | None, env: Mapping[str, str], look: Look = list_models) -> Settings:
    """What `undimmed run` would run: the file named, else the usual one in this folder, else what is found."""
    path = find_file(named, Path())
    return discover(env, look) if path is None else load(path, env)
