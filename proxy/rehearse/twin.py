"""The twin of a configuration: the same routes, limits and targets, with nothing in it that leads out of the rehearsal.

Secrets that are not here are made up, since none is used: `${NAME}` that is not set, `file:` that cannot be read, key files
that only the serving machine has. Keys become names of keys, and credentials that do not last get their tokens from a
simulated issuer. Addresses stay as they are, for people to read; nobody dials them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from proxy.config.consistency import SURROUNDINGS
from proxy.config.discover import SOURCE, nothing_found, survey, to_yaml
from proxy.config.expand import read_limited
from proxy.config.load import Surroundings, find_file, parse_in, read_text
from proxy.config.local_servers import list_models
from proxy.core.settings import Credential, Provider, Settings
from proxy.core.sources import AwsKeys, AwsProfileSource, CommandSource, FileSource, OAuthSource
from proxy.rehearse.issuer import token_url

_BARE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_COMMENT = re.compile(r"(?m)(?:^|(?<=\s))#.*$")
#: What a made-up value has to look like where more than its presence is checked.
_SHAPES = (
    (re.compile(r"HASH|DIGEST", re.I), "0" * 64),
    (re.compile(r"URL|ENDPOINT|BASE|HOOK", re.I), "https://placeholder.example"),
    (re.compile(r"REGION|LOCATION", re.I), "us-east-1"),
    (re.compile(r"PORT", re.I), "8080"),
)
#: Keys that are read from somewhere and last: an issuer has no part in them.
_LASTING = (FileSource, CommandSource, AwsProfileSource)


@dataclass(frozen=True, slots=True)
class Twin:
    """`settings` to rehearse with. `issuers`: provider to the name of the simulated issuer of its tokens. `made_up`: the
    variables that were not set, for the report. `clients`: names of the clients' keys."""

    settings: Settings
    issuers: Mapping[str, str] = field(default_factory=dict)
    made_up: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()


def placeholder(name: str) -> str:
    """A value for a variable that is not set."""
    return next((value for shape, value in _SHAPES if shape.search(name)), f"placeholder-{name.lower()}")


def _read_or_make_up(path: Path) -> bytes:
    try:
        return read_limited(path)
    except OSError:
        return placeholder(path.name).encode()


@dataclass(frozen=True, slots=True)
class Original:
    """A configuration before anything is made of it. `folder`: where its relative paths begin."""

    text: str
    name: str
    folder: str = "."


def find_original(named: str | None, env: Mapping[str, str]) -> Original:
    """What `undimmed run` would read. ConfigError where there is nothing."""
    path = find_file(named, Path())
    if path is not None:
        return Original(read_text(path), str(path), str(path.parent))
    found = survey(env, list_models)
    if not found:
        raise nothing_found()
    return Original(to_yaml(found), SOURCE)


def read_twin(original: Original, env: Mapping[str, str]) -> Twin:
    """The twin of a configuration. ConfigError with all its mistakes."""
    text, name, folder = original.text, original.name, Path(original.folder)
    missing = tuple(dict.fromkeys(found for found in _BARE.findall(_COMMENT.sub("", text)) if not env.get(found)))
    filled = {**env, **{variable: placeholder(variable) for variable in missing}}
    settings = parse_in(Surroundings(filled, _read_or_make_up, SURROUNDINGS), text, name, folder)
    return make_twin(settings, missing)


def make_twin(settings: Settings, made_up: tuple[str, ...] = ()) -> Twin:
    """The twin of settings that have been read."""
    issuers: dict[str, str] = {}
    providers: dict[str, Provider] = {}
    for number, (name, provider) in enumerate(settings.providers.items(), start=1):
        issuer = f"issuer{number}"
        credentials = tuple(_stand_in(credential, issuer) for credential in provider.credentials)
        if any(credential.source is not None for credential in credentials):
            issuers[name] = issuer
        providers[name] = replace(provider, credentials=credentials)
    clients = tuple(key.name for key in settings.keys)
    return Twin(replace(settings, providers=providers, keys=(), ledger=None, shelf=None), issuers, made_up, clients)


def confine(twin: Twin, routes: Mapping[str, float]) -> Twin:
    """The twin with only the routes that have a weight, and the providers that these use; without weights, with all routes.
    What nobody asks for would only be probed."""
    settings = twin.settings
    kept = tuple(route for route in settings.routes if route.targets and (not routes or routes.get(route.name, 0.0) > 0))
    used = {target.provider for route in kept for target in route.targets}
    providers = {name: provider for name, provider in settings.providers.items() if name in used}
    issuers = {name: issuer for name, issuer in twin.issuers.items() if name in used}
    return replace(twin, settings=replace(settings, routes=kept, providers=providers), issuers=issuers)


def _stand_in(credential: Credential, issuer: str) -> Credential:
    """A credential of the same kind that means nothing outside."""
    source = credential.source
    if source is None and credential.aws is None:
        return Credential(credential.id, key_of(credential.id))
    if credential.aws is not None or isinstance(source, AwsProfileSource):
        return Credential(credential.id, aws=AwsKeys(key_of(credential.id), "a made-up secret"))
    if isinstance(source, _LASTING):
        return Credential(credential.id, key_of(credential.id))
    return Credential(credential.id, source=OAuthSource(token_url(issuer), credential.id, "a made-up secret"))


def key_of(credential: str) -> str:
    """What is sent in place of the key of this credential (its id)."""
    return f"rehearsal-{credential}"
