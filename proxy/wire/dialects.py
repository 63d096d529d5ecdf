"""The client formats that can be served by a vendor of another format: one line each."""

from collections.abc import Mapping
from types import MappingProxyType

from proxy.core.endpoints import Endpoint
from proxy.wire.responses.encoder import ResponsesEncoder, write_answer
from proxy.wire.responses.request import LACKS, read_request
from proxy.wire.translation import ClientDialect

CLIENTS: Mapping[Endpoint, ClientDialect] = MappingProxyType(
    {
        Endpoint.RESPONSES: ClientDialect(read_request, ResponsesEncoder, write_answer, LACKS),
    }
)
