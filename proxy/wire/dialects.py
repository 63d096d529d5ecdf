"""The client formats that can be served by a vendor of another format: one line each."""

from collections.abc import Mapping
from types import MappingProxyType

from proxy.core.endpoints import Endpoint
from proxy.wire.anthropic.dialect import MESSAGES
from proxy.wire.chat.answers import write_chat_answer
from proxy.wire.chat.encoding import ChatEncoder
from proxy.wire.chat.legacy import CompletionEncoder, read_completion, write_completion_answer
from proxy.wire.chat.reading import read_chat
from proxy.wire.responses.encoder import ResponsesEncoder, write_answer
from proxy.wire.responses.request import read_request
from proxy.wire.translation import ClientDialect

CLIENTS: Mapping[Endpoint, ClientDialect] = MappingProxyType(
    {
        Endpoint.CHAT: ClientDialect(read_chat, ChatEncoder, write_chat_answer),
        Endpoint.COMPLETIONS: ClientDialect(read_completion, CompletionEncoder, write_completion_answer),
        Endpoint.MESSAGES: MESSAGES,
        Endpoint.RESPONSES: ClientDialect(read_request, ResponsesEncoder, write_answer),
    }
)
