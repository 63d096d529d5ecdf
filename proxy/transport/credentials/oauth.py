"""OAuth 2 client credentials (RFC 6749 section 4.4), and the form that every token endpoint takes."""

import base64
from urllib.parse import quote, urlencode

from proxy.core.sources import OAuthSource
from proxy.transport.credentials.surroundings import Surroundings, TokenRequest
from proxy.wire.token_answers import Grant, read_token

FORM = ("content-type", "application/x-www-form-urlencoded")


def form(url: str, *fields: tuple[str, str | None], headers: tuple[tuple[str, str], ...] = ()) -> TokenRequest:
    """A POST of these fields, but for those that are None."""
    body = urlencode([(name, value) for name, value in fields if value is not None])
    return TokenRequest("POST", url, (FORM, *headers), body.encode())


async def fetch_oauth(source: OAuthSource, around: Surroundings) -> Grant:
    """A token for the client itself."""
    own = None if source.basic else source.client_id
    request = form(
        source.token_url,
        ("grant_type", "client_credentials"),
        ("client_id", own),
        ("client_secret", None if source.basic else source.client_secret),
        ("scope", source.scope),
        ("audience", source.audience),
        headers=(_basic(source),) if source.basic else (),
    )
    return await around.ask(request, read_token)


def _basic(source: OAuthSource) -> tuple[str, str]:
    """Both parts are form-encoded before they are joined (RFC 6749 section 2.3.1)."""
    pair = f"{quote(source.client_id, safe='')}:{quote(source.client_secret, safe='')}"
    return "authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"
