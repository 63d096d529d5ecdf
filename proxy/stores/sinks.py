"""One sink that hands everything to several, in order."""

from collections.abc import Sequence

from proxy.core.limits import BudgetEvent, BudgetListener
from proxy.core.records import AttemptRecord, CallRecord, ProbeRecord, Sink, StateChange, Witness


class Sinks:
    """Fan-out. Sinks do not raise, so none can keep the others from hearing."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)
        self._listeners = tuple(sink for sink in sinks if isinstance(sink, BudgetListener))
        self._witnesses = tuple(sink for sink in sinks if isinstance(sink, Witness))

    def attempt_started(self, call: CallRecord, attempt: AttemptRecord) -> None:
        for witness in self._witnesses:
            witness.attempt_started(call, attempt)

    def budget_reached(self, event: BudgetEvent) -> None:
        for listener in self._listeners:
            listener.budget_reached(event)

    def call_finished(self, record: CallRecord) -> None:
        for sink in self._sinks:
            sink.call_finished(record)

    def state_changed(self, change: StateChange) -> None:
        for sink in self._sinks:
            sink.state_changed(change)

    def probed(self, record: ProbeRecord) -> None:
        for sink in self._sinks:
            sink.probed(record)
