"""What a provider kind must offer: the seam where one vendor's wire format is one file and one line of `table.py`.

A kind is pure: it turns a call into a request and bytes into judgements. It never sends, waits, reads a clock or decides
where a call goes next. `tests/providers/test_contract.py` runs over every line of the table.
"""

from typing import Protocol

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import HeaderList, UpstreamRequest
from proxy.core.features import Fate, Feature
from proxy.core.outcome import Outcome
from proxy.core.settings import Credential, Provider, Target
from proxy.wire.reading import Answer, StreamReader


class ProviderKind(Protocol):
    """One vendor's wire format, bound to one configured provider (its origin, headers and quirks)."""

    endpoints: frozenset[Endpoint]

    def fate(self, endpoint: Endpoint, feature: Feature, model: str = "") -> Fate:
        """What becomes of a feature of a request to this endpoint. CARRIED where the provider has the endpoint itself, as
        the table of its format says where the request is translated, REFUSED where it does not serve the endpoint. `model`
        is the upstream's, for vendors whose models do not all speak one format; "": of the one that carries it best."""
        ...

    def request(self, call: Call, target: Target, credential: Credential) -> UpstreamRequest:
        """The request for one attempt. Same format: the client's bytes, but for the fields that routing changes."""
        ...

    def continuation(self, call: Call, target: Target, text: str) -> Call | None:
        """The call that asks this target to go on with an answer that begins with `text`, which ends with no white space;
        None: it cannot, or nobody knows."""
        ...

    def reader(self, call: Call) -> StreamReader:
        """A fresh reader for a 2xx event stream."""
        ...

    def answer(self, call: Call, headers: HeaderList, body: bytes) -> Answer:
        """Judge a whole 2xx answer."""
        ...

    def error(self, status: int, headers: HeaderList, body: bytes) -> Outcome:
        """Judge an answer that is not 2xx. Never raises, whatever the bytes."""
        ...

    def free_probe(self, credential: Credential) -> UpstreamRequest | None:
        """A request that costs nothing and shows whether the provider is there; None: it has none."""
        ...

    def completion_probe(self, target: Target, endpoint: Endpoint, credential: Credential) -> UpstreamRequest:
        """The smallest real request (one token) to this target."""
        ...

    @property
    def free_probe_lies(self) -> bool:
        """The free probe is known to succeed while the models are down, so it may never declare a target healthy."""
        ...


class BindKind(Protocol):
    """A line of the table: makes the kind for one configured provider."""

    def __call__(self, provider: Provider) -> ProviderKind: ...
