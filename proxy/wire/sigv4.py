"""AWS Signature Version 4: the headers that prove who sends a request, as a pure function of its bytes and the time.

    canonical request = METHOD, canonical URI, canonical query, (name:value, sorted), signed names, hex(sha256(body))
    string to sign    = AWS4-HMAC-SHA256, time, date/region/service/aws4_request, hex(sha256(canonical request))
    key               = HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), service), "aws4_request")

For every service but S3 the canonical URI encodes the path that is sent once more (`%3A` becomes `%253A`). Sign what is
sent and only that: a proxy on the way may change hop-by-hop headers. The signature holds for about five minutes around
`wall_time`, so it is made when the request is sent and never kept.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from proxy.core.sources import AwsKeys

ALGORITHM = "AWS4-HMAC-SHA256"
#: Not encoded in a canonical URI or query (RFC 3986's unreserved characters; Python's quote knows the rest).
_UNRESERVED = "-_.~"

Pair = tuple[str, str]


class Scope(NamedTuple):
    """Where a signature counts: `us-east-1`, `bedrock`."""

    region: str
    service: str


class Message(NamedTuple):
    """What is signed. `path` as it is sent, percent-encoded; `query` as pairs, decoded; `headers` as they are sent, `host`
    among them; `body_sha256` in hex."""

    method: str
    path: str
    headers: Sequence[Pair]
    body_sha256: str
    query: Sequence[Pair] = ()


def sign(message: Message, keys: AwsKeys, scope: Scope, wall_time: float) -> list[Pair]:
    """The headers to add: `x-amz-date`, `x-amz-security-token` where the keys have one, and `authorization`."""
    moment = datetime.fromtimestamp(wall_time, UTC).strftime("%Y%m%dT%H%M%SZ")
    added = [("x-amz-date", moment)]
    if keys.session_token is not None:
        added.append(("x-amz-security-token", keys.session_token))
    signed = canonical_headers([*message.headers, *added])
    names = ";".join(signed)
    place = f"{moment[:8]}/{scope.region}/{scope.service}/aws4_request"
    digest = hashlib.sha256(canonical_request(message, signed).encode()).hexdigest()
    text = f"{ALGORITHM}\n{moment}\n{place}\n{digest}"
    signature = _mac(signing_key(keys.secret_key, moment[:8], scope), text).hex()
    proof = f"{ALGORITHM} Credential={keys.access_key}/{place}, SignedHeaders={names}, Signature={signature}"
    return [*added, ("authorization", proof)]


def canonical_request(message: Message, signed: Mapping[str, str]) -> str:
    """The text whose hash is signed; `signed` as `canonical_headers` gives it."""
    return "\n".join(
        (
            message.method,
            quote(message.path or "/", safe=f"/{_UNRESERVED}"),
            canonical_query(message.query),
            *(f"{name}:{value}" for name, value in signed.items()),
            "",
            ";".join(signed),
            message.body_sha256,
        )
    )


def canonical_query(query: Sequence[Pair]) -> str:
    """Encoded, then sorted."""
    encoded = sorted((quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in encoded)


def canonical_headers(headers: Sequence[Pair]) -> dict[str, str]:
    """Lower-case names in order; values with single spaces; those of a repeated name joined by commas."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(" ".join(value.split()))
    return {name: ",".join(values[name]) for name in sorted(values)}


def signing_key(secret_key: str, date: str, scope: Scope) -> bytes:
    """`date` as `20260102`."""
    key = f"AWS4{secret_key}".encode()
    for part in (date, scope.region, scope.service, "aws4_request"):
        key = _mac(key, part)
    return key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
