"""When the proxy turns calls away, whom first, and that it neither flaps nor gives up more than it must."""

from random import Random

import pytest

from proxy.core.overload import OverloadSettings
from proxy.core.priorities import PRIORITIES, RANKS
from proxy.policy.strain import ALL, CAREFUL, DOWN, EVERY, STEEP, UP, WINDOW, Strain

CRITICAL, NORMAL, BATCH = (RANKS[name] for name in PRIORITIES)
ROOM = 1_000_000
#: A little above the limit, and the step that it makes.
LATE = 0.055
STEP = UP * 1.1


def lagging(lag: float, times: int = WINDOW, strain: Strain | None = None) -> Strain:
    strain = strain or Strain(OverloadSettings(), ROOM)
    for _ in range(times):
        strain.observe(lag, 0)
    return strain


def test_a_burst_is_no_overload() -> None:
    strain = lagging(0.3, WINDOW - 1)
    strain.observe(0.0, 0)
    lagging(0.3, WINDOW - 1, strain)
    assert strain.pressure == 0.0
    assert strain.reason == ""
    assert strain.judge(BATCH) is None


def test_pressure_grows_with_each_measurement_and_stops_before_the_critical() -> None:
    strain = lagging(LATE)
    assert strain.pressure == pytest.approx(STEP)
    lagging(LATE, 5, strain)
    assert strain.shares() == {"batch": pytest.approx(6 * STEP)}
    lagging(LATE, 4 + WINDOW - 1, strain)
    assert strain.shares() == {"batch": 1.0}, "that gets its time to show"
    lagging(LATE, 3, strain)
    assert strain.shares() == {"batch": 1.0, "normal": pytest.approx(3 * STEP, abs=0.01)}
    lagging(LATE, 100, strain)
    assert strain.shares() == {"batch": 1.0, "normal": 1.0}
    assert strain.judge(CRITICAL) is None


def test_the_later_the_loop_the_larger_the_step() -> None:
    assert lagging(0.2).pressure == pytest.approx(4 * UP)
    assert lagging(9.0).pressure == pytest.approx(STEEP * UP)


def test_near_where_it_was_too_little_it_falls_slowly() -> None:
    strain = lagging(LATE, WINDOW + 7)
    lagging(0.0, 2, strain)
    lagging(LATE, WINDOW - 1, strain)
    low = strain.pressure
    lagging(LATE, 1, strain)
    assert strain.pressure == pytest.approx(low + STEP)
    lagging(0.0, 1, strain)
    assert strain.pressure == pytest.approx(low + STEP - DOWN / CAREFUL)
    lagging(0.0, 7, strain)
    assert 0.0 < strain.pressure < low - DOWN, "below that it falls as usual"


def test_no_more_goes_while_the_lag_shrinks() -> None:
    strain = lagging(0.4)
    before = strain.pressure
    for n in range(30):
        strain.observe(0.39 - n / 100, 0)
    assert strain.pressure == before


def test_in_between_it_stays_and_below_half_it_falls() -> None:
    strain = lagging(LATE, WINDOW + 4)
    before = strain.pressure
    lagging(0.04, 50, strain)
    assert strain.pressure == before
    lagging(0.02, 2, strain)
    assert strain.pressure == pytest.approx(before - 2 * DOWN)
    lagging(0.02, 50, strain)
    assert strain.pressure == 0.0


def test_heavy_lag_sheds_all_that_can_be_shed_and_only_then_refuses_everybody() -> None:
    strain = lagging(0.6, WINDOW + 1)
    assert strain.shares() == {"batch": 1.0}
    lagging(0.6, WINDOW + 1, strain)
    assert strain.shares() == {"batch": 1.0, "normal": 1.0}
    lagging(0.6, WINDOW - 1, strain)
    assert strain.judge(CRITICAL) is None
    lagging(0.6, 2, strain)
    assert strain.pressure == ALL
    assert strain.shares() == dict.fromkeys(PRIORITIES, 1.0)
    shed = strain.judge(CRITICAL)
    assert shed is not None
    assert (shed.reason, shed.passing) == ("lag", True)
    assert shed.wait == pytest.approx(1.0 / DOWN * EVERY)
    lagging(0.06, 1, strain)
    assert strain.pressure == ALL, "still late: it stays"
    lagging(0.04, 1, strain)
    assert strain.judge(CRITICAL) is None
    assert strain.judge(NORMAL) is not None


def test_standing_lag_below_the_heavy_one_never_reaches_the_critical() -> None:
    assert lagging(0.45, 200).pressure == 2.0


@pytest.mark.parametrize(
    ("used", "pressure"), [(0.5, 0.0), (0.95, 0.0), (0.965, 1.0), (0.9725, 1.5), (0.98, ALL), (1.2, ALL)]
)
def test_memory_presses_in_proportion(used: float, pressure: float) -> None:
    strain = Strain(OverloadSettings(), ROOM)
    strain.observe(0.0, int(used * ROOM))
    assert strain.pressure == pytest.approx(pressure)
    assert strain.used == pytest.approx(used)
    assert strain.reason == ("memory" if pressure else "")


def test_memory_falls_step_by_step_and_waiting_is_no_advice() -> None:
    strain = Strain(OverloadSettings(), ROOM)
    strain.observe(0.0, int(0.99 * ROOM))
    strain.observe(0.0, int(0.5 * ROOM))
    assert strain.pressure == pytest.approx(ALL - DOWN)
    shed = strain.judge(BATCH)
    assert shed is not None
    assert (shed.reason, shed.passing) == ("memory", False)


def test_what_is_not_watched_does_not_press() -> None:
    unknown = Strain(OverloadSettings(), None)
    unknown.observe(0.0, ROOM)
    assert (unknown.pressure, unknown.used) == (0.0, None)
    off = Strain(OverloadSettings(None, None, None, None), ROOM)
    for _ in range(20):
        off.observe(9.0, ROOM)
    assert (off.pressure, off.lag, off.used) == (0.0, 9.0, 1.0)


def test_shares_are_exact_and_counted() -> None:
    strain = lagging(LATE, WINDOW + 2)
    assert strain.share(BATCH) == pytest.approx(0.33)
    away = [strain.judge(BATCH) is not None for _ in range(1000)]
    assert sum(away) == pytest.approx(330, abs=1)
    assert all(sum(away[n : n + 10]) in (3, 4) for n in range(990)), "evenly"
    assert strain.judge(NORMAL) is None
    assert strain.shed == {("batch", "lag"): sum(away)}
    lagging(0.0, 50, strain)
    assert strain.judge(BATCH) is None
    assert "0.00" in repr(strain)


class Process:
    """A proxy that handles `capacity` calls a second, in order; turning one away costs a tenth. Its loop is late by the work
    that waits."""

    def __init__(self, capacity: float, seed: int) -> None:
        self.capacity = capacity
        self.strain = Strain(OverloadSettings(), ROOM)
        self.rng = Random(seed)
        self.work = 0.0  # seconds of it
        self.served = dict.fromkeys(PRIORITIES, 0)
        self.away = dict.fromkeys(PRIORITIES, 0)
        self.pressures: list[float] = []

    def play(self, offered: dict[str, float], seconds: float) -> None:
        """`offered`: calls a second by priority."""
        for _ in range(round(seconds / EVERY)):
            for name, rate in offered.items():
                mean = rate * EVERY
                for _ in range(max(0, round(self.rng.gauss(mean, mean**0.5)))):
                    shed = self.strain.judge(RANKS[name])
                    self.work += (0.1 if shed else 1.0) / self.capacity
                    (self.away if shed else self.served)[name] += 1
            self.work = max(0.0, self.work - EVERY)
            self.strain.observe(self.work, 0)
            self.pressures.append(self.strain.pressure)


@pytest.mark.parametrize("seed", range(10))
def test_at_three_times_its_capacity_the_critical_are_all_served(seed: int) -> None:
    """Promise 28, in a model of the process: goodput stays above nine tenths of what is left beside turning others away, no
    critical call is lost while batch ones are let in, and pressure is found, not swung about."""
    process = Process(1000.0, seed)
    process.play({"critical": 300.0, "normal": 300.0, "batch": 0.0}, 10)
    assert process.away == dict.fromkeys(PRIORITIES, 0), "nobody is turned away for nothing"
    load = {"critical": 300.0, "normal": 300.0, "batch": 2400.0}
    process.play(load, 20)
    assert process.away["critical"] == process.away["normal"] == 0, "all of it could be taken from the batch calls"
    process.served = dict.fromkeys(PRIORITIES, 0)
    process.away = dict.fromkeys(PRIORITIES, 0)
    process.pressures.clear()
    process.play(load, 60)
    assert process.away["critical"] == process.away["normal"] == 0
    good = sum(process.served.values()) / 60
    room = 1000.0 - 0.1 * (3000.0 - good)
    assert good >= 0.9 * room
    assert max(process.pressures) - min(process.pressures) <= 1.0
    process.play({"critical": 300.0, "normal": 300.0, "batch": 0.0}, 20)
    assert process.strain.pressure == 0.0
