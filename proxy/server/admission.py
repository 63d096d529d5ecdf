"""From a parsed head to the decision what becomes of the request, before a byte of its body is read."""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.core.endpoints import Endpoint
from proxy.server.application import Application, Identity
from proxy.server.endpoints import ENDPOINTS, HEALTH, OVERVIEWS, SESSIONS, find_page
from proxy.server.guard import Head, Rules, is_session, vet_body, vet_head, vet_origin, vet_preflight
from proxy.server.refusals import BAD_PATH, KEY_RESTRICTED, NO_UPGRADE, UNAUTHENTICATED, Refusal, unknown_path, wrong_method
from proxy.wire.resources import METHODS, Place, find_methods, find_place, is_plain_path, is_plain_query
from proxy.wire.websocket import find_key

_ANYBODY = Identity()


@dataclass(slots=True)
class Admission:
    """A request that may go on: to an endpoint, or (None) to the page named. For an endpoint whose path says more than
    which it is, `page` is the path below the version. `anthropic`: who wants a page is a client of Anthropic's API."""

    identity: Identity
    endpoint: Endpoint | None = None
    page: str = ""
    query: str = ""
    method: str = "POST"
    anthropic: bool = False


def admit(message: Head, rules: Rules, app: Application) -> Admission | Refusal:
    """Pages are always served; calls only while the proxy itself can."""
    verdict = _admit(message, rules, app)
    if not app.strained or isinstance(verdict, Refusal) or verdict.endpoint is None:
        return verdict
    return app.turn_away(verdict.identity, message.headers) or verdict


def _admit(message: Head, rules: Rules, app: Application) -> Admission | Refusal:
    refusal = vet_head(message, rules) or vet_preflight(message.method, message.headers)
    if refusal is not None:
        return refusal
    path, _, query = message.path.partition("?")
    identity = _ANYBODY if path in HEALTH else app.identify(_find_credentials(message, path))
    if identity is None:
        return UNAUTHENTICATED
    if rules.loopback and identity.key is None:
        refusal = vet_origin(message.method, message.headers, rules)
        if refusal is not None:
            return refusal
    if path in SESSIONS:
        return _admit_session(message, path, query, identity)
    endpoint = ENDPOINTS.get(path)
    if endpoint is None:
        return _admit_resource(message, rules, app, identity) or _admit_page(message, path, query, identity)
    if message.method != "POST":
        return wrong_method(message.method, path, "POST")
    return vet_body(message, rules) or Admission(identity, endpoint)


def _find_credentials(message: Head, path: str) -> Mapping[str, str]:
    """The headers; of a browser's session, which cannot have any, the key in its subprotocols."""
    headers = message.headers
    if path not in SESSIONS or "authorization" in headers or "x-api-key" in headers:
        return headers
    key = find_key(headers)
    return headers if key is None else {"x-api-key": key}


def _admit_session(message: Head, path: str, query: str, identity: Identity) -> Admission | Refusal:
    if message.method != "GET":
        return wrong_method(message.method, path, "GET")
    if not is_session(message):
        return NO_UPGRADE
    return Admission(identity, Endpoint.REALTIME, path.removeprefix("/v1"), query, "GET")


def _admit_resource(message: Head, rules: Rules, app: Application, identity: Identity) -> Admission | Refusal | None:
    """A stored thing, or a path that some provider is trusted with; None: neither."""
    path, _, query = message.path.partition("?")
    method = message.method
    below = path.removeprefix("/v1")
    methods = find_methods(below)
    if methods is not None and method not in methods:
        return wrong_method(method, path, ", ".join(methods))
    place = find_place(method, below)
    if place is None:
        if find_page(path) is not None or not (path.startswith("/v1/") and app.relays):
            return None
        if method not in METHODS:
            return wrong_method(method, path, ", ".join(METHODS))
        if not is_plain_path(below):
            return BAD_PATH
        place = Place(Endpoint.RELAY)
    if not is_plain_query(query):
        return BAD_PATH
    return vet_body(message, rules) or Admission(identity, place.endpoint, below, query, method)


def _admit_page(message: Head, path: str, query: str, identity: Identity) -> Admission | Refusal:
    method, page = message.method, find_page(path)
    if page is None:
        return unknown_path(method, path)
    if method not in ("GET", "HEAD"):
        return wrong_method(method, path, "GET, HEAD")
    if page in OVERVIEWS and identity.routes is not None:
        return KEY_RESTRICTED
    return Admission(identity, None, page, query, anthropic="anthropic-version" in message.headers)
