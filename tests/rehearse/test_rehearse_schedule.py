import pytest

from proxy.rehearse.behaviour import Behaviour, Mode
from proxy.rehearse.schedule import Schedule, Span, always, spans

DOWN, SLOW = Behaviour(mode=Mode.REFUSE), Behaviour(gap=1.0)
PLAN = spans([(10, 20, DOWN), (15, 30, SLOW)])


@pytest.mark.parametrize(
    ("second", "behaviour", "age"),
    [
        (0, Behaviour(), 0),
        (9.999, Behaviour(), 9.999),
        (10, DOWN, 0),
        (15, SLOW, 0),
        (20, SLOW, 5),
        (30, Behaviour(), 0),
        (33, Behaviour(), 3),
    ],
)
def test_the_behaviour_of_a_second_and_how_long_it_lasts(second: float, behaviour: Behaviour, age: float):
    assert PLAN.at(second) == (behaviour, pytest.approx(age))


def test_changes_and_the_next_one():
    assert PLAN.changes() == [10, 15, 20, 30]
    assert PLAN.next_change(0) == 10
    assert PLAN.next_change(10) == 5
    assert PLAN.next_change(30) is None
    assert always(DOWN).next_change(3) is None
    assert always(DOWN).at(1e9)[0] == DOWN


def test_a_period_repeats():
    plan = Schedule((Span(30, 60, DOWN),), period=60)
    assert [plan.at(second)[0].mode for second in (0, 29, 30, 59, 60, 90, 119, 120)] == [
        Mode.OK, Mode.OK, Mode.REFUSE, Mode.REFUSE, Mode.OK, Mode.REFUSE, Mode.REFUSE, Mode.OK,
    ]  # fmt: skip
    assert plan.next_change(0) == 30
    assert plan.next_change(45) == 15
    assert plan.next_change(61) == 29
