"""What the listeners need of the rest: the seam between `server` and the gateway that `assemble` builds."""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Protocol

from proxy.core.exchange import ClientRequest, Downstream
from proxy.core.priorities import NORMAL
from proxy.server.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: the name of the key presented, the routes it may use (None: all), its tags and its priority."""

    key: str | None = None
    routes: frozenset[str] | None = None
    tags: tuple[str, ...] = ()
    priority: str = NORMAL


@dataclass(slots=True)
class Page:
    """An answer made from memory."""

    status: int
    body: bytes
    content_type: str = "application/json"


class Application(Protocol):
    """Implemented by the gateway; faked in the listener's tests."""

    #: Some calls are turned away now: ask `turn_away` about each.
    strained: bool

    def turn_away(self, identity: Identity, headers: Mapping[str, str]) -> Refusal | None:
        """What to tell this call instead of reading its body; None: let it in."""
        ...

    def identify(self, headers: Mapping[str, str]) -> Identity | None:
        """Constant-time check of `authorization: Bearer` or `x-api-key`; None: no valid key. Without configured
        keys everybody is `Identity()`."""
        ...

    def serve(self, request: ClientRequest, downstream: Downstream) -> Coroutine[object, object, None]:
        """Answer one POST endpoint. Cancelled when the client leaves. Never raises anything but CancelledError."""
        ...

    @property
    def relays(self) -> bool:
        """Is there a provider to which paths that nobody here knows are relayed?"""
        ...

    def page(self, path: str, query: str, identity: Identity, anthropic: bool = False) -> Page | None:
        """A GET from memory: `/v1/models`, `/v1/models/{id}`, `/health`, `/health/live`, `/health/ready`, `/metrics`,
        `/usage`; None: no such page. `anthropic`: the models in the shape of Anthropic's API instead of OpenAI's."""
        ...
