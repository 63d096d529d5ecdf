"""What is known of the tokenizers and hidden prompts of model families: one table.

Only OpenAI's vocabularies are public and shipped. Another family is counted with o200k_base and scaled: `percent` is the
measured ratio of true counts, after the digit rule where a family spends one token on every digit, and `scripts` the ratios
for texts that are mostly written in other letters than Latin ones. All of it touches estimates only, never a number that a
provider reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar

from proxy.tokens.encoding import bare_name
from proxy.tokens.scripts import Script

Row = TypeVar("Row")
Ratios = Mapping[Script, int]


@dataclass(frozen=True, slots=True)
class HiddenPrompt:
    """What a vendor's own instructions about tools cost where they are not OpenAI's TypeScript. `forced`: instead of `fixed`
    where the request says that some tool has to be used; both hold the first tool. `each` for every further one,
    `description` and `prop` for every one of those; the words in them are counted besides."""

    fixed: int
    forced: int
    each: int
    description: int = 0
    prop: int = 0


@dataclass(frozen=True, slots=True)
class Family:
    """`message`: tokens that frame each message, its role included; `name` of a participant. `tools`: how tools are told to
    the model, None: as OpenAI does it, and `tools_fixed` on top. `image`: an image of unknown size. `page`, `second`: a PDF
    page, a second of audio. `hides_reasoning`: bills output that is never sent, so that an estimate is a lower bound."""

    percent: int = 100
    scripts: Ratios = field(default_factory=lambda: MappingProxyType({}))
    digits: bool = False
    message: int = 4
    name: int = 1
    tools: HiddenPrompt | None = None
    tools_fixed: int = 0
    image: int = 1105
    page: int = 1000
    second: int = 10
    hides_reasoning: bool = False

    def ratio(self, script: Script) -> int:
        """Percent of a count in o200k_base, for text in these letters."""
        return self.scripts.get(script, self.percent)


def _ratios(cyrillic: int, han: int, kana: int, hangul: int, arabic: int, devanagari: int) -> Ratios:
    return MappingProxyType(
        {
            Script.CYRILLIC: cyrillic,
            Script.HAN: han,
            Script.KANA: kana,
            Script.HANGUL: hangul,
            Script.ARABIC: arabic,
            Script.DEVANAGARI: devanagari,
        }
    )


_OPENAI = Family()
_REASONING = Family(message=5, tools_fixed=5, hides_reasoning=True)
# Claude's last public vocabulary against o200k_base, and 1.10 for what came after it.
_CLAUDE = Family(
    percent=118,
    scripts=_ratios(204, 125, 158, 194, 297, 328),
    tools=HiddenPrompt(346, 313, 53, 5, 12),
    image=1568,
    page=1800,
)
_CLAUDE_45 = replace(_CLAUDE, tools=HiddenPrompt(550, 550, 53, 5, 12))
# Denser for Latin letters and code only.
_CLAUDE_DENSE = replace(_CLAUDE_45, percent=153)
_GEMINI = Family(
    percent=110,
    scripts=_ratios(107, 89, 80, 105, 115, 93),
    digits=True,
    tools=HiddenPrompt(0, 0, 0, 0, 3),
    image=1120,
    page=560,
    second=25,
    hides_reasoning=True,
)
_GEMINI_2 = replace(_GEMINI, image=258, page=258, second=32)
_MISTRAL = Family(percent=105, scripts=_ratios(113, 121, 104, 104, 98, 116), digits=True)
_TEMPLATE = HiddenPrompt(200, 200, 48)
_LLAMA = Family(percent=102, scripts=_ratios(114, 103, 99, 105, 120, 148), tools=_TEMPLATE)
_LLAMA_4 = replace(_LLAMA, percent=100, scripts=_ratios(91, 81, 78, 90, 115, 104))
_QWEN = Family(percent=102, scripts=_ratios(119, 93, 93, 111, 119, 246), digits=True, tools=_TEMPLATE)
_DEEPSEEK = Family(percent=107, scripts=_ratios(113, 84, 98, 118, 123, 162), tools=_TEMPLATE)

#: By the start of the model's bare name; the longest one that fits counts. Ratios and overheads: token counts against
#: the real vocabularies and the vendors' counting APIs.
FAMILIES: dict[str, Family] = {
    "gpt-3.5-turbo-0301": Family(message=5, name=-1),
    "o1": _REASONING,
    "o3": _REASONING,
    "o4": _REASONING,
    "gpt-5": _REASONING,
    "gpt-5-chat": Family(message=5, tools_fixed=5),
    "gpt-5.1": replace(_REASONING, tools_fixed=87),
    "gpt-5.1-mini": _REASONING,
    "gpt-5.1-codex-mini": _REASONING,
    "gpt-6": _REASONING,
    "claude": _CLAUDE,
    "claude-opus-4-5": _CLAUDE_45,
    "claude-sonnet-4-5": _CLAUDE_45,
    "claude-haiku-4-5": _CLAUDE_45,
    "claude-opus-4-6": _CLAUDE_45,
    "claude-sonnet-4-6": _CLAUDE_45,
    "claude-opus-4-7": _CLAUDE_DENSE,
    "claude-opus-4-8": _CLAUDE_DENSE,
    "claude-opus-5": _CLAUDE_DENSE,
    "claude-sonnet-5": _CLAUDE_DENSE,
    "claude-haiku-5": _CLAUDE_DENSE,
    "gemini": _GEMINI,
    "gemini-1": replace(_GEMINI_2, hides_reasoning=False),
    "gemini-2": _GEMINI_2,
    "gemini-2.0": replace(_GEMINI_2, hides_reasoning=False),
    "gemma": replace(_GEMINI, image=258, page=258, hides_reasoning=False),
    "llama": _LLAMA,
    "meta-llama": _LLAMA,
    "llama-4": _LLAMA_4,
    "llama4": _LLAMA_4,
    "meta-llama-4": _LLAMA_4,
    "qwen": _QWEN,
    "qwq": _QWEN,
    "deepseek": _DEEPSEEK,
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
    """The row whose key is the longest start of the model's bare name. Claude's versions are written with a dot, too."""
    name = bare_name(model)
    if name.startswith("claude"):
        name = name.replace(".", "-")
    fitting = [prefix for prefix in table if name.startswith(prefix)]
    return table[max(fitting, key=len)] if fitting else None


@lru_cache(maxsize=1024)
def family_of(model: str) -> Family:
    """The family of an upstream model; OpenAI's classic chat models' for every unknown one."""
    return longest_prefix(FAMILIES, model) or _OPENAI
