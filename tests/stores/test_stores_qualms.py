from stores_records import attempt, call
from structlog.testing import capture_logs

from proxy.core.records import ProbeRecord, StateChange
from proxy.core.usage import Usage
from proxy.stores.qualms import EVERY, MAX_SUBJECTS, Qualms


def said(*records):
    with capture_logs() as lines:
        qualms = Qualms()
        for record in records:
            qualms.call_finished(record)
    return [(line["event"], line["target"]) for line in lines]


UNPRICED = attempt("a/x", usage=Usage(10, 5))


def at(wall, *attempts):
    record = call(*attempts)
    record.wall = wall
    return record


def test_an_unknown_price_is_told_once_an_hour():
    records = [at(second, UNPRICED) for second in (0.0, 60.0, EVERY - 1, EVERY, EVERY + 1)]
    assert said(*records) == [("unpriced", "a/x")] * 2


def test_every_target_for_itself():
    assert said(at(0.0, UNPRICED, attempt("b/y", usage=Usage(1)))) == [("unpriced", "a/x"), ("unpriced", "b/y")]


def test_counts_that_contradict_each_other():
    odd = attempt("a/x", usage=Usage(10, 5, contradicts=True), cost=7)
    assert said(at(0.0, odd), at(1.0, odd)) == [("contradictory_usage", "a/x")]


def test_nothing_to_say():
    priced = attempt(usage=Usage(10, 5), cost=0)
    assert said(at(0.0, attempt(), priced, attempt(usage=Usage(0, 0)))) == []
    with capture_logs() as lines:
        qualms = Qualms()
        qualms.state_changed(StateChange(0.0, "a/x", None, "closed", "open", "why"))
        qualms.probed(ProbeRecord(0.0, "a/x", "free", True, 0.1))
    assert lines == []


def test_names_that_clients_make_up_are_forgotten():
    qualms = Qualms()
    with capture_logs() as lines:
        for number in range(MAX_SUBJECTS + 1):
            qualms.call_finished(at(0.0, attempt(f"a/{number}", usage=Usage(1))))
        qualms.call_finished(at(1.0, attempt("a/0", usage=Usage(1))))
    assert len(lines) == MAX_SUBJECTS + 2
