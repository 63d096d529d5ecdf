"""Sums of the ledger by what somebody wants to see them by. Pure: rows in, lines out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from proxy.stores.ledger.contract import Row
from proxy.stores.ledger.rollups import SUMS


def _value(row: Row, dimension: str) -> str:
    if dimension in ("day", "hour"):
        at = datetime.fromtimestamp(int(row["hour"] or 0) * 3600, UTC)
        return at.date().isoformat() if dimension == "day" else at.strftime("%Y-%m-%dT%H:00Z")
    if dimension == "model":
        return str(row["target"]).removeprefix(f"{row['provider']}/")
    return str(row[dimension])


@dataclass(slots=True)
class Line:
    """One group. Tokens, calls and attempts are counts; money is nano-dollars of what has a price, and `unpriced` says how
    many attempts have none. The money of a line is None if nothing of it has a price."""

    group: tuple[str, ...]
    sums: dict[str, int]

    def __getitem__(self, name: str) -> int:
        return self.sums[name]

    @property
    def tokens(self) -> int:
        return self.sums["input"] + self.sums["output"]

    @property
    def estimated_share(self) -> float:
        """Of all tokens, 0 to 1."""
        return self.sums["estimated"] / self.tokens if self.tokens else 0.0

    @property
    def cost(self) -> int | None:
        return _known(self.sums["cost"], self.sums["unpriced"])

    @property
    def wasted_cost(self) -> int | None:
        return _known(self.sums["wasted_cost"], self.sums["wasted_unpriced"])

    @property
    def failover_cost(self) -> int | None:
        if self.sums["failovers"] and self.sums["failovers"] == self.sums["failover_unpriced"]:
            return None
        return self.sums["failover_cost"]


def _known(money: int, unpriced: int) -> int | None:
    return None if unpriced and not money else money


def _add(lines: dict[tuple[str, ...], Line], group: tuple[str, ...], row: Row) -> None:
    line = lines.get(group)
    if line is None:
        line = lines[group] = Line(group, dict.fromkeys(SUMS, 0))
    for name in SUMS:
        line.sums[name] += int(row[name] or 0)


def group_by(rows: Iterable[Row], dimensions: Sequence[str], whole: Iterable[Row]) -> tuple[list[Line], Line]:
    """The lines, dearest first (by time in its order), and their total: that of `whole`, since lines by tag overlap."""
    lines: dict[tuple[str, ...], Line] = {}
    total: dict[tuple[str, ...], Line] = {(): Line((), dict.fromkeys(SUMS, 0))}
    for row in rows:
        _add(lines, tuple(_value(row, dimension) for dimension in dimensions), row)
    for row in whole:
        _add(total, (), row)
    if "day" in dimensions or "hour" in dimensions:
        ordered = sorted(lines.values(), key=lambda line: line.group)
    else:
        ordered = sorted(lines.values(), key=lambda line: (-line["cost"], -line.tokens, line.group))
    return ordered, total[()]
