"""Everything the listener itself says no to: one table line per reason, in OpenAI's error shape.

`reason` is the label under which a refusal is counted. `close`: the connection ends after it, whatever the client
would prefer, because where the next request starts is no longer certain. Hardly any of these can be cured by asking again
unchanged, so all carry `x-should-retry: false` (the official SDKs obey it) but those marked `retry`.
"""

import json
import math
from dataclasses import dataclass, replace
from functools import lru_cache

from proxy.core.exchange import HeaderList
from proxy.server.endpoints import KNOWN_PATHS


@dataclass(frozen=True, slots=True)
class Refusal:
    """`code` and `type` are OpenAI's words; `headers` come on top of the usual ones."""

    reason: str
    status: int
    message: str
    code: str | None = None
    param: str | None = None
    type: str = "invalid_request_error"
    close: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()
    retry: bool = False


def _malformed(reason: str, message: str) -> Refusal:
    return Refusal(reason, 400, message, close=True)


#: A page would have to hold a key of this proxy, which everybody who sees the page could take.
_NO_BROWSERS = "Browsers are not served: call this proxy from a server of yours, and let the page ask that server."

BAD_SYNTAX = _malformed("bad_syntax", "The request is not valid HTTP/1.1.")
BAD_TARGET = _malformed("bad_target", "The request target must be a path in origin form, such as /v1/chat/completions.")
BAD_PATH = _malformed("bad_path", "The path or its query holds something that not everybody reads alike.")
BAD_HEADER = _malformed(
    "bad_header", "A header is spelled with an underscore for its hyphen, or holds bytes that are not text."
)
BAD_HOST = _malformed("bad_host", "The Host header is missing or malformed.")
BAD_FRAMING = _malformed("bad_framing", "The body's length is unclear; Transfer-Encoding must be 'chunked', in HTTP/1.1.")
BODY_ON_GET = _malformed("body_on_get", "GET and HEAD requests must not carry a body.")
WEBSOCKET = _malformed(
    "websocket",
    "This is no WebSocket handshake that is served here; sessions open with GET /v1/realtime?model=…, in HTTP/1.1.",
)
BAD_VERSION = Refusal("bad_version", 505, "This proxy speaks HTTP/1.0 and HTTP/1.1.", close=True)
HEAD_TOO_LARGE = Refusal("head_too_large", 431, "The request line or the headers are too large.", close=True)
SLOW_HEAD = Refusal("slow_head", 408, "The request's headers did not arrive in time.", close=True)
SLOW_BODY = Refusal("slow_body", 408, "The request's body did not arrive in time.", close=True)
BODY_TOO_LARGE = Refusal("body_too_large", 413, "The request body is larger than this proxy accepts (server.max_body).")
ENCODED_BODY = Refusal("encoded_body", 415, "Request bodies must not be compressed (Content-Encoding).")
EXPECTATION = Refusal("expectation", 417, "The only expectation understood is 100-continue.")
FOREIGN_HOST = Refusal(
    "foreign_host",
    421,
    "This proxy does not serve the host named in the Host header; add it to server.hosts if it should.",
    code="misdirected_request",
)
FOREIGN_ORIGIN = Refusal(
    "foreign_origin",
    403,
    f"This request comes from a web page of another origin. {_NO_BROWSERS}",
    code="origin_not_allowed",
)
PREFLIGHT = Refusal(
    "preflight",
    403,
    f"This is a browser's question (CORS preflight) whether a web page may call this proxy: it may not. {_NO_BROWSERS}",
    code="origin_not_allowed",
)
UNAUTHENTICATED = Refusal(
    "unauthenticated",
    401,
    "No valid API key of this proxy was given; send it as 'Authorization: Bearer <key>' or 'x-api-key: <key>'.",
    code="invalid_api_key",
    headers=((b"www-authenticate", b"Bearer"),),
)
KEY_RESTRICTED = Refusal(
    "key_restricted",
    403,
    "This key is restricted to some routes (keys.routes), and this page shows everybody's numbers: use an unrestricted key,"
    " or ask the admin listener.",
    code="insufficient_permissions",
)
NO_UPGRADE = Refusal(
    "no_upgrade",
    426,
    "Realtime sessions are WebSocket connections: this request does not ask to upgrade to one.",
    headers=((b"upgrade", b"websocket"),),
)
TOO_MANY_CONNECTIONS = Refusal(
    "too_many_connections",
    503,
    "This proxy has as many connections open as it may (server.max_connections).",
    type="service_unavailable_error",
    close=True,
    headers=((b"retry-after", b"1"),),
)
SHUTTING_DOWN = Refusal(
    "shutting_down",
    503,
    "This proxy is shutting down.",
    type="service_unavailable_error",
    close=True,
    headers=((b"retry-after", b"1"),),
)
INTERNAL = Refusal("internal", 500, "The proxy failed to handle this request; its log says more.", type="server_error")

NO_LEDGER = Refusal(
    "no_ledger",
    404,
    "Nothing is written down here: the configuration has no ledger. Add `ledger: {url: sqlite:undimmed.db}`, and restart.",
    code="no_ledger",
)
REPORTS_BUSY = Refusal(
    "reports_busy",
    503,
    "Other reports are being made; ask again in a moment.",
    code="reports_busy",
    type="service_unavailable_error",
    headers=((b"retry-after", b"1"),),
)

_UNREADABLE = Refusal("ledger_unreadable", 503, "", code="ledger_unreadable", type="service_unavailable_error")
_UNKNOWN_PATH = Refusal("unknown_path", 404, "", code="unknown_url")
_BAD_QUERY = Refusal("bad_query", 400, "", code="invalid_value")
_WRONG_METHOD = Refusal("wrong_method", 405, "", code="method_not_allowed")


def unknown_path(method: str, path: str, known: tuple[str, ...] = KNOWN_PATHS) -> Refusal:
    shown = path if len(path) <= 100 else path[:100] + "…"
    return replace(_UNKNOWN_PATH, message=f"Unknown request URL: {method} {shown}. Known: {', '.join(known)}.")


def wrong_method(method: str, path: str, allowed: str) -> Refusal:
    message = f"{method} is not allowed on {path}; use {allowed}."
    return replace(_WRONG_METHOD, message=message, headers=((b"allow", allowed.encode()),))


def unreadable_ledger(message: str) -> Refusal:
    return replace(_UNREADABLE, message=f"The ledger cannot be read: {message}.")


def overloaded(priority: str, reason: str, wait: float, passing: bool) -> Refusal:
    """The proxy itself has too much to do. Nobody was asked, so a client may repeat it where waiting helps (`passing`):
    lag passes; memory that is taken does not come back within the patience of a client."""
    what = "its event loop is late" if reason == "lag" else "its memory is nearly used up"
    return Refusal(
        "overloaded",
        503,
        f"This proxy is overloaded ({what}) and turns away requests of priority {priority} for now.",
        code="proxy_overloaded",
        type="service_unavailable_error",
        headers=((b"retry-after", b"%d" % max(1, math.ceil(wait))),),
        retry=passing,
    )


def bad_query(param: str, message: str) -> Refusal:
    return replace(_BAD_QUERY, message=message, param=param)


@lru_cache(maxsize=128)
def encode_body(refusal: Refusal) -> bytes:
    error = {"message": refusal.message, "type": refusal.type, "param": refusal.param, "code": refusal.code}
    return json.dumps({"error": error}, ensure_ascii=False).encode("utf-8", "replace")


def refusal_headers(refusal: Refusal) -> HeaderList:
    return (
        (b"content-type", b"application/json"),
        (b"x-should-retry", b"true" if refusal.retry else b"false"),
        *refusal.headers,
    )
