"""How vendors count an image of a given size: their own formulas, without the models that use them (`vision.py`).

All of them cut an image into squares after fitting it into limits: tiles of some hundred pixels, each worth a fixed number
of tokens, or patches of a few pixels, each worth one. Sizes are whole pixels, at least 1; every result is bounded.
Source: the vendors' documentation and published readings of their APIs; for open models, the code that prepares their input.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Formula(Protocol):
    """Input tokens of one image. `detail` is the request's word (`low`, `high`, `auto`, `original`), which most ignore."""

    def tokens(self, width: int, height: int, detail: str) -> int: ...


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


@dataclass(frozen=True, slots=True)
class Squares:
    """Gemini 2: `each` for every square. A square is `edge` pixels wide, or, where `edge` is None, two thirds of the image's
    short side between 256 and 768. `small`: an image of at most so many pixels on both sides is one square."""

    each: int = 258
    edge: int | None = 768
    small: int = 0

    def tokens(self, width: int, height: int, _detail: str) -> int:
        if max(width, height) <= self.small:
            return self.each
        edge = self.edge or min(768, max(256, int(min(width, height) / 1.5)))
        return self.each * min(_cells(width, edge) * _cells(height, edge), MOST_SQUARES)


@dataclass(frozen=True, slots=True)
class ByDetail:
    """Gemini 3: the size does not matter, only how closely the request asks to look."""

    words: Mapping[str, int]
    usual: int

    def tokens(self, _width: int, _height: int, detail: str) -> int:
        return self.words.get(detail, self.usual)


@dataclass(frozen=True, slots=True)
class Rounded:
    """Qwen-VL: both sides rounded to whole cells of `cell` pixels, shrunk or enlarged into 4 to 16,384 cells, and two tokens
    around them."""

    cell: int

    def tokens(self, width: int, height: int, _detail: str) -> int:
        columns, rows = max(1, round(width / self.cell)), max(1, round(height / self.cell))
        area = width * height / self.cell**2
        if columns * rows > 16_384:
            scale = math.sqrt(16_384 / area) / self.cell
            columns, rows = max(1, int(width * scale)), max(1, int(height * scale))
        elif columns * rows < 4:
            scale = math.sqrt(4 / area) / self.cell
            columns, rows = math.ceil(width * scale), math.ceil(height * scale)
        return min(columns * rows, 16_384) + 2


@dataclass(frozen=True, slots=True)
class Rows:
    """Mistral: cells of `cell` pixels after the long side was fitted into `edge`, and one token at each row's end."""

    cell: int
    edge: int

    def tokens(self, width: int, height: int, _detail: str) -> int:
        scale = min(1.0, self.edge / max(width, height))
        rows, columns = _cells(round(height * scale), self.cell), _cells(round(width * scale), self.cell)
        return rows * (columns + 1)


@dataclass(frozen=True, slots=True)
class Chunks:
    """Llama: `each` for every tile of `edge` pixels, `most` of them at the highest; `overview`: the whole image once more as
    a tile of its own where it was cut up, with a separator for every tile."""

    each: int
    edge: int
    most: int
    overview: bool = False

    def tokens(self, width: int, height: int, _detail: str) -> int:
        tiles = min(self.most, _cells(width, self.edge) * _cells(height, self.edge))
        if not self.overview or tiles == 1:
            return tiles * self.each
        return (tiles + 1) * self.each + tiles


#: No vendor takes images that would need more.
MOST_SQUARES = 256


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
