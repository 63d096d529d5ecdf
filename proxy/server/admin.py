"""The admin plane: an ordinary aiohttp application on a port of its own, for people and their monitoring.

It shows what the data plane's pages show, explains routing decisions, and reports from the ledger. All it changes is whether
a fire drill runs. On a loopback address it asks for no key: who can reach it is on this machine. Anywhere else it shows
health to everybody, and the rest to keys that are not restricted to some routes, since all of it is about everybody's calls.
Never does it answer a page of another origin, nor take an order from one.
"""

from collections.abc import Coroutine, Mapping
from typing import Protocol

from aiohttp import web

from proxy.core.settings import ServerSettings
from proxy.server import drills
from proxy.server.application import Application, Identity, Page
from proxy.server.endpoints import HEALTH
from proxy.server.guard import is_plain_check, make_rules, vet_host, vet_origin, vet_preflight
from proxy.server.refusals import (
    KEY_RESTRICTED,
    UNAUTHENTICATED,
    Refusal,
    bad_query,
    encode_body,
    refusal_headers,
    unknown_path,
    wrong_method,
)

_ANYBODY = Identity()
_PAGES = ("/health", "/health/live", "/health/ready", "/limits", "/metrics", "/usage")
_INCIDENTS = "/incidents"
_GETS = ("/", *_PAGES, "/report", "/explain", "/alerts", _INCIDENTS, f"{_INCIDENTS}/ID", "/drill")
_KNOWN = (*(f"GET {path}" for path in _GETS), *(f"POST {path}" for path in drills.PATHS))
_INDEX = """undimmed admin

/health         what every route can do now, and why not
/health/live    the process is alive
/health/ready   at least one route can serve
/limits         what is limited, and what is left of it
/metrics        Prometheus text
/usage          tokens by route, target and outcome since the start
/report         [?by=route,target &since=7d &until=WHEN &premium=1 &forecast=1]: where tokens and money went, from the ledger
/alerts         what fires, what was sent last, how the webhooks do
/incidents      brownouts and outages that were noticed; /incidents/ID: one of them, with its timeline
/explain        ?model=NAME [&tools=1] [&images=1] [&tokens=N]: where such a request would go now, and why not elsewhere
/drill          the fire drills that run; POST /drill/start and /drill/stop, or `undimmed drill`
"""
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off", ""})
_KEEPALIVE = 30.0
_MAX_BODY = 64 * 1024


class AdminApplication(Application, drills.DrillDesk, Protocol):
    """What the admin plane needs beyond the data plane's pages."""

    def explain(self, model: str, tools: bool, images: bool, tokens: int) -> Page:
        """Where a request with these needs would go now. An unknown model is a page, too."""
        ...

    def alerts(self) -> Page:
        """What fires, what was sent last, and how the webhooks do."""
        ...

    def report(self, query: Mapping[str, str]) -> Coroutine[object, object, Page | Refusal]:
        """What `/report` answers to this query."""
        ...

    def incidents(self, identity: str) -> Page | None:
        """All incidents (""), or one; None: there is none by that name."""
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
        found = await (self._act(request) if request.method == "POST" else self._find(request))
        if isinstance(found, Refusal):
            headers = {name.decode(): value.decode() for name, value in refusal_headers(found)}
            return web.Response(status=found.status, body=encode_body(found), headers=headers)
        headers = {"content-type": found.content_type, "cache-control": "no-store"}
        if found.status == 404:
            headers["x-should-retry"] = "false"
        return web.Response(status=found.status, body=found.body, headers=headers)

    async def _act(self, request: web.Request) -> Page | Refusal:
        """Orders. Whoever may read everything here may give them."""
        path = request.raw_path.partition("?")[0]
        identity = self._admit(request, path)
        if isinstance(identity, Refusal):
            return identity
        if path not in drills.PATHS:
            return await self._find(request)
        body = await request.read()
        return drills.act(self._app, path, request.headers.get("content-type", ""), body, identity.key or "")

    async def _find(self, request: web.Request) -> Page | Refusal:
        path = request.raw_path.partition("?")[0]
        identity = self._admit(request, path)
        if isinstance(identity, Refusal):
            return identity
        if request.method not in ("GET", "HEAD"):
            return wrong_method(request.method, path, "GET, HEAD")
        if path in drills.PATHS:
            return wrong_method(request.method, path, "POST")
        if path == "/":
            return Page(200, _INDEX.encode(), "text/plain; charset=utf-8")
        if path == "/drill":
            return drills.show(self._app)
        if path == "/explain":
            return self._explain(request)
        if path == "/alerts":
            return self._app.alerts()
        if path == "/report":
            return await self._app.report(request.query)
        if path == _INCIDENTS or path.startswith(f"{_INCIDENTS}/"):
            return self._app.incidents(path[len(_INCIDENTS) + 1 :]) or unknown_path(request.method, path, _KNOWN)
        page = self._app.page(path, request.query_string, identity) if path in _PAGES else None
        return page or unknown_path(request.method, path, _KNOWN)

    def _admit(self, request: web.Request, path: str) -> Identity | Refusal:
        method, headers = request.method, request.headers
        plain = is_plain_check(request.version, path, headers)
        refusal = None if plain else vet_host(headers, self._rules)
        refusal = refusal or vet_preflight(method, headers) or vet_origin(method, headers, self._rules)
        if refusal is not None:
            return refusal
        if self._rules.loopback or path in HEALTH:
            return _ANYBODY
        identity = self._app.identify(headers)
        # Whoever needs no key, because there are none, is still nobody here.
        if identity is None or identity.key is None:
            return UNAUTHENTICATED
        return identity if identity.routes is None else KEY_RESTRICTED

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
