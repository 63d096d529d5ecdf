"""In what one server of OpenAI's chat format differs from another, as far as translated requests and answers go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from proxy.core.features import Feature

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Quirks:
    """`drop` and `rename` name top-level fields of the request, `cap` the field that bounds the length of an answer.
    `ask_usage`: takes `stream_options.include_usage`. `lenient_finish`: `[DONE]` after content is an end even without a
    finish reason. `reasoning_outside`: see `openai_usage`. `refuses`: features that this server has not.
    `prefix`: goes on with a last turn of the assistant that is marked so (Mistral).

    `thinking_of`: whose reasoning in earlier turns it takes back as `reasoning_content`, by `Thinking.vendor`. "" stands for
    reasoning without a seal, which only servers of this format write; DeepSeek's first reasoner refused even its own."""

    drop: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=lambda: _NONE)
    cap: str = "max_completion_tokens"
    ask_usage: bool = True
    lenient_finish: bool = False
    reasoning_outside: bool = False
    refuses: frozenset[Feature] = frozenset()
    prefix: bool = False
    thinking_of: frozenset[str] = frozenset()


USUAL = Quirks()
