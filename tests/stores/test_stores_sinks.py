from stores_records import attempt, call

from proxy.core.records import ProbeRecord, StateChange
from proxy.stores.sinks import Sinks


class Heard:
    def __init__(self):
        self.all = []

    def call_finished(self, record):
        self.all.append(record)

    def state_changed(self, change):
        self.all.append(change)

    def probed(self, record):
        self.all.append(record)


def test_everybody_hears_everything():
    first, second = Heard(), Heard()
    sinks = Sinks([first, second])
    record, change = call(), StateChange(1.0, "a/x", None, "closed", "open", "why")
    probe = ProbeRecord(1.0, "a/x", "free", True, 0.1)
    sinks.call_finished(record)
    sinks.state_changed(change)
    sinks.probed(probe)
    assert first.all == second.all == [record, change, probe]


class Witnessing(Heard):
    def attempt_started(self, call, attempt):
        self.all.append((call, attempt))


def test_attempts_that_begin_are_told_to_those_who_want_to_hear():
    plain, witness = Heard(), Witnessing()
    sinks = Sinks([plain, witness])
    record = call(attempt())
    sinks.attempt_started(record, record.attempts[0])
    assert plain.all == []
    assert witness.all == [(record, record.attempts[0])]
