"""From a parsed head to the decision what becomes of the request, before a byte of its body is read."""

from dataclasses import dataclass

from proxy.core.endpoints import Endpoint
from proxy.server.application import Application, Identity
from proxy.server.endpoints import ENDPOINTS, HEALTH, OVERVIEWS, find_page
from proxy.server.guard import Head, Rules, vet_body, vet_head, vet_origin, vet_preflight
from proxy.server.refusals import KEY_RESTRICTED, UNAUTHENTICATED, Refusal, unknown_path, wrong_method

_ANYBODY = Identity()


@dataclass(slots=True)
class Admission:
    """A request that may go on: to an endpoint, or (None) to the page named."""

    identity: Identity
    endpoint: Endpoint | None = None
    page: str = ""
    query: str = ""


def admit(message: Head, rules: Rules, app: Application) -> Admission | Refusal:
    refusal = vet_head(message, rules) or vet_preflight(message.method, message.headers)
    if refusal is not None:
        return refusal
    path, _, query = message.path.partition("?")
    identity = _ANYBODY if path in HEALTH else app.identify(message.headers)
    if identity is None:
        return UNAUTHENTICATED
    if rules.loopback and identity.key is None:
        refusal = vet_origin(message.method, message.headers, rules)
        if refusal is not None:
            return refusal
    endpoint = ENDPOINTS.get(path)
    if endpoint is None:
        return _admit_page(message.method, path, query, identity)
    if message.method != "POST":
        return wrong_method(message.method, path, "POST")
    return vet_body(message, rules) or Admission(identity, endpoint)


def _admit_page(method: str, path: str, query: str, identity: Identity) -> Admission | Refusal:
    page = find_page(path)
    if page is None:
        return unknown_path(method, path)
    if method not in ("GET", "HEAD"):
        return wrong_method(method, path, "GET, HEAD")
    if page in OVERVIEWS and identity.routes is not None:
        return KEY_RESTRICTED
    return Admission(identity, None, page, query)
