"""What about overload could never take effect, or cannot be meant."""

from collections.abc import Iterator

from proxy.config.capacity_models import make_overload
from proxy.config.source import Path
from proxy.config.units import show_duration
from proxy.config.validation import Draft

Findings = Iterator[tuple[Path, str]]


def check_overload(draft: Draft) -> Findings:
    """Refusing all comes after shedding some, and neither without being watched."""
    server = draft.document.server
    own = server.overload
    if own is None:
        return
    here: Path = ("server", "overload")
    limits = make_overload(own)
    if limits.lag is None or limits.refuse_lag is None:
        if own.refuse_lag is not None:
            yield (*here, "refuse_lag"), "has no effect with lag: off"
    elif limits.lag >= limits.refuse_lag:
        key = "lag" if own.lag is not None else "refuse_lag"
        values = f"lag ({show_duration(limits.lag)}) is not below refuse_lag ({show_duration(limits.refuse_lag)})"
        yield (*here, key), f"{values}: some calls have to go before all do"
    if limits.memory is None or limits.refuse_memory is None:
        if own.refuse_memory is not None:
            yield (*here, "refuse_memory"), "has no effect with memory: off"
        if server.memory_limit is not None:
            yield ("server", "memory_limit"), "has no effect with overload.memory: off"
    elif limits.memory >= limits.refuse_memory:
        key = "memory" if own.memory is not None else "refuse_memory"
        values = f"memory ({limits.memory:.0%}) is not below refuse_memory ({limits.refuse_memory:.0%})"
        yield (*here, key), f"{values}: some calls have to go before all do"
