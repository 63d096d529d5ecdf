"""In which letters a text is mostly written, and how many digits it spells out: what other vocabularies than OpenAI's treat
differently.

Looks at no more than some thousand characters, evenly spread, however long the text is.
"""

import enum
import re
from bisect import bisect_right
from collections import Counter

#: Characters that are looked at.
SAMPLE = 4096
_DIGITS = re.compile(r"[0-9]+")


class Script(enum.Enum):
    """`OTHER`: Latin letters, code, numbers, and whatever has no row of its own."""

    OTHER = "other"
    CYRILLIC = "cyrillic"
    HAN = "han"
    KANA = "kana"  # Japanese, which writes half of its words in Han
    HANGUL = "hangul"
    ARABIC = "arabic"
    DEVANAGARI = "devanagari"


#: First code point of each stretch (Unicode's blocks) and what is written in it.
_STRETCHES = (
    (0x0000, Script.OTHER),
    (0x0400, Script.CYRILLIC),
    (0x0530, Script.OTHER),
    (0x0600, Script.ARABIC),
    (0x0780, Script.OTHER),
    (0x0900, Script.DEVANAGARI),
    (0x0980, Script.OTHER),
    (0x1100, Script.HANGUL),
    (0x1200, Script.OTHER),
    (0x3040, Script.KANA),
    (0x3100, Script.OTHER),
    (0x3130, Script.HANGUL),
    (0x3190, Script.OTHER),
    (0x3400, Script.HAN),
    (0xA000, Script.OTHER),
    (0xAC00, Script.HANGUL),
    (0xD7B0, Script.OTHER),
    (0x20000, Script.HAN),
    (0x32000, Script.OTHER),
)
_STARTS = [start for start, _ in _STRETCHES]


def find_script(text: str) -> Script:
    """The script of more than half of the letters; Han with a tenth of kana is Japanese."""
    if text.isascii():
        return Script.OTHER
    step = len(text) // SAMPLE + 1
    counts: Counter[Script] = Counter()
    for char, count in Counter(text[::step]).items():
        if char.isalpha() or char > "\u02ff":
            counts[_STRETCHES[bisect_right(_STARTS, ord(char)) - 1][1]] += count
    kana = counts[Script.KANA]
    if kana * 10 >= kana + counts[Script.HAN]:
        counts[Script.KANA] += counts.pop(Script.HAN, 0)
    script, count = counts.most_common(1)[0] if counts else (Script.OTHER, 0)
    return script if count * 2 > counts.total() else Script.OTHER


def digit_extra(text: str) -> int:
    """Tokens to add for families that spend one on every ASCII digit, where o200k_base spends one on three."""
    return sum(len(run) - (len(run) + 2) // 3 for run in _DIGITS.findall(text))
