"""Sums of the ledger by what somebody wants to see them by. Pure: rows in, lines out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from proxy.stores.ledger.contract import Row
from proxy.stores.ledger.entries import LOST
from proxy.stores.ledger.rollups import SUMS
from proxy.stores.ledger.waste import CHECK, CUT, FAILED, HEDGE, LEFT, PROBE

#: The kinds of waste (what they mean: `stores/ledger/waste.py`), as a report says them.
WASTES: Mapping[str, str] = {
    FAILED: "retries",
    CUT: "cut streams",
    HEDGE: "hedges",
    CHECK: "failed checks",
    LEFT: "clients left",
    LOST: "lost in crashes",
    PROBE: "probes",
}


@dataclass(slots=True)
class Waste:
    """What attempts of one kind used for nobody. Known cost in nano-dollars; `unpriced`: attempts whose tokens have none."""

    attempts: int = 0
    tokens: int = 0
    money: int = 0
    unpriced: int = 0

    @property
    def cost(self) -> int | None:
        return known(self.money, self.unpriced)

    def add(self, other: "Waste") -> None:
        self.attempts += other.attempts
        self.tokens += other.tokens
        self.money += other.money
        self.unpriced += other.unpriced


@dataclass(slots=True)
class Line:
    """One group. Tokens, calls and attempts are counts; money is nano-dollars of what has a price, and `unpriced` says how
    many attempts have none. The money of a line is None if nothing of it has a price. `wastes` by kind."""

    group: tuple[str, ...]
    sums: dict[str, int] = field(default_factory=dict)
    wastes: dict[str, Waste] = field(default_factory=dict)

    def __getitem__(self, name: str) -> int:
        return self.sums.get(name, 0)

    @property
    def tokens(self) -> int:
        return self["input"] + self["output"]

    @property
    def estimated_share(self) -> float:
        """Of all tokens, 0 to 1."""
        return share(self["estimated"], self.tokens)

    @property
    def reasoning_share(self) -> float:
        """Of the output, 0 to 1."""
        return share(self["reasoning"], self["output"])

    @property
    def cost(self) -> int | None:
        return known(self["cost"], self["unpriced"])

    @property
    def wasted_cost(self) -> int | None:
        return known(self["wasted_cost"], self["wasted_unpriced"])

    @property
    def failover_cost(self) -> int | None:
        if self["failovers"] and self["failovers"] == self["failover_unpriced"]:
            return None
        return self["failover_cost"]

    @property
    def saved(self) -> int:
        """By the providers' caches and by our own."""
        return self["cache_saved"] + self["saved"]

    @property
    def first_content_ms(self) -> float | None:
        """Of streams, on average; None: there were none."""
        return self["first_content_ms"] / self["first_contents"] if self["first_contents"] else None

    @property
    def speed(self) -> float | None:
        """Tokens a second of streams whose provider counted them; None: there were none."""
        return self["generated"] * 1000 / self["generation_ms"] if self["generation_ms"] else None

    @property
    def failed(self) -> int:
        """Attempts that came to nothing because of their target."""
        return sum(self.wastes[kind].attempts for kind in (FAILED, CUT) if kind in self.wastes)

    def add(self, row: Row) -> None:
        """A row of sums; with a column `waste` it goes by kind too."""
        if self.sums:
            for name in SUMS:
                self.sums[name] += int(row[name] or 0)
        else:
            self.sums = {name: int(row[name] or 0) for name in SUMS}  # most lines of a long report are of one row
        kind = row.get("waste")
        if kind:
            found = Waste(*(int(row[name] or 0) for name in ("attempts", "wasted", "wasted_cost", "wasted_unpriced")))
            self.wastes.setdefault(str(kind), Waste()).add(found)


def known(money: int, unpriced: int) -> int | None:
    """None where there is something without a price, and nothing with one."""
    return None if unpriced and not money else money


def share(part: int, whole: int) -> float:
    """0 to 1; of nothing: 0."""
    return part / whole if whole else 0.0


@lru_cache(maxsize=4096)
def _moment(hour: int, dimension: str) -> str:
    at = datetime.fromtimestamp(hour * 3600, UTC)
    return at.date().isoformat() if dimension == "day" else at.strftime("%Y-%m-%dT%H:00Z")


def _value(row: Row, dimension: str) -> str:
    if dimension in ("day", "hour"):
        return _moment(int(row["hour"] or 0), dimension)
    if dimension == "model":
        return str(row["target"]).removeprefix(f"{row['provider']}/")
    return str(row[dimension])


def group_by(rows: Iterable[Row], dimensions: Sequence[str]) -> list[Line]:
    """The lines, dearest first; by time in its order."""
    lines: dict[tuple[str, ...], Line] = {}
    for row in rows:
        group = tuple(_value(row, dimension) for dimension in dimensions)
        line = lines.get(group)
        if line is None:
            line = lines[group] = Line(group)
        line.add(row)
    if "day" in dimensions or "hour" in dimensions:
        return sorted(lines.values(), key=lambda line: line.group)
    return sorted(lines.values(), key=lambda line: (-line["cost"], -line.tokens, line.group))


def total_of(rows: Iterable[Row]) -> Line:
    """All of these rows as one line. Not for rows by tag, which overlap."""
    total = Line(())
    for row in rows:
        total.add(row)
    return total
