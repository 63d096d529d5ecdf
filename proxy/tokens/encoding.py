"""Which vocabulary a model counts with, and how an encoder is built from a rank file.

The encoders are built from constants here instead of tiktoken's registry, since that one downloads. A test holds the
constants equal to tiktoken's own. Building holds the interpreter lock for about 0.35 s (o200k_base): it belongs before
the first connection, and `needed` says which vocabularies a configuration can use at all.
"""

import binascii
import re
from collections.abc import Iterable
from functools import lru_cache

import tiktoken

O200K = "o200k_base"
CL100K = "cl100k_base"

# Patterns and special tokens: tiktoken 0.14.0, tiktoken_ext/openai_public.py (MIT, (c) 2022 OpenAI, Shantanu Jain).
_CASED = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_SMALL = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
PATTERNS = {
    O200K: "|".join(
        [
            rf"[^\r\n\p{{L}}\p{{N}}]?{_CASED}*{_SMALL}+{_SUFFIX}",
            rf"[^\r\n\p{{L}}\p{{N}}]?{_CASED}+{_SMALL}*{_SUFFIX}",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        ]
    ),
    CL100K: "|".join(
        [
            r"'(?i:[sdmt]|ll|ve|re)",
            r"[^\r\n\p{L}\p{N}]?+\p{L}++",
            r"\p{N}{1,3}+",
            r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
            r"\s++$",
            r"\s*[\r\n]",
            r"\s+(?!\S)",
            r"\s",
        ]
    ),
}
SPECIAL_TOKENS = {
    O200K: {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    CL100K: {
        "<|endoftext|>": 100257,
        "<|fim_prefix|>": 100258,
        "<|fim_middle|>": 100259,
        "<|fim_suffix|>": 100260,
        "<|endofprompt|>": 100276,
    },
}

#: tiktoken's names for what o200k_base counts: o200k_harmony has the same ranks. Of the rest, only retired models have
#: another vocabulary than cl100k_base.
AS_O200K = frozenset({"o200k_base", "o200k_harmony"})


def build(name: str, data: bytes) -> tiktoken.Encoding:
    """The encoder of a rank file. Ranks in these files are the line numbers; ValueError if they are not."""
    parts = data.split()
    count = len(parts) // 2
    # Reading 200,000 numbers that only count up costs 25 ms of a start; the checksum vouches for those in between.
    if not count or int(parts[-1]) != count - 1:
        raise ValueError(f"{name}: not a rank file in order")
    ranks = dict(zip(map(binascii.a2b_base64, parts[::2]), range(count), strict=True))
    encoding = tiktoken.Encoding(name, pat_str=PATTERNS[name], mergeable_ranks=ranks, special_tokens=SPECIAL_TOKENS[name])
    encoding.encode_ordinary("compile the pattern now, not inside the first call")
    return encoding


#: `ft:` of a fine-tuned model; a region and a vendor as AWS writes them (`us.anthropic.claude-…`).
_PREFIX = re.compile(
    r"(?:ft:|(?:[a-z]{2,6}(?:-gov)?\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|mistral|moonshot|openai|qwen|writer)\.)"
)


def bare_name(model: str) -> str:
    """The model's own name: lower case, without a vendor's or a region's prefix (`openai/gpt-4o`, `accounts/x/models/y`,
    `us.anthropic.claude-sonnet-4-5`, `ft:gpt-4o:acme`)."""
    name = model.rsplit("/", 1)[-1].lower()
    prefix = _PREFIX.match(name)
    return name if prefix is None else name[prefix.end() :]


@lru_cache(maxsize=1024)
def encoding_name(model: str) -> str:
    """`o200k_base` or `cl100k_base`; o200k_base for every model that tiktoken does not know."""
    try:
        name = tiktoken.encoding_name_for_model(bare_name(model).partition(":")[0])
    except KeyError:
        return O200K
    return O200K if name in AS_O200K else CL100K


def needed(models: Iterable[str]) -> set[str]:
    """The encodings worth loading for these upstream models; o200k_base always, as the one for all others."""
    return {O200K, *(encoding_name(model) for model in models)}
