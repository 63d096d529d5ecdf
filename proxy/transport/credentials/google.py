"""Tokens of Google's cloud: from a key file (a service account's or a person's), or from the metadata server."""

from collections.abc import Mapping
from urllib.parse import quote

from proxy.core.sources import GOOGLE_METADATA, GoogleFileSource, GoogleMetadataSource
from proxy.transport.credentials.assertions import sign_assertion
from proxy.transport.credentials.oauth import form
from proxy.transport.credentials.surroundings import METADATA_LIMIT, Surroundings, TokenRequest, denied
from proxy.wire.token_answers import Grant, read_object, read_token

TOKEN_URL = "https://oauth2.googleapis.com/token"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: Seconds that an assertion holds.
ASSERTION_LIFE = 3600
_METADATA_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"


async def fetch_google_file(source: GoogleFileSource, around: Surroundings) -> Grant:
    """A token by the key file, which is read each time."""
    fields = read_object((await around.text(source.path)).encode()) or {}
    url = source.token_url or _text(fields, "token_uri") or TOKEN_URL
    if fields.get("type") == "service_account":
        assertion = _assertion(source, fields, url, around.wall())
        return await around.ask(form(url, ("grant_type", JWT_BEARER), ("assertion", assertion)), read_token)
    names = ("refresh_token", "client_id", "client_secret")
    if fields.get("type") == "authorized_user" and all(_text(fields, name) for name in names):
        own = [(name, _text(fields, name)) for name in names]
        return await around.ask(form(url, ("grant_type", "refresh_token"), *own), read_token)
    raise denied(f"{source.path} is not a key file of Google", final=True)


def _assertion(source: GoogleFileSource, fields: Mapping[str, object], url: str, wall: float) -> str:
    email, key = _text(fields, "client_email"), _text(fields, "private_key")
    if email is None or key is None:
        raise denied(f"{source.path} lacks client_email or private_key", final=True)
    begin = int(wall)
    claims = {"iss": email, "scope": source.scope, "aud": url, "iat": begin, "exp": begin + ASSERTION_LIFE}
    try:
        return sign_assertion(key, claims, _text(fields, "private_key_id"))
    except ValueError as error:
        raise denied(f"{source.path} holds a private_key that cannot be read", final=True) from error


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


async def fetch_google_metadata(source: GoogleMetadataSource, around: Surroundings) -> Grant:
    """A token of the machine's own service account; the server keeps it until about five minutes before its end."""
    endpoint = source.endpoint
    if endpoint == GOOGLE_METADATA and around.env.get("GCE_METADATA_HOST"):
        endpoint = f"http://{around.env['GCE_METADATA_HOST']}"
    query = f"?scopes={quote(source.scope, safe='')}" if source.scope else ""
    flavour = ("metadata-flavor", "Google")
    request = TokenRequest("GET", endpoint + _METADATA_PATH + query, (flavour,), limit=METADATA_LIMIT)
    return await around.ask(request, read_token)
