"""What cannot be meant in listeners, client keys and common defaults."""

from collections.abc import Iterator

from proxy.config.addresses import is_loopback
from proxy.config.conversion import overlay
from proxy.config.messages import nearest
from proxy.config.models import split_address
from proxy.config.source import Path
from proxy.config.units import show_duration
from proxy.config.validation import Draft
from proxy.core.settings import BreakerSettings

Findings = Iterator[tuple[Path, str]]
#: What a key is given to allow addresses of the form provider/model.
DIRECT = "direct"
RELAY = "relay"


def check_listeners(draft: Draft) -> Findings:
    """Without client keys only this machine may connect; two listeners need two ports."""
    server = draft.document.server
    # A broken key is still a key: its own mistake is enough.
    keys = bool(draft.document.keys) or draft.document.key_store is not None or not draft.whole("keys")
    for name, address in (("listen", server.listen), ("admin", server.admin)):
        if address == "off":
            continue
        host, _ = split_address(address)
        if not is_loopback(host) and not keys:
            yield (
                ("server", name),
                f"{address} is open to others, and there are no keys: anyone could spend your credentials; "
                "add keys: or key_store:, or listen on 127.0.0.1",
            )
    if server.admin != "off":
        port = split_address(server.listen)[1]
        if port == split_address(server.admin)[1] != 0:
            yield ("server", "admin"), f"port {port} is already taken by server.listen"


def check_keys(draft: Draft) -> Findings:
    """Each key once, for routes that exist."""
    document = draft.document
    public = [name for route in document.routes for name in route.model]
    names: set[str] = set()
    digests: set[str] = set()
    for place, key in zip(draft.key_places, document.keys, strict=True):
        here = ("keys", place)
        if key.name in names:
            yield (*here, "name"), f'there is another key named "{key.name}"'
        if key.hash in digests:
            yield (*here, "hash"), "is the same key as another one"
        names.add(key.name)
        digests.add(key.hash)
        if key.routes is not None and not key.routes:
            yield (*here, "routes"), "allows nothing; leave it out to allow everything"
        if not draft.whole("routes"):
            continue
        for index, route in enumerate(key.routes or ()):
            provider = document.providers.get(route.partition("/")[0])
            direct = provider.direct if provider is not None and "/" in route else route == DIRECT and _any_direct(draft)
            if route not in public and not direct and route != RELAY:
                yield (*here, "routes", index), f'there is no route for "{route}"{nearest(route, public)}'


def check_key_store(draft: Draft) -> Findings:
    """A store whose folder is missing could never be written."""
    if draft.document.key_store is not None:
        path = draft.source.folder / draft.document.key_store
        if path.is_dir():
            yield ("key_store",), f"{path} is a folder"
        elif not path.parent.is_dir():
            yield ("key_store",), f"there is no folder {path.parent}"


def _any_direct(draft: Draft) -> bool:
    return any(provider.direct for provider in draft.document.providers.values())


def check_breaker(draft: Draft) -> Findings:
    """Rules that can never trip."""
    own = draft.document.defaults.breaker
    if own is None:
        return
    breaker = overlay(BreakerSettings(), own)
    failures, recent = breaker.recent_failures, breaker.recent
    if failures > recent:
        here = "recent_failures" if own.recent_failures is not None else "recent"
        yield ("defaults", "breaker", here), f"recent_failures ({failures}) is above recent ({recent}): it can never trip"
    if breaker.open_for > breaker.open_cap:
        here = "open_for" if own.open_for is not None else "open_cap"
        values = f"open_for ({show_duration(breaker.open_for)}) is above open_cap ({show_duration(breaker.open_cap)})"
        yield ("defaults", "breaker", here), values
    if breaker.consecutive > breaker.minimum:
        here = "consecutive" if own.consecutive is not None else "minimum"
        values = f"consecutive ({breaker.consecutive}) is above minimum ({breaker.minimum})"
        yield ("defaults", "breaker", here), f"{values}: it counts only below that many calls"
    if not breaker.stall:
        for key in ("stall_count", "stall_factor", "stall_floor"):
            if getattr(own, key) is not None:
                yield ("defaults", "breaker", key), "has no effect with stall: false"


def check_anything(draft: Draft) -> Findings:
    """There is something to serve."""
    document = draft.document
    if not (draft.whole("providers") and draft.whole("routes")):
        return
    if not document.providers:
        yield ("providers",), "there are no providers; config/minimal.yaml is a start"
    elif not document.routes and not _any_direct(draft):
        yield ("routes",), "there are no routes, and no provider has direct: true: nothing could be asked for"
