"""The client formats that can be served by a vendor of another format: one line each."""

from collections.abc import Mapping
from types import MappingProxyType

from proxy.core.endpoints import Endpoint
from proxy.wire.translation import ClientDialect

CLIENTS: Mapping[Endpoint, ClientDialect] = MappingProxyType({})
