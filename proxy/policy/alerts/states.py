"""Rules over states: something is out, and says so itself."""

from collections.abc import Iterator

from proxy.core.alarming import Severity, Thresholds
from proxy.policy.alerts.figures import Figures, Finding
from proxy.policy.alerts.words import clock, span

_LEDGER = {
    "spilling": (1, Severity.WARNING, "its database takes no rows: {waiting:,} wait in the journal"),
    "losing": (2, Severity.CRITICAL, "its journal is full: {lost:,} calls are lost so far"),
}


def out(figures: Figures, thresholds: Thresholds) -> Iterator[Finding]:
    """A target is taken out of traffic; worse, if some route has no other."""
    for target in figures.targets:
        stranded = ", ".join(target.stranded)
        left = f"; nothing else is left for route {stranded}" if stranded else "; its routes have others"
        yield Finding(
            subject=target.subject,
            severity=Severity.CRITICAL if stranded else Severity.WARNING,
            text=f"{target.subject} is out of traffic since {clock(target.since, figures.now)}: {target.cause}{left}; told "
            f"after {span(thresholds.target_after)}",
            since=target.since,
            step=2 if stranded else 1,
            provider=target.provider,
            value=round(figures.now - target.since, 1),
            threshold=thresholds.target_after,
        )


def refused(figures: Figures, thresholds: Thresholds) -> Iterator[Finding]:
    """A credential is not accepted, or has no token."""
    for credential in figures.credentials:
        yield Finding(
            subject=credential.subject,
            severity=Severity.CRITICAL,
            text=f"credential {credential.subject} cannot be used since {clock(credential.since, figures.now)}: "
            f"{credential.cause}",
            since=credential.since,
            provider=credential.provider,
        )


def unwritten(figures: Figures, thresholds: Thresholds) -> Iterator[Finding]:
    """The ledger spills or loses rows."""
    ledger = figures.ledger
    if ledger is None or ledger.state not in _LEDGER:
        return
    step, severity, words = _LEDGER[ledger.state]
    why = f" ({ledger.error})" if ledger.error else ""
    yield Finding(
        subject="ledger",
        severity=severity,
        text=f"the ledger is {ledger.state} since {clock(ledger.since, figures.now)}: "
        f"{words.format(waiting=ledger.waiting, lost=ledger.lost)}{why}; requests are not affected",
        since=ledger.since,
        step=step,
    )


def rejected(figures: Figures, thresholds: Thresholds) -> Iterator[Finding]:
    """A newer configuration was not taken."""
    if figures.rejection is not None:
        since = figures.rejection.since
        yield Finding(
            subject="configuration",
            severity=Severity.WARNING,
            text=f"the configuration read at {clock(since, figures.now)} was not taken, and the one before goes on: "
            f"{figures.rejection.error}",
            since=since,
        )


def underway(figures: Figures, thresholds: Thresholds) -> Iterator[Finding]:
    """An incident is open."""
    for incident in figures.incidents:
        yield Finding(
            subject=f"incident {incident.id}",
            severity=incident.severity,
            text=f"incident {incident.id} since {clock(incident.since, figures.now)}: {incident.text}",
            since=incident.since,
            provider=incident.provider,
            anchor=incident.since,
        )
