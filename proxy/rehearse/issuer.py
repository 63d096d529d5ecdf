"""A simulated token endpoint: gives tokens with an end, or fails as real ones did.

It answers in virtual time through the same seam as the real client (`TokenHttp`), keeps a line for every request and
remembers which token it gave for how long, so that a run can be judged: was there ever more than one request at a time, and
was a token used after its end?
"""

import asyncio
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import msgspec

from proxy.transport.credentials.surroundings import TokenRequest, TokenResponse, Unreachable


class IssuerMode(enum.StrEnum):
    """What becomes of a token request."""

    OK = "ok"
    STATUS = "status"  # `status` with a page
    HANG = "hang"  # accepted, never answered
    NXDOMAIN = "nxdomain"  # the name is gone
    REFUSE = "refuse"  # nothing listens
    GARBAGE = "garbage"  # 200 with a page
    INVALID_GRANT = "invalid_grant"  # 400, refused for good


@dataclass(frozen=True, slots=True)
class IssuerBehaviour:
    """Seconds. The mode strikes a `share` of the requests; the others get a token. `latency` is the time of any answer."""

    mode: IssuerMode = IssuerMode.OK
    latency: float = 0.1
    share: float = 1.0
    status: int = 500
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class IssuerSpan:
    """From `start` (included) to `end` (excluded), in seconds of the rehearsal."""

    start: float
    end: float
    behaviour: IssuerBehaviour


@dataclass(frozen=True, slots=True)
class IssuerPlan:
    """Tokens live for `life` seconds. Outside of the spans all is well."""

    life: float = 3600.0
    spans: Sequence[IssuerSpan] = ()

    def at(self, seconds: float) -> IssuerBehaviour:
        here = (span.behaviour for span in reversed(self.spans) if span.start <= seconds < span.end)
        return next(here, IssuerBehaviour())


@dataclass(slots=True)
class TokenCall:
    """One token request; loop time. `token`: what was given, None: nothing. `ended_at` None: under way, or given up."""

    started_at: float
    ended_at: float | None = None
    token: str | None = None


@dataclass(slots=True)
class SimulatedIssuer:
    """One token endpoint. `calls` is its history, `lives` the end of each token in loop time, `crowd` how many requests
    there were at once at most."""

    name: str
    plan: IssuerPlan = field(default_factory=IssuerPlan)
    calls: list[TokenCall] = field(default_factory=list)
    lives: dict[str, float] = field(default_factory=dict)
    crowd: int = 0
    _present: int = 0

    async def serve(self, behaviour: IssuerBehaviour, loop: asyncio.AbstractEventLoop) -> TokenResponse:
        """Answer one request. Raises Unreachable."""
        call = TokenCall(loop.time())
        self.calls.append(call)
        self._present += 1
        self.crowd = max(self.crowd, self._present)
        try:
            return await self._answer(behaviour, call, loop)
        finally:
            self._present -= 1

    async def _answer(self, behaviour: IssuerBehaviour, call: TokenCall, loop: asyncio.AbstractEventLoop) -> TokenResponse:
        mode = behaviour.mode
        if mode is IssuerMode.HANG:
            await loop.create_future()
        await asyncio.sleep(behaviour.latency)
        call.ended_at = loop.time()
        if mode is IssuerMode.NXDOMAIN:
            raise Unreachable("cannot be reached: name not resolved: Name or service not known")
        if mode is IssuerMode.REFUSE:
            raise Unreachable("cannot be reached: connection refused")
        if mode is IssuerMode.OK:
            call.token = f"token-{self.name}-{len(self.lives) + 1}"
            self.lives[call.token] = call.started_at + self.plan.life
            return _json(200, {"access_token": call.token, "token_type": "Bearer", "expires_in": self.plan.life})
        if mode is IssuerMode.INVALID_GRANT:
            return _json(400, {"error": "invalid_grant", "error_description": "the grant is revoked"})
        hint = [(b"retry-after", behaviour.retry_after.encode())] if behaviour.retry_after is not None else []
        status = 200 if mode is IssuerMode.GARBAGE else behaviour.status
        return TokenResponse(status, [(b"content-type", b"text/html"), *hint], b"<html>Sorry.</html>")


def _json(status: int, fields: Mapping[str, object]) -> TokenResponse:
    return TokenResponse(status, [(b"content-type", b"application/json")], msgspec.json.encode(fields))


def token_url(name: str) -> str:
    """Where the issuer of this name is reached."""
    return f"https://{name}.issuer.test/token"


class IssuerNetwork:
    """Implements `TokenHttp` over simulated issuers, found by their names. `epoch` is the loop time at which their plans
    begin."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rng: Random, issuers: Mapping[str, SimulatedIssuer]) -> None:
        self._loop = loop
        self._rng = rng
        self._issuers = issuers
        self.epoch = loop.time()

    async def ask(self, request: TokenRequest) -> TokenResponse:
        issuer = self._issuers.get(request.issuer.partition(".")[0])
        if issuer is None:
            raise Unreachable("cannot be reached: no such host")
        behaviour = issuer.plan.at(self._loop.time() - self.epoch)
        if behaviour.share < 1.0 and self._rng.random() >= behaviour.share:
            behaviour = IssuerBehaviour(latency=behaviour.latency)
        return await issuer.serve(behaviour, self._loop)

    async def aclose(self) -> None:
        """Nothing is open."""
