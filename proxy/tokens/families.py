"""What is known of the tokenizers and hidden prompts of model families: one table.

Only OpenAI's vocabularies are public and shipped. Another family is counted with o200k_base and scaled: `percent` is the
measured ratio of true counts, after the digit rule where a family spends one token on every digit. All of it touches
estimates only, never a number that a provider reported.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from proxy.tokens.encoding import bare_name

Row = TypeVar("Row")

_DIGITS = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Family:
    """`message`: tokens that frame each message, its role included. `tools_fixed` and `tool_each`: hidden prompt of a
    request with tools. `image`: an image of unknown size. `page`, `second`: a PDF page, a second of audio.
    `hides_reasoning`: bills output that is never sent, so that an estimate is a lower bound."""

    percent: int = 100
    digits: bool = False
    message: int = 4
    tools_fixed: int = 0
    tool_each: int = 0
    image: int = 1105
    page: int = 1000
    second: int = 10
    hides_reasoning: bool = False

    def scale(self, tokens: int) -> int:
        """A count in o200k_base as this family's own."""
        return (tokens * self.percent + 50) // 100


_OPENAI = Family()
_REASONING = Family(message=5, tools_fixed=5, hides_reasoning=True)
_CLAUDE = Family(percent=118, tools_fixed=346, tool_each=53, image=1568, page=1800)
_CLAUDE_DENSE = Family(percent=153, tools_fixed=550, tool_each=53, image=1568, page=1800)
_GEMINI = Family(percent=110, digits=True, image=1120, page=560, second=25, hides_reasoning=True)
_MISTRAL = Family(percent=105, digits=True)
_LLAMA = Family(percent=102, tools_fixed=150, tool_each=48)
_QWEN = Family(percent=102, digits=True, tools_fixed=150, tool_each=48)

#: By the start of the model's bare name; the longest one that fits counts. Ratios and overheads: token counts against
#: the real vocabularies and the vendors' counting APIs.
FAMILIES: dict[str, Family] = {
    "o1": _REASONING,
    "o3": _REASONING,
    "o4": _REASONING,
    "gpt-5": _REASONING,
    "gpt-5-chat": Family(message=5, tools_fixed=5),
    "gpt-5.1": Family(message=5, tools_fixed=87, hides_reasoning=True),
    "gpt-5.1-mini": _REASONING,
    "gpt-6": _REASONING,
    "claude": _CLAUDE,
    "claude-opus-4-7": _CLAUDE_DENSE,
    "claude-opus-4.7": _CLAUDE_DENSE,
    "claude-opus-4-8": _CLAUDE_DENSE,
    "claude-opus-4.8": _CLAUDE_DENSE,
    "claude-opus-5": _CLAUDE_DENSE,
    "claude-sonnet-5": _CLAUDE_DENSE,
    "claude-haiku-5": _CLAUDE_DENSE,
    "gemini": _GEMINI,
    "gemma": Family(percent=110, digits=True, image=258, page=258),
    "llama": _LLAMA,
    "meta-llama": _LLAMA,
    "llama-4": Family(tools_fixed=150, tool_each=48),
    "llama4": Family(tools_fixed=150, tool_each=48),
    "qwen": _QWEN,
    "qwq": _QWEN,
    "deepseek": Family(percent=107, tools_fixed=150, tool_each=48),
    "mistral": _MISTRAL,
    "mixtral": _MISTRAL,
    "ministral": _MISTRAL,
    "magistral": _MISTRAL,
    "codestral": _MISTRAL,
    "devstral": _MISTRAL,
    "pixtral": _MISTRAL,
    "open-mi": _MISTRAL,
}


def longest_prefix(table: Mapping[str, Row], model: str) -> Row | None:
    """The row whose key is the longest start of the model's bare name."""
    name = bare_name(model)
    fitting = [prefix for prefix in table if name.startswith(prefix)]
    return table[max(fitting, key=len)] if fitting else None


def family_of(model: str) -> Family:
    """The family of an upstream model; OpenAI's classic chat models' for every unknown one."""
    return longest_prefix(FAMILIES, model) or _OPENAI


def digit_extra(text: str) -> int:
    """Tokens to add for families that spend one on every ASCII digit, where o200k_base spends one on three."""
    return sum(len(run) - (len(run) + 2) // 3 for run in _DIGITS.findall(text))
