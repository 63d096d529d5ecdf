"""Client keys of the key store as the proxy's settings have them, and the pepper that they need.

A store whose digests nobody could check is refused, not ignored: without its pepper every one of its keys would be turned
away, and whoever starts the proxy should hear of that first.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from proxy.config.limit_rules import find_zone
from proxy.core.errors import ConfigError, ConfigProblem
from proxy.core.keys import KEYED, LEAST_PEPPER
from proxy.core.limits import Budget, Limits, Period, Rates, Unit, Unpriced
from proxy.core.priorities import NORMAL, RANKS
from proxy.core.settings import ClientKey, Settings
from proxy.stores.key_store import BadKeyFile, StoredBudget, StoredKey, check_pepper, read_keys

PEPPER = "UNDIMMED_KEY_PEPPER"
_MAKE_ONE = "make one with `openssl rand -hex 32` and keep it: without it no key can be checked"


def with_stored_keys(settings: Settings, env: Mapping[str, str]) -> Settings:
    """The settings with their pepper, and the keys of their store. ConfigError."""
    try:
        pepper = read_pepper(env)
        _check_written(settings, pepper)
        stored = _read_store(settings, pepper)
    except _Refused as refused:
        raise ConfigError([ConfigProblem(refused.message, settings.source, None, refused.key)]) from refused
    if stored is None or settings.key_store is None:
        return replace(settings, pepper=pepper)
    store = replace(settings.key_store, found=True)
    return replace(settings, pepper=pepper, keys=(*settings.keys, *stored), key_store=store)


class _Refused(Exception):
    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key
        self.message = message


def read_pepper(env: Mapping[str, str]) -> bytes:
    """The pepper of this environment, b"" where there is none."""
    pepper = env.get(PEPPER, "").strip()
    if pepper and len(pepper) < LEAST_PEPPER:
        raise _Refused("key_store", f"{PEPPER} has fewer than {LEAST_PEPPER} characters; {_MAKE_ONE}")
    return pepper.encode()


def missing_pepper(what: str) -> str:
    """That there is no pepper, and what to do."""
    return f"{what} needs the environment variable {PEPPER}, which is not set; {_MAKE_ONE}"


def _check_written(settings: Settings, pepper: bytes) -> None:
    for number, key in enumerate(settings.keys):
        if key.digest.startswith(KEYED) and not pepper:
            raise _Refused(f"keys[{number}].hash", missing_pepper("a hash that begins with `hmac:`"))


def _read_store(settings: Settings, pepper: bytes) -> tuple[ClientKey, ...] | None:
    """None: there is no store, or none yet."""
    if settings.key_store is None:
        return None
    path = Path(settings.key_store.path)
    try:
        found = read_keys(path)
        if found is None:
            return None
        if found.keys and not pepper:
            raise _Refused("key_store", missing_pepper(str(path)))
        check_pepper(found, pepper)
    except BadKeyFile as error:
        raise _Refused("key_store", f"{path} {error}") from error
    except OSError as error:
        raise _Refused("key_store", f"{path} cannot be read: {error.strerror or 'unknown reason'}") from error
    doubled = {key.name for key in settings.keys} & {key.name for key in found.keys}
    if doubled:
        raise _Refused("key_store", f"these keys stand under keys: and in {path}: {', '.join(sorted(doubled))}")
    routes = {public: route.name for route in settings.routes for public in route.models}
    return tuple(_key(key, routes) for key in found.keys)


def _key(key: StoredKey, routes: Mapping[str, str]) -> ClientKey:
    """`routes`: public model names and the names of their routes. A route that is gone allows nothing."""
    return ClientKey(
        key.name,
        key.hash,
        routes=None if key.routes is None else frozenset(routes.get(name, name) for name in key.routes),
        tags=tuple(sorted(key.tags)),
        expires=key.expires,
        former=tuple((former.hash, former.until) for former in key.former),
        limits=_limits(key.rpm, key.tpm, key.concurrent, tuple(key.budgets)),
        priority=key.priority if key.priority in RANKS else NORMAL,
    )


@lru_cache(maxsize=1024)  # many keys, few sorts of limits
def _limits(rpm: int | None, tpm: int | None, concurrent: int | None, budgets: tuple[StoredBudget, ...]) -> Limits:
    return Limits(Rates(rpm, tpm, concurrent), tuple(map(_budget, budgets)))


def _budget(budget: StoredBudget) -> Budget:
    zone = find_zone(budget.zone)
    unpriced = Unpriced(budget.on_unpriced)
    return Budget(budget.amount, Unit(budget.unit), Period(budget.per), zone, budget.soft, unpriced)
