"""In what one server of OpenAI's chat format differs from another, as far as translated requests and answers go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from proxy.core.features import Feature

Continues = Literal["", "mark", "flag", "turn"]

#: Members of the turn that is to go on, and of the request, by how a server is told.
CONTINUE_MARKS: Mapping[Continues, Mapping[str, bool]] = MappingProxyType(
    {"": {}, "mark": {"prefix": True}, "flag": {}, "turn": {}}
)
CONTINUE_FIELDS: Mapping[Continues, Mapping[str, bool]] = MappingProxyType(
    {"": {}, "mark": {}, "flag": {"continue_final_message": True, "add_generation_prompt": False}, "turn": {}}
)

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Quirks:
    """`drop` and `rename` name top-level fields of the request, `cap` the field that bounds the length of an answer.
    `ask_usage`: takes `stream_options.include_usage`. `lenient_finish`: `[DONE]` after content is an end even without a
    finish reason. `reasoning_outside`: see `openai_usage`. `refuses`: features that this server has not.
    `continues`: how it is told to go on with a last turn of the assistant: by a `mark` in it (Mistral), by a `flag` of the
    request (vLLM), by nothing but the `turn` (llama.cpp), "": it does not.

    `thinking_of`: whose reasoning in earlier turns it takes back as `reasoning_content`, by `Thinking.vendor`. "" stands for
    reasoning without a seal, which only servers of this format write; DeepSeek's first reasoner refused even its own."""

    drop: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=lambda: _NONE)
    cap: str = "max_completion_tokens"
    ask_usage: bool = True
    lenient_finish: bool = False
    reasoning_outside: bool = False
    refuses: frozenset[Feature] = frozenset()
    continues: Continues = ""
    thinking_of: frozenset[str] = frozenset()


USUAL = Quirks()
