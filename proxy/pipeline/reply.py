"""What the client is told besides the provider's own bytes: headers, and the comment that closes a stream.

Provider headers are not copied but rebuilt from an allow-list: cookies, rate limits of our account and hop-by-hop
headers stay here. Everything of ours begins with `x-undimmed-`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from proxy.core.problem import Problem
from proxy.core.records import AttemptRecord
from proxy.core.usage import Usage, UsageSource
from proxy.pipeline.journey import Journey
from proxy.tokens.prices import dollars
from proxy.wire.formats import ClientFormat

if TYPE_CHECKING:
    from proxy.pipeline.attempt import Attempt

#: Provider headers that a client may see.
PASSED = frozenset(
    {
        b"content-type",
        b"content-disposition",
        b"x-request-id",
        b"request-id",
        b"openai-processing-ms",
        b"openai-version",
    }
)


def commit_headers(journey: Journey, attempt: "Attempt") -> list[tuple[bytes, bytes]]:
    """Headers of a reply that a provider gave."""
    headers = [header for header in attempt.headers if header[0] in PASSED]
    names = [name for name, _ in headers]
    envelope = journey.call.envelope
    stream = envelope.stream
    if b"content-type" not in names:
        kind = b"text/event-stream; charset=utf-8" if stream else b"application/json"
        if envelope.opaque:
            kind = b"application/octet-stream"
        headers.append((b"content-type", kind))
    if stream:
        headers.append((b"cache-control", b"no-cache"))
    call_id = journey.call.id.encode()
    if b"x-request-id" not in names:
        headers.append((b"x-request-id", call_id))
    return headers + served_headers(journey, attempt.record)


def served_headers(journey: Journey, record: AttemptRecord) -> list[tuple[bytes, bytes]]:
    """Who answered, after how many attempts, and what of the request it could not be told as it was."""
    headers = [
        (b"x-undimmed-request-id", journey.call.id.encode()),
        *journey.route.headers[record.target],
        (b"x-undimmed-attempts", b"%d" % len(journey.record.attempts)),
    ]
    if journey.record.degraded:
        headers.append((b"x-undimmed-degraded", journey.record.degraded.encode()))
    if journey.escalated is not None:
        headers.append((b"x-undimmed-escalated", journey.escalated.record.outcome.message.encode("ascii", "replace")))
    if record.dropped:
        headers.append((b"x-undimmed-dropped", ", ".join(record.dropped).encode("ascii", "replace")))
    return headers + limit_headers(journey)


def limit_headers(journey: Journey) -> list[tuple[bytes, bytes]]:
    """What is left of the client's limits."""
    passage = journey.booking.passage
    return [] if passage is None else passage.headers()


def usage_headers(record: AttemptRecord) -> list[tuple[bytes, bytes]]:
    """Tokens and cost of a whole answer."""
    usage = record.usage
    if usage is None:
        return []
    headers = [
        (b"x-undimmed-tokens-input", b"%d" % usage.input),
        (b"x-undimmed-tokens-output", b"%d" % usage.output),
        (b"x-undimmed-tokens-source", usage.source.encode()),
    ]
    if record.cost is not None:
        headers.append((b"x-undimmed-cost-usd", dollars(record.cost).encode()))
    return headers


def count_headers(journey: Journey, usage: Usage) -> list[tuple[bytes, bytes]]:
    """Headers of a count that was made here."""
    return [
        (b"content-type", b"application/json"),
        (b"x-undimmed-request-id", journey.call.id.encode()),
        (b"x-undimmed-route", journey.route.route.name.encode()),
        (b"x-undimmed-attempts", b"%d" % len(journey.record.attempts)),
        (b"x-undimmed-tokens-source", usage.source.encode()),
        *limit_headers(journey),
    ]


def closing_words(journey: Journey, record: AttemptRecord) -> dict[str, object]:
    """What the last comment of a stream says."""
    words: dict[str, object] = {
        "request_id": journey.call.id,
        "target": record.target,
        "attempts": len(journey.record.attempts),
    }
    usage, cost = record.usage, record.cost
    resumption = journey.resumption
    if resumption is not None and resumption.begun:
        words["parts"] = resumption.parts()
        usage, cost = sum_up([attempt for attempt in journey.record.attempts if attempt.delivered])
    if usage is not None:
        words["tokens"] = {
            "input": usage.input,
            "cached": usage.cached,
            "output": usage.output,
            "reasoning": usage.reasoning,
            "source": usage.source.value,
        }
    if journey.record.degraded:
        words["degraded"] = journey.record.degraded
    if record.dropped:
        words["dropped"] = list(record.dropped)
    words["cost_usd"] = dollars(cost) if cost is not None else None
    return words


def sum_up(attempts: Sequence[AttemptRecord]) -> tuple[Usage | None, int | None]:
    """What several answers that became one have used and cost; None: of one of them it is not known, or not yet."""
    usages = [attempt.usage for attempt in attempts if attempt.usage is not None]
    costs = [attempt.cost for attempt in attempts if attempt.cost is not None]
    cost = sum(costs) if len(costs) == len(attempts) else None
    if len(usages) < len(attempts):
        return None, cost
    source = usages[0].source if len({usage.source for usage in usages}) == 1 else UsageSource.MIXED
    whole = Usage(
        input=sum(usage.input for usage in usages),
        output=sum(usage.output for usage in usages),
        cached=sum(usage.cached for usage in usages),
        reasoning=sum(usage.reasoning for usage in usages),
        source=source,
    )
    return whole, cost


def problem_headers(form: ClientFormat, call_id: str, problem: Problem) -> list[tuple[bytes, bytes]]:
    """Headers of an error reply."""
    return [
        (b"content-type", b"application/json"),
        (b"x-request-id", call_id.encode()),
        (b"x-undimmed-request-id", call_id.encode()),
        (b"x-undimmed-attempts", b"%d" % len(problem.attempts)),
        *form.error_headers(problem),
        *problem.headers,
    ]


def told(record: AttemptRecord) -> dict[str, object]:
    """An attempt as error bodies list it: safe to show, no credential."""
    outcome = record.outcome
    entry: dict[str, object] = {
        "target": record.target,
        "outcome": outcome.kind.value,
        "duration_ms": round((record.ended_at - record.started_at) * 1000),
    }
    if outcome.status is not None:
        entry["status"] = outcome.status
    if outcome.message:
        entry["message"] = outcome.message
    return entry
