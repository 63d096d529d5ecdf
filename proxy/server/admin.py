"""The admin plane: an ordinary aiohttp application on a port of its own, for people and their monitoring.

It shows what the data plane's pages show, and explains routing decisions. It changes nothing. Whoever may ask is decided
as on the data plane: health for everybody, the rest with a key where keys are configured, and never for a page of another
origin.
"""

from typing import Protocol

from aiohttp import web

from proxy.core.settings import ServerSettings
from proxy.server.application import Application, Identity, Page
from proxy.server.endpoints import HEALTH
from proxy.server.guard import make_rules, vet_host, vet_origin
from proxy.server.refusals import (
    UNAUTHENTICATED,
    Refusal,
    bad_query,
    encode_body,
    refusal_headers,
    unknown_path,
    wrong_method,
)

_ANYBODY = Identity()
_PAGES = ("/health", "/health/live", "/health/ready", "/metrics", "/usage")
_KNOWN = tuple(f"GET {path}" for path in ("/", *_PAGES, "/explain"))
_INDEX = """undimmed admin

/health         what every route can do now, and why not
/health/live    the process is alive
/health/ready   at least one route can serve
/metrics        Prometheus text
/usage          tokens by route, target and outcome
/explain        ?model=NAME [&tools=1] [&images=1] [&tokens=N]: where such a request would go now, and why not elsewhere
"""
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off", ""})
_KEEPALIVE = 30.0
_MAX_BODY = 64 * 1024


class AdminApplication(Application, Protocol):
    """What the admin plane needs beyond the data plane's pages."""

    def explain(self, model: str, tools: bool, images: bool, tokens: int) -> Page:
        """Where a request with these needs would go now. An unknown model is a page, too."""
        ...


class AdminPlane:
    """Serves one `AdminApplication` on the admin address of the settings."""

    def __init__(self, app: AdminApplication, settings: ServerSettings) -> None:
        self._app = app
        self._settings = settings
        self._rules = make_rules(settings.admin_host, settings.hosts, settings.max_body)
        self._runner: web.AppRunner | None = None

    async def start(self) -> tuple[str, int]:
        """Listen; the address it really got. Raises OSError, and ValueError if the settings name no admin port."""
        if self._settings.admin_port is None:
            raise ValueError("no admin port is configured")
        application = web.Application(client_max_size=_MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, keepalive_timeout=_KEEPALIVE, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.admin_host, self._settings.admin_port)
        await site.start()
        address = self._runner.addresses[0]
        return address[0], address[1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        found = self._find(request)
        if isinstance(found, Refusal):
            headers = {name.decode(): value.decode() for name, value in refusal_headers(found)}
            return web.Response(status=found.status, body=encode_body(found), headers=headers)
        headers = {"content-type": found.content_type, "cache-control": "no-store"}
        return web.Response(status=found.status, body=found.body, headers=headers)

    def _find(self, request: web.Request) -> Page | Refusal:
        refusal = vet_host(request.headers, self._rules) or vet_origin(request.method, request.headers, self._rules)
        if refusal is not None:
            return refusal
        path = request.raw_path.partition("?")[0]
        identity = _ANYBODY if path in HEALTH else self._app.identify(request.headers)
        if identity is None:
            return UNAUTHENTICATED
        if request.method not in ("GET", "HEAD"):
            return wrong_method(request.method, path, "GET, HEAD")
        if path == "/":
            return Page(200, _INDEX.encode(), "text/plain; charset=utf-8")
        if path == "/explain":
            return self._explain(request)
        page = self._app.page(path, request.query_string, identity) if path in _PAGES else None
        return page or unknown_path(request.method, path, _KNOWN)

    def _explain(self, request: web.Request) -> Page | Refusal:
        query = request.query
        model, tokens = query.get("model", ""), query.get("tokens", "0")
        tools, images = query.get("tools", "").lower(), query.get("images", "").lower()
        if not model:
            return bad_query("model", "Give the model's name: /explain?model=NAME")
        if not (tokens.isascii() and tokens.isdigit() and len(tokens) <= 9):
            return bad_query("tokens", "tokens must be a whole number.")
        for name, value in (("tools", tools), ("images", images)):
            if value not in _YES and value not in _NO:
                return bad_query(name, f"{name} must be 1 or 0.")
        return self._app.explain(model, tools in _YES, images in _YES, int(tokens))
