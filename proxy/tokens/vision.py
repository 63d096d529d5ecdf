"""What a model bills for an image of a given size: the vendors' own formulas, as tables.

OpenAI cuts images into tiles of 512 pixels (older families) or patches of 32 (newer ones); Anthropic into patches of 28.
An image whose size is unknown, and any image for a family without a published formula, costs the family's flat figure.
"""

import math
from dataclasses import dataclass

from proxy.tokens.families import family_of, longest_prefix


@dataclass(frozen=True, slots=True)
class Tiles:
    """`base` for every image plus `tile` for each 512 px square after fitting; low detail costs the base alone."""

    base: int
    tile: int

    def tokens(self, width: int, height: int, detail: str) -> int:
        if detail == "low":
            return self.base
        scale = min(1.0, 2048 / max(width, height))
        scale *= min(1.0, 768 / (min(width, height) * scale))
        return self.base + self.tile * _cells(width * scale, 512) * _cells(height * scale, 512)


@dataclass(frozen=True, slots=True)
class Patches:
    """`multiplier` for each 32 px patch of the image shrunk into `budget` patches. `original`: what detail `original`
    allows, as (longest edge, budget); `auto_original`: detail `auto` means it too, and `low` fits into 512 px."""

    multiplier: float
    budget: int = 1536
    original: tuple[int, int] | None = None
    auto_original: bool = False

    def tokens(self, width: int, height: int, detail: str) -> int:
        edge, budget = 2048, self.budget
        if self.original and (detail == "original" or (self.auto_original and detail != "high")):
            edge, budget = self.original
        if self.auto_original and detail == "low":
            edge = 512
        return math.ceil(_patches(width, height, edge, budget) * self.multiplier)


@dataclass(frozen=True, slots=True)
class Grid:
    """Anthropic: as many 28 px patches as fit both limits."""

    edge: int
    budget: int

    def tokens(self, width: int, height: int, _detail: str) -> int:
        high = min(1.0, self.edge / max(width, height))
        if _grid(width, height, high) <= self.budget:
            return _grid(width, height, high)
        low = 0.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if _grid(width, height, middle) <= self.budget else (low, middle)
        return _grid(width, height, low)


def _cells(length: float, size: int) -> int:
    # A length that arithmetic left a hair above a whole number of cells is that number of cells.
    return max(1, math.ceil(length / size - 1e-6))


def _grid(width: int, height: int, scale: float) -> int:
    return _cells(width * scale, 28) * _cells(height * scale, 28)


def _patches(width: float, height: float, edge: int, budget: int) -> int:
    scale = min(1.0, edge / max(width, height))
    width, height = width * scale, height * scale
    count = _cells(width, 32) * _cells(height, 32)
    if count <= budget:
        return count
    ratio = math.sqrt(1024 * budget / (width * height))
    columns, rows = width * ratio / 32, height * ratio / 32
    ratio *= min(max(1, math.floor(columns)) / columns, max(1, math.floor(rows)) / rows)
    return min(budget, _cells(width * ratio, 32) * _cells(height * ratio, 32))


_CLASSIC = Tiles(85, 170)
_LARGE = (6000, 10_000)

#: By the start of the model's bare name, the longest one that fits. Checked against published readings of the APIs.
FORMULAS: dict[str, Tiles | Patches | Grid] = {
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
    "claude-opus-4.7": Grid(2576, 4784),
    "claude-opus-4-8": Grid(2576, 4784),
    "claude-opus-4.8": Grid(2576, 4784),
    "claude-opus-5": Grid(2576, 4784),
    "claude-sonnet-5": Grid(2576, 4784),
    "claude-haiku-5": Grid(2576, 4784),
}


def image_tokens(model: str, size: tuple[int, int] | None, detail: str) -> int:
    """Input tokens of one image; `detail` is OpenAI's (`low`, `high`, `auto`, `original`)."""
    formula = longest_prefix(FORMULAS, model)
    if size is None or formula is None:
        return family_of(model).image
    return formula.tokens(size[0], size[1], detail)
