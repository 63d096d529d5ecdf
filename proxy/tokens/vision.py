"""What a model bills for an image: which of the vendors' formulas (`vision_formulas.py`) holds for it, as a table.

An image whose size is unknown, and any image for a family without a published formula, costs the family's flat figure.
"""

from types import MappingProxyType

from proxy.tokens.families import family_of, longest_prefix
from proxy.tokens.vision_formulas import ByDetail, Chunks, Formula, Grid, Patches, Rounded, Rows, Squares, Tiles

_CLASSIC = Tiles(85, 170)
_LARGE = (6000, 10_000)

#: By the start of the model's bare name, the longest one that fits. Checked against published readings of the APIs.
FORMULAS: dict[str, Formula] = {
    "gpt-4": _CLASSIC,
    "gpt-4o": _CLASSIC,
    "chatgpt-4o": _CLASSIC,
    "gpt-4o-mini": Tiles(2833, 5667),
    "gpt-4.1-mini": Patches(1.62),
    "gpt-4.1-nano": Patches(2.46),
    "o1": Tiles(75, 150),
    "o3": Tiles(75, 150),
    "o4-mini": Patches(1.72),
    "computer-use-preview": Tiles(65, 129),
    "gpt-5": Tiles(70, 140),
    "gpt-5-mini": Patches(1.2),
    "gpt-5-nano": Patches(1.5),
    "gpt-5.2": Patches(1.2),
    "gpt-5.3-codex": Patches(1.2),
    "gpt-5.4": Patches(1.2, 2500, _LARGE),
    "gpt-5.5": Patches(1.2, 2500, _LARGE, auto_original=True),
    "gpt-5.6": Patches(1.2, 2500, _LARGE, auto_original=True),
    "gpt-6": Patches(1.2, 2500, _LARGE, auto_original=True),
    "claude": Grid(1568, 1568),
    "claude-opus-4-7": Grid(2576, 4784),
    "claude-opus-4-8": Grid(2576, 4784),
    "claude-opus-5": Grid(2576, 4784),
    "claude-sonnet-5": Grid(2576, 4784),
    "claude-haiku-5": Grid(2576, 4784),
    "gemini": ByDetail(MappingProxyType({"low": 280, "medium": 560, "ultra": 2240, "ultra_high": 2240}), 1120),
    "gemini-1": Squares(small=384),
    "gemini-2.0": Squares(small=384),
    "gemini-2.5": Squares(edge=None),
    "gemma": ByDetail(MappingProxyType({}), 258),
    "qwen-vl": Rounded(28),
    "qwen2": Rounded(28),
    "qwen3": Rounded(32),
    "pixtral": Rows(16, 1024),
    "mistral": Rows(28, 1540),
    "ministral": Rows(28, 1540),
    "magistral": Rows(28, 1540),
    "llama-3.2": Chunks(1601, 560, 4),
    "llama3.2": Chunks(1601, 560, 4),
    "llama-4": Chunks(144, 336, 16, overview=True),
    "llama4": Chunks(144, 336, 16, overview=True),
}


def image_tokens(model: str, size: tuple[int, int] | None, detail: str) -> int:
    """Input tokens of one image; `detail` is OpenAI's (`low`, `high`, `auto`, `original`)."""
    formula = longest_prefix(FORMULAS, model)
    if size is None or formula is None:
        return family_of(model).image
    return formula.tokens(size[0], size[1], detail)
