"""What cannot be meant in credentials: two origins at once, half of one, files that are not there, secrets in the clear."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from proxy.config.addresses import is_private
from proxy.config.credential_models import AwsModel, CredentialModel, EntraModel, GoogleModel
from proxy.config.credential_sources import place
from proxy.config.models import ProviderModel
from proxy.config.source import Path
from proxy.config.validation import Draft
from proxy.transport.credentials.assertions import available

Findings = Iterator[tuple[Path, str]]

ORIGINS = ("key", "file", "command", "oauth2", "google", "entra", "aws")
#: Kinds that sign their requests with AWS keys; the others send a key or token.
SIGNING_KINDS = frozenset({"bedrock"})
_FILES = (
    ("file",),
    ("google", "service_account"),
    ("google", "authorized_user"),
    ("entra", "federated_token_file"),
    ("aws", "web_identity_token_file"),
)
_ADDRESSES = (("oauth2", "token_url"), ("entra", "authority"), ("aws", "sts_endpoint"))


def check_origins(draft: Draft) -> Findings:
    """Each credential comes from one place, and what is said about that place has an effect."""
    for here, provider, credential in _credentials(draft):
        yield from ((here + path, message) for path, message in _origin(credential))
        if credential.aws is not None and provider.kind not in SIGNING_KINDS:
            yield (
                (*here, "aws"),
                f"kind {provider.kind} sends a key or token and signs nothing, so AWS keys are of no use to it",
            )


def check_files(draft: Draft) -> Findings:
    """Files that credentials are read from can be read."""
    for here, _, credential in _credentials(draft):
        for path in _FILES:
            name = _value(credential, path)
            reason = _unreadable(draft, name) if name else None
            if reason is not None:
                yield (*here, *path), f"{name} cannot be read: {reason}"
        if credential.google is not None and credential.google.service_account is not None and not available():
            yield (
                (*here, "google", "service_account"),
                'needs a package that is not installed: pip install "undimmed[google]"',
            )


def check_issuers(draft: Draft) -> Findings:
    """Secrets go to issuers over TLS only."""
    for here, _, credential in _credentials(draft):
        for path in _ADDRESSES:
            message = _address(_value(credential, path))
            if message:
                yield (*here, *path), message


def _credentials(draft: Draft) -> Iterator[tuple[Path, ProviderModel, CredentialModel]]:
    for name, provider in draft.document.providers.items():
        for index, credential in enumerate(provider.credentials):
            yield ("providers", name, "credentials", index), provider, credential


def _value(credential: CredentialModel, path: tuple[str, ...]) -> str | None:
    found: object = credential
    for step in path:
        found = getattr(found, step, None)
    return found if isinstance(found, str) else None


def _unreadable(draft: Draft, name: str) -> str | None:
    try:
        with place(name, draft.source.folder).open("rb") as stream:
            stream.read(1)
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
    return None


def _address(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not host:
        return "must begin with https:// and a host"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password"
    return None if parts.scheme == "https" or is_private(host) else "would send the secret unencrypted; use https://"


def _origin(credential: CredentialModel) -> Findings:
    given = [name for name in ORIGINS if getattr(credential, name) is not None]
    if not given:
        yield (), f"does not say where the credential comes from: one of {', '.join(ORIGINS)}"
    for name in given[1:]:
        yield (name,), f"a credential comes from one place, and {given[0]} is given already; write two credentials"
    if credential.every is not None and credential.command is None:
        yield ("every",), "has no effect without command"
    if credential.google is not None:
        yield from ((("google", *path), message) for path, message in _google(credential.google))
    if credential.entra is not None:
        yield from ((("entra", *path), message) for path, message in _entra(credential.entra))
    if credential.aws is not None:
        yield from ((("aws", *path), message) for path, message in _aws(credential.aws))


def _one_of(
    section: GoogleModel | EntraModel | AwsModel, names: tuple[str, ...]
) -> tuple[list[str], list[tuple[Path, str]]]:
    """Those of `names` that are given, and what is wrong if that is more than one."""
    given = [name for name in names if getattr(section, name) not in (None, False)]
    return given, [((name,), f"cannot be used together with {given[0]}") for name in given[1:]]


def _google(model: GoogleModel) -> Findings:
    given, twice = _one_of(model, ("service_account", "authorized_user", "metadata"))
    yield from twice
    if not given:
        yield (), "needs one of service_account: /path, authorized_user: /path and metadata: true"
    if given == ["authorized_user"] and model.scope is not None:
        yield ("scope",), "has no effect with authorized_user, whose scope was chosen at the sign-in"


def _entra(model: EntraModel) -> Findings:
    given, twice = _one_of(model, ("client_secret", "federated_token_file", "managed_identity"))
    yield from twice
    if not given:
        yield (), "needs one of client_secret, federated_token_file and managed_identity: true"
    managed = given[:1] == ["managed_identity"]
    for name in ("tenant", "client_id"):
        if not managed and getattr(model, name) is None:
            yield (name,), "is required"
    for name in ("tenant", "authority"):
        if managed and getattr(model, name) is not None:
            yield (name,), "has no effect with managed_identity"


def _aws(model: AwsModel) -> Findings:
    given, twice = _one_of(model, ("access_key", "profile", "container", "instance", "web_identity_token_file"))
    yield from twice
    if not given:
        ways = "access_key and secret_key, profile, container: true, instance: true or web_identity_token_file"
        yield (), f"needs {ways}"
    if model.access_key is not None and model.secret_key is None:
        yield ("secret_key",), "is required with access_key"
    for name in ("secret_key", "session_token"):
        if model.access_key is None and getattr(model, name) is not None:
            yield (name,), "has no effect without access_key"
    if model.role_arn is None:
        if given[:1] == ["web_identity_token_file"]:
            yield ("role_arn",), "is required with web_identity_token_file"
        for name in ("session_name", "external_id", "sts_endpoint"):
            if getattr(model, name) is not None:
                yield (name,), "has no effect without role_arn"
        if model.region is not None and model.profile is None:
            yield ("region",), "has no effect without role_arn or profile; it is the region of STS"
    elif given[:1] == ["web_identity_token_file"] and model.external_id is not None:
        yield ("external_id",), "has no effect with web_identity_token_file"
