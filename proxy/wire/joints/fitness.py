"""Which requests have answers that may be joined from several, and the joint for each.

Only text can be: a call of a tool has an id and half of an argument, JSON is whole or worthless, log probabilities are one
model's, several choices are several answers. What a provider runs or keeps itself is not asked for twice. A request may
offer functions: whether the answer calls one is the stream's to say.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from proxy.core.call import Envelope, Needs
from proxy.core.endpoints import Endpoint
from proxy.core.features import Feature
from proxy.wire.joints.chat import ChatJoint, CompletionJoint
from proxy.wire.joints.joint import Joint
from proxy.wire.joints.messages import MessagesJoint
from proxy.wire.joints.responses import ResponsesJoint
from proxy.wire.openai_envelope import read_value

_JOINTS: Mapping[Endpoint, Callable[[], Joint]] = MappingProxyType(
    {
        Endpoint.CHAT: ChatJoint,
        Endpoint.COMPLETIONS: CompletionJoint,
        Endpoint.MESSAGES: MessagesJoint,
        Endpoint.RESPONSES: ResponsesJoint,
    }
)

_UNFIT = frozenset(
    {
        Feature.AUDIO_OUTPUT,
        Feature.CHOICES,
        Feature.ECHO,
        Feature.HOSTED_TOOLS,
        Feature.JSON_OBJECT,
        Feature.JSON_SCHEMA,
        Feature.LOGPROBS,
        Feature.STATE,
        Feature.SUFFIX,
    }
)
#: Fields that stand for something that is run or kept by the provider, or for several answers, whatever they hold but
#: nothing.
_FIELDS = ("store", "background", "web_search_options", "mcp_servers", "container", "best_of", "top_logprobs")
#: Types of tools that a client runs itself.
_OWN_TOOLS = frozenset(("function", "custom"))


def open_joint(endpoint: Endpoint, envelope: Envelope, needs_of: Callable[[Envelope], Needs]) -> Joint | None:
    """For a request whose answer may be joined; None: it may not."""
    make = _JOINTS.get(endpoint)
    if make is None or any(read_value(envelope, name) for name in _FIELDS if name in envelope.fields):
        return None
    logprobs = read_value(envelope, "logprobs")  # legacy completions ask for those of what was chosen by 0
    if not (logprobs is None or logprobs is False) or not all(map(_is_own, _list_tools(envelope))):
        return None
    return None if needs_of(envelope).features & _UNFIT else make()


def _list_tools(envelope: Envelope) -> list[object]:
    tools = read_value(envelope, "tools") if "tools" in envelope.fields else None
    return tools if isinstance(tools, list) else []


def _is_own(tool: object) -> bool:
    return isinstance(tool, dict) and tool.get("type", "function") in _OWN_TOOLS
