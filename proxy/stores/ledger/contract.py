"""What every ledger offers, whatever it writes to: `Ledger` to the proxy, `Database` to the ledger's own thread, `Reader` to
reports and budgets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from proxy.core.records import AttemptRecord, CallRecord, ProbeRecord, StateChange
from proxy.stores.ledger.entries import Final
from proxy.stores.ledger.tariff import Tariff

FOREVER = 2**62
#: A row by its columns' names.
Row = Mapping[str, int | float | str | None]


class LedgerState(Struct):
    """How a ledger is. `state`: `ok`, `spilling` (rows wait in the journal, the database does not take them) or `losing`
    (the journal is full too). Rows since the start: `written` to the database, of these `replayed` after they had waited
    out a failure or a death; `spilled` met a database that did not take them; `lost`. `waiting` is what is in the journal
    now. `durable` False: the journal is in this process's memory only, since no file could be made for it."""

    state: str
    written: int
    spilled: int
    replayed: int
    lost: int
    waiting: int
    durable: bool
    error: str | None


class Ledger(Protocol):
    """A sink that remembers for good. Its methods but `close` neither block nor raise."""

    def start(self) -> None: ...

    def attempt_started(self, call: CallRecord, attempt: AttemptRecord) -> None:
        """An attempt is about to be sent: if nothing more is heard of it, it was lost, and may have cost money."""

    def call_finished(self, record: CallRecord) -> None: ...

    def state_changed(self, change: StateChange) -> None: ...

    def probed(self, record: ProbeRecord) -> None: ...

    def use(self, tariff: Tariff) -> None:
        """Hold the next rows against these first choices and prices."""

    def state(self) -> LedgerState: ...

    def close(self, seconds: float) -> bool:
        """Write what is waiting, for so long at most. False: rows are left, in the journal, for the next process."""


class Database(Protocol):
    """Where a ledger's thread puts rows. Belongs to one thread. Anything may raise, `Down` among others, after which it is
    to be closed."""

    def write(self, entries: Sequence[Final], tariff: Tariff) -> int:
        """A group of calls and probes with its sums, durably and as a whole; how many were new. What is there already is
        left out, so a group may be written again after any failure."""

    def close_days(self, today: int) -> bool:
        """Sum up some days before this one (Unix time by their length) that are not yet; True: there are more."""

    def forget(self, before: int) -> int:
        """Delete some calls from before this Unix time in ms; how many there were: 0 when there are no more."""

    def compact(self) -> None:
        """Give room that is free back."""

    def size(self) -> int:
        """The bytes that it takes."""

    def close(self) -> None:
        """Never raises."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `since`, before `until`, in ms of Unix time."""

    since: int = 0
    until: int = FOREVER


@dataclass(frozen=True, slots=True)
class Spent:
    """What went through one key, route, provider or tag (`dimension`, `name`; `name` "" where there was none: calls without
    a key, attempts of no provider). `cost` in nano-dollars of what has a price; `unpriced_tokens` have none. `input` and
    `output` in tokens, also of attempts that nobody received. A call with two tags counts under both."""

    dimension: str
    name: str
    calls: int
    input: int
    output: int
    cost: int
    unpriced_tokens: int

    def plus(self, other: "Spent") -> "Spent":
        """Both together, which are of the same."""
        return Spent(
            self.dimension,
            self.name,
            self.calls + other.calls,
            self.input + other.input,
            self.output + other.output,
            self.cost + other.cost,
            self.unpriced_tokens + other.unpriced_tokens,
        )


class Reader(Protocol):
    """One moment of a ledger, in one thread, while proxies go on writing. A context manager. Methods raise `Unreadable`
    when the database fails. Rows are read as they are asked for, in bounded memory."""

    def __enter__(self) -> "Reader": ...

    def __exit__(self, *_: object) -> None: ...

    def query(self, sql: str, values: Sequence[int | float | str] = ()) -> Iterator[Row]:
        """Any SELECT that SQLite and PostgreSQL both understand, with `?` for each value."""

    def sums(self, span: Span, by: Sequence[str] | None = None) -> list[Row]:
        """The sums of `rollups` (see `schema`) of all hours that lie in this span, in part at least, by these
        `reading.DIMENSIONS`, or by every column of it. A line has the columns of its dimensions, `SUMS`, and `hour`, the
        first one. With `tag` among them calls count once under each of their tags, and under "" if they have none. Without
        any there is one line, of all, unless there is nothing."""

    def hours(self, span: Span) -> tuple[int, int] | None:
        """The first and the last Unix hour in this span of which there are sums; None: there are none."""

    def uses(self, span: Span) -> list[Row]:
        """The sums of `uses` of all days (UTC) in this span, by route, target, provider, features, size and outcome."""

    def calls(self, span: Span) -> Iterator[tuple[Row, list[Row]]]:
        """Every call with its attempts, the oldest first."""

    def probes(self, span: Span) -> Iterator[Row]:
        """Every probe that used tokens, the oldest first."""

    def spent(self, since: int, until: int = FOREVER) -> Iterable[Spent]:
        """What was spent from this Unix time in ms on, before `until`, by each key, route, provider and tag. Exact while the
        rows of the hours that both lie in are kept. `spending.read_spent` also looks into journals."""

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of them that are ids of calls and probes of which there are rows."""

    def counts(self) -> tuple[int, int]:
        """Calls and attempts of which there are rows."""

    def verify(self) -> Iterator[str]:
        """Everything that is wrong, a sentence each."""


class Down(Exception):
    """The database does not take rows; the message says why, without a value or a secret."""


class Busy(Down):
    """Another process has the right to what was wanted."""


class Unreadable(Exception):
    """There is no ledger, it is none of ours, or it cannot be read; the message says which, and no secret."""


class Absent(Unreadable):
    """There is no ledger yet."""
