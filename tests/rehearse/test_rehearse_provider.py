from random import Random

import pytest

from proxy.rehearse.answers import ask
from proxy.rehearse.behaviour import Behaviour, Mode
from proxy.rehearse.provider import SimulatedProvider
from proxy.rehearse.schedule import spans
from proxy.rehearse.script import Accept

ASKED = ask("POST", "/v1/chat/completions", "k", b'{"model":"m","stream":true}')


def test_in_flight_and_bill_follow_begin_and_end():
    provider = SimulatedProvider("alpha")
    _, first = provider.begin(ASKED, 0.0, Random(0))
    _, second = provider.begin(ASKED, 0.5, Random(0))
    assert provider.in_flight == 2
    assert (first.request, second.request) == ("alpha-1", "alpha-2")
    first.output = 50
    provider.end(first, complete=True)
    provider.end(second, complete=False)
    assert provider.in_flight == 0
    assert provider.bill.tokens(complete=True) == (ASKED.input_tokens, 50)


def test_errors_are_not_billed():
    provider = SimulatedProvider("alpha")
    provider.become(Behaviour(mode=Mode.STATUS))
    script, entry = provider.begin(ASKED, 0.0, Random(0))
    provider.end(entry, complete=True)
    assert script.status == 500
    assert provider.bill.entries == []


def test_the_schedule_is_asked_for_each_request():
    provider = SimulatedProvider("alpha", spans([(10, 20, Behaviour(mode=Mode.STATUS))]))
    statuses = [provider.begin(ASKED, now, Random(0))[0].status for now in (9.9, 10.0, 19.9, 20.0)]
    assert statuses == [200, 500, 500, 200]


def test_capacity_by_concurrency_and_by_rate():
    provider = SimulatedProvider("alpha")
    provider.become(Behaviour(capacity=2))
    assert [provider.begin(ASKED, 0.0, Random(0))[0].status for _ in range(4)] == [200, 200, 529, 529]
    provider.become(Behaviour(rate=3))
    assert [provider.begin(ASKED, now, Random(0))[0].status for now in (1, 1.1, 1.2, 1.3, 2.25)] == [200] * 3 + [529, 200]


@pytest.mark.parametrize(
    ("behaviour", "accept"),
    [
        (Behaviour(), Accept.OK),
        (Behaviour(mode=Mode.REFUSE), Accept.REFUSE),
        (Behaviour(mode=Mode.CONNECT_HANG), Accept.HANG),
        (Behaviour(mode=Mode.BLACK_HOLE), Accept.OK),
        (Behaviour(mode=Mode.REFUSE, share=0.5), Accept.OK),
        (Behaviour(mode=Mode.REFUSE, models=("m",)), Accept.OK),
        (Behaviour(mode=Mode.REFUSE, spare_models=True), Accept.OK),
    ],
)
def test_what_a_listener_does(behaviour: Behaviour, accept: Accept):
    provider = SimulatedProvider("alpha")
    provider.become(behaviour)
    assert provider.listens(3.0) is accept
