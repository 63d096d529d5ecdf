"""What a ledger says was used in a span by somebody: how budgets know, after a restart, what was spent before it.

Whole hours are read from the sums, the pieces of an hour at both ends from the rows, which reach further back than any
period does (`ledger.retention`, unless somebody has set less). What a dead process has left in its journal counts too, as
far as the database does not have it yet.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.core.limits import Scope, Unit
from proxy.stores.ledger.entries import CallEntry
from proxy.stores.ledger.reading import Reader, Span
from proxy.stores.ledger.recovery import ended_calls, leftovers
from proxy.stores.ledger.rollups import HOUR


@dataclass(frozen=True, slots=True)
class Question:
    """How much of a unit calls of this key, route or provider have used since then, before `until` (ms). A tag is asked for
    by the keys that have it: scope KEY and several `names`."""

    scope: Scope
    names: Collection[str]
    unit: Unit
    since: int
    until: int


@dataclass(slots=True)
class _Use:
    """Tokens and money of something in the ledger."""

    key: str
    route: str
    provider: str
    tokens: int
    cost: int

    def answers(self, question: Question) -> int:
        name = {Scope.ROUTE: self.route, Scope.PROVIDER: self.provider}.get(question.scope, self.key)
        if name not in question.names:
            return 0
        return self.cost if question.unit is Unit.USD else self.tokens


def read_spent(path: Path, questions: Sequence[Question]) -> list[int]:
    """One amount per question; 0 where there is no ledger yet. Raises what reading raises."""
    answers = [0] * len(questions)

    def count(uses: Iterable[_Use], places: Iterable[int]) -> None:
        for use in uses:
            for place in places:
                answers[place] += use.answers(questions[place])

    waiting = {call.id: call for files in leftovers(path).values() for call in ended_calls(files)}
    spans = {(question.since, question.until) for question in questions}
    placed = {span: [n for n, one in enumerate(questions) if (one.since, one.until) == span] for span in spans}
    if path.is_file():
        with Reader(path) as reader:
            for identity in reader.known(list(waiting)):
                del waiting[identity]
            for (since, until), places in placed.items():
                count(_booked(reader, since, until), places)
    for (since, until), places in placed.items():
        count((use for call in waiting.values() if since <= call.wall < until for use in _unbooked(call)), places)
    return answers


def _booked(reader: Reader, since: int, until: int) -> Iterator[_Use]:
    """What the database has of a span."""
    first, last = -(-since // HOUR) * HOUR, until // HOUR * HOUR
    if first < last:
        for row in reader.sums(Span(first, last)):
            yield _Use(row["key"], row["route"], row["provider"], row["input"] + row["output"], row["cost"])
    edges = (Span(since, first), Span(last, until)) if first < last else (Span(since, until),)
    for span in edges:
        for call, attempts in reader.calls(span):
            for row in attempts:
                tokens = (row["input"] or 0) + (row["output"] or 0)
                yield _Use(call["key"], call["route"], row["provider"], tokens, row["cost"] or 0)


def _unbooked(call: CallEntry) -> Iterator[_Use]:
    """A call that a dead process has finished and nobody has booked yet."""
    for attempt in call.attempts:
        tokens = (attempt.input or 0) + (attempt.output or 0)
        yield _Use(call.key, call.route, attempt.provider, tokens, attempt.cost or 0)
