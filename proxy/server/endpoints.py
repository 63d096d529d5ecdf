"""The fixed table of what the data plane serves. Paths match exactly: nothing is decoded, joined or normalised."""

from proxy.core.endpoints import Endpoint
from proxy.wire.relays import RELAYS
from proxy.wire.resources import KNOWN
from proxy.wire.websocket import PATHS

_POSTS = {
    "/chat/completions": Endpoint.CHAT,
    "/completions": Endpoint.COMPLETIONS,
    "/embeddings": Endpoint.EMBEDDINGS,
    **{relay.path: endpoint for endpoint, relay in RELAYS.items()},
    "/messages": Endpoint.MESSAGES,
    "/messages/count_tokens": Endpoint.COUNT_TOKENS,
    "/responses": Endpoint.RESPONSES,
    "/tokens": Endpoint.TOKENS,
}

#: With and without the prefix, since people write base URLs both ways.
ENDPOINTS = {prefix + path: endpoint for path, endpoint in _POSTS.items() for prefix in ("/v1", "")}

#: Where realtime sessions open (WebSocket).
SESSIONS = PATHS

#: Served to everybody, key or not: what load balancers and orchestrators ask.
HEALTH = frozenset({"/health", "/health/live", "/health/ready"})
#: Everybody's numbers: not for keys that are restricted to some routes.
OVERVIEWS = frozenset({"/limits", "/metrics", "/usage"})
_PAGES = HEALTH | OVERVIEWS | {"/v1/models"}

#: For people who asked for something else.
KNOWN_PATHS = (
    *(f"POST /v1{path}" for path in _POSTS),
    *KNOWN,
    "GET /v1/realtime",
    "GET /v1/models",
    "GET /v1/models/{id}",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /limits",
    "GET /metrics",
    "GET /usage",
)


def find_page(path: str) -> str | None:
    """The page's own path, or None where no page can be. Whether a model exists is the application's to say."""
    if path in _PAGES:
        return path
    if path == "/models" or path.startswith("/models/"):
        return "/v1" + path
    return path if path.startswith("/v1/models/") else None
