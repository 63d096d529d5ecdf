"""One request of a client, as the deciding floors see it."""

from collections.abc import Mapping

from msgspec import Struct

from proxy.core.endpoints import Endpoint
from proxy.core.features import Feature


class Envelope(Struct, gc=False):
    """What routing needs of a body; the rest stays bytes.

    `fields` maps each top-level key to the bytes of its value (`msgspec.Raw`-like, bytes-convertible), in order, so that
    a body can be put together again with other values for some keys and every unknown field intact. `body` is the
    original. `wants_usage`: a streaming client asked for the usage chunk itself. `reading`: what the format's own reader
    made of it, so that it is read once.

    Relayed bodies need not be JSON. `content_type` is what goes upstream with them ("": JSON). Of a form `fields` holds the
    short plain fields as JSON strings, and `places` says where their values stand in `body`. `opaque`: the streamed answer
    is the bytes of a file, in which nothing can be said besides: no comment, no error event.
    """

    model: str
    stream: bool
    wants_usage: bool
    fields: Mapping[str, object]
    body: bytes
    content_type: str = ""
    places: Mapping[str, tuple[int, int]] | None = None
    opaque: bool = False
    reading: object | None = None


class Needs(Struct, gc=False):
    """What a request needs of a target, for `when:` and capability checks. `tokens` is a rough input estimate, `output` the
    longest answer it asks for (0: it does not say). `features`: the hard ones that it uses."""

    tools: bool = False
    images: bool = False
    stream: bool = False
    tokens: int = 0
    output: int = 0
    features: frozenset[Feature] = frozenset()


class Call(Struct, gc=False):
    """`affinity` is the sticky key (a header's value or a hash of the conversation's start), empty where the route does
    not need one. `needs` is None until somebody has to know. `headers` are the client's, lower-case; only an allow-list of
    them ever goes upstream. `wall` is the Unix time of its start, for formats that show one. `dialogue` is the request in
    the neutral form (`wire/dialogue.py`), read when the first target needs it, and kept for the next. `upstream`: the model
    that the attempt under way asks for, as its target calls it, noted by kinds whose answers depend on it. `method` and
    `path` (below the version, with its query) matter for requests that are relayed to an account; the others' paths follow
    from their endpoint."""

    id: str
    endpoint: Endpoint
    envelope: Envelope
    headers: Mapping[str, str]
    needs: Needs | None = None
    affinity: str = ""
    wall: float = 0.0
    dialogue: object | None = None
    method: str = "POST"
    path: str = ""
    upstream: str = ""
