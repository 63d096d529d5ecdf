"""What cannot be meant in providers: no address, no key where one is needed, secrets in the clear, no use at all."""

import re
from collections.abc import Iterator

from proxy.config.addresses import is_loopback, is_private
from proxy.config.conversion import origin_of, preset_of
from proxy.config.models import ProviderModel, split_address
from proxy.config.shapes import ProbeModel
from proxy.config.source import Path
from proxy.config.validation import Draft
from proxy.core.settings import Origin
from proxy.providers.presets import PRESETS
from proxy.providers.relays import RELAYING_KINDS
from proxy.providers.table import KINDS

Findings = Iterator[tuple[Path, str]]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?")
_REGION = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Set for each request by us, or by the connection.
_RESERVED = frozenset(
    [
        *("accept-encoding", "connection", "content-length", "content-type", "expect", "host", "keep-alive"),
        *("proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    ]
)


def check_names(draft: Draft) -> Findings:
    """Provider names become the first part of model names, metrics and log lines."""
    for name in draft.document.providers:
        if not _NAME.fullmatch(name):
            yield ("providers", name), "a provider's name is made of letters, digits, `-`, `_` and `.`"


def check_kinds(draft: Draft) -> Findings:
    """A preset beside a kind that already is one, or that has a kind of its own."""
    for name, provider in draft.document.providers.items():
        here = ("providers", name, "preset")
        if provider.preset is None or provider.preset == provider.kind:
            continue
        if provider.preset != "openai" and provider.preset in KINDS:
            yield here, f"{provider.preset} has a format of its own; write kind: {provider.preset}"
        elif provider.kind != "openai":
            yield here, f"kind {provider.kind} already names a preset; write kind: openai with preset: {provider.preset}"


def check_places(draft: Draft) -> Findings:
    """Regions and projects where an address has them, and such as can stand in one."""
    for name, provider in draft.document.providers.items():
        here = ("providers", name)
        preset = preset_of(provider) if _origin(provider) is not None else PRESETS["custom"]
        if provider.region is not None and not _REGION.fullmatch(provider.region):
            yield (*here, "region"), "a region is made of small letters, digits and `-`"
        elif provider.region is not None and not preset.region:
            yield (*here, "region"), f"has no effect: {preset.name} has no regions"
        elif provider.region is not None and preset.project and provider.project is None:
            yield (*here, "region"), "has no effect without project: express mode is global"
        if provider.api_version is not None and not preset.versions:
            yield (*here, "api_version"), f"has no effect: {preset.name} has no versions"
        elif provider.api_version is not None and not _VERSION.fullmatch(provider.api_version):
            yield (*here, "api_version"), "a version is a date such as 2024-10-21, perhaps with -preview behind it"
        if provider.project is not None and not preset.project:
            yield (*here, "project"), f"has no effect: {preset.name} has no projects"


def _origin(provider: ProviderModel) -> Origin | None:
    try:
        return origin_of(provider)
    except ValueError:
        return None


def check_addresses(draft: Draft) -> Findings:
    """Base URLs are usable, and not the proxy's own address."""
    host, port = split_address(draft.document.server.listen)
    for name, provider in draft.document.providers.items():
        here = ("providers", name, "base_url")
        try:
            origin = origin_of(provider)
        except ValueError as error:
            yield here, str(error)
            continue
        nearby = is_loopback(origin.host) or origin.host == host
        if nearby and port and origin.port == port:
            yield here, f"port {port} of this machine is where the proxy itself listens; change this or server.listen"


def check_credentials(draft: Draft) -> Findings:
    """Keys where the vendor needs one, each once, clean, and not sent in the clear over the internet."""
    for name, provider in draft.document.providers.items():
        here = ("providers", name, "credentials")
        given = provider.credentials
        secrets = [credential.text for credential in given]
        some = any(not credential.empty for credential in given)
        origin = _origin(provider)
        for index, secret in enumerate(secrets):
            if not (secret.isascii() and secret.isprintable()) or " " in secret:
                yield (*here, index), "holds a space, a line break or a character that no key has"
            elif secret and secret in secrets[:index]:
                yield (*here, index), "is the same key as another one of this provider"
            elif not secret and not given[index].empty and given[index] in given[:index]:
                yield (*here, index), "comes from the same place as another one of this provider"
        if origin is None:
            continue
        preset = preset_of(provider)
        if not some and not preset.keyless:
            example = f'credentials: ["${{{preset.env[0]}}}"]' if preset.env else "credentials: [...]"
            yield here, f"{preset.name} needs a key: {example}"
        if some and not origin.tls and not is_private(origin.host) and not provider.allow_plaintext:
            yield (
                ("providers", name, "base_url"),
                "would send the credentials unencrypted; use https://, or allow_plaintext: true if you must",
            )


def check_plaintext(draft: Draft) -> Findings:
    """`allow_plaintext` where nothing is plain or secret."""
    for name, provider in draft.document.providers.items():
        origin = _origin(provider)
        needless = origin is not None and (origin.tls or is_private(origin.host) or not provider.credentials)
        if provider.allow_plaintext and needless:
            yield (
                ("providers", name, "allow_plaintext"),
                "has no effect here: no credential goes over http:// to the internet",
            )


def check_headers(draft: Draft) -> Findings:
    """Header names and values that can be sent, and none that the request itself sets."""
    for name, provider in draft.document.providers.items():
        for header, value in provider.headers.items():
            here = ("providers", name, "headers", header)
            text = value.get_secret_value()
            if not _HEADER.fullmatch(header):
                yield here, "is not a header name"
            elif header.lower() == "authorization":
                yield here, "is made from credentials: put the key there"
            elif header.lower() in _RESERVED:
                yield here, "is set by the proxy itself"
            if not (text.isascii() and text.isprintable()):
                yield here, "its value holds a line break or a character that headers cannot carry"


def check_relay(draft: Draft) -> Findings:
    """Paths are OpenAI's, and so must be whoever gets them as they are."""
    for name, provider in draft.document.providers.items():
        if provider.relay and provider.kind in KINDS and provider.kind not in RELAYING_KINDS:
            yield ("providers", name, "relay"), "works only for providers that speak OpenAI's format"


def check_use(draft: Draft) -> Findings:
    """Every provider, and everything said about its models, is used by some route."""
    if not draft.whole("routes"):
        return
    used = {
        target.to for route in draft.document.routes for tier in (*route.targets, *route.last_resorts) for target in tier
    }
    for name, provider in draft.document.providers.items():
        if not (provider.direct or provider.relay) and not any(to.startswith(f"{name}/") for to in used):
            yield ("providers", name), "no route uses it; add a target, or direct: true so that clients can name it"
            continue
        for model in provider.models:
            if f"{name}/{model}" not in used:
                yield ("providers", name, "models", model), f'has no effect: no route has the target "{name}/{model}"'


def _inert_probe(probe: ProbeModel) -> Iterator[tuple[str, str]]:
    others = [key for key, value in probe if value is not None and key != "kind"]
    if probe.kind == "passive":
        yield from ((key, "has no effect with kind: passive, which never probes") for key in others)
    if probe.kind == "completion" and probe.path is not None:
        yield "path", "has no effect with kind: completion; it is the path of the free probe"
    if probe.kind == "free" and probe.hourly_completions is not None:
        yield "hourly_completions", "has no effect with kind: free, which pays nothing"
    if probe.path is not None and not (probe.path.startswith("/") or _HEADER.match(probe.path)):
        yield "path", "must be a path such as /health or models"


def check_probes(draft: Draft) -> Findings:
    """Settings of probes that are never sent."""
    common = draft.document.defaults.probe
    for key, message in _inert_probe(common) if common is not None else ():
        yield ("defaults", "probe", key), message
    for name, provider in draft.document.providers.items():
        for key, message in _inert_probe(provider.probe) if provider.probe is not None else ():
            yield ("providers", name, "probe", key), message
