import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tokens.calibration import CALM, EAGER, ENOUGH, HIGHEST, LOWEST, MAX_TARGETS, TRUSTED, Calibration


def learned(*pairs):
    calibration = Calibration()
    calibration.due("a/m", 0.0)
    for reported, estimated in pairs:
        calibration.learn("a/m", reported, estimated)
    return calibration


def test_nothing_learned_is_a_factor_of_one():
    assert (Calibration().factor("a/m"), Calibration().samples("a/m")) == (1.0, 0)
    assert learned(*[(1300, 1000)] * (TRUSTED - 1)).factor("a/m") == 1.0


def test_what_is_constant_is_learned():
    calibration = learned(*[(1300, 1000)] * TRUSTED)
    assert calibration.factor("a/m") == pytest.approx(1.3)
    assert calibration.samples("a/m") == TRUSTED
    assert calibration.factor("b/m") == 1.0


def test_twice_and_half_cancel_out():
    assert learned((2000, 1000), (500, 1000), (1000, 1000)).factor("a/m") == pytest.approx(1)


def test_a_change_is_followed_slowly():
    calibration = learned(*[(1000, 1000)] * 50, (2000, 1000))
    assert calibration.factor("a/m") == pytest.approx(math.exp(0.1 * math.log(2)))
    for _ in range(60):
        calibration.learn("a/m", 2000, 1000)
    assert calibration.factor("a/m") == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize("pair", [(199, 100), (1000, 0), (1000, -5)])
def test_what_says_nothing_is_not_learned(pair):
    assert learned(pair).samples("a/m") == 0


def test_a_target_that_was_not_asked_for_is_not_learned():
    calibration = Calibration()
    calibration.learn("a/m", 1000, 1000)
    assert repr(calibration) == "<Calibration of 0 targets>"


@given(st.lists(st.tuples(st.integers(200, 10**9), st.integers(1, 10**9)), min_size=TRUSTED, max_size=50))
def test_it_stays_within_its_bounds(pairs):
    assert LOWEST - 1e-9 <= learned(*pairs).factor("a/m") <= HIGHEST + 1e-9


def test_often_at_first_then_rarely():
    calibration = Calibration()
    now, asked = 0.0, 0
    while asked < ENOUGH:
        assert calibration.due("a/m", now)
        assert not calibration.due("a/m", now + EAGER / 2)
        calibration.learn("a/m", 1000, 1000)
        now, asked = now + EAGER, asked + 1
    assert calibration.due("a/m", now)
    assert not calibration.due("a/m", now + CALM - 0.1)
    assert calibration.due("a/m", now + CALM)


def test_names_that_clients_make_up_are_forgotten():
    calibration = Calibration()
    for number in range(MAX_TARGETS + 5):
        calibration.due(f"a/{number}", 0.0)
    assert repr(calibration) == f"<Calibration of {MAX_TARGETS} targets>"
