"""One request of a client, as the deciding floors see it."""

from collections.abc import Mapping

from msgspec import Struct, field

from proxy.core.endpoints import Endpoint


class Envelope(Struct, gc=False):
    """What routing needs of a body; the rest stays bytes.

    `fields` maps each top-level key to the bytes of its value (`msgspec.Raw`-like, bytes-convertible), in order, so that
    a body can be put together again with other values for some keys and every unknown field intact. `body` is the
    original. `wants_usage`: a streaming client asked for the usage chunk itself.
    """

    model: str
    stream: bool
    wants_usage: bool
    fields: Mapping[str, object]
    body: bytes


class Needs(Struct, gc=False):
    """What a request needs of a target, for `when:` and capability checks. `tokens` is a rough input estimate."""

    tools: bool = False
    images: bool = False
    stream: bool = False
    tokens: int = 0


class Call(Struct, gc=False):
    """`affinity` is the sticky key (a header's value or a hash of the conversation's start), empty where the route does
    not need one. `headers` are the client's, lower-case; only an allow-list of them ever goes upstream."""

    id: str
    endpoint: Endpoint
    envelope: Envelope
    headers: Mapping[str, str]
    needs: Needs = field(default_factory=Needs)
    affinity: str = ""
