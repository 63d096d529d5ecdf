"""Periods of budgets: the calendar of a zone, on the days when clocks change too."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.limits import Period
from proxy.policy.periods import find_period

HOUR = 3600.0
BERLIN, NEW_YORK, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")
SANTIAGO, HAVANA, APIA = ZoneInfo("America/Santiago"), ZoneInfo("America/Havana"), ZoneInfo("Pacific/Apia")


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("per", "zone", "wall", "start", "end"),
    [
        (Period.DAY, UTC, "2026-11-25T21:30+00:00", "2026-11-25T00:00+00:00", "2026-11-26T00:00+00:00"),
        (Period.DAY, UTC, "2026-11-25T00:00+00:00", "2026-11-25T00:00+00:00", "2026-11-26T00:00+00:00"),
        (Period.DAY, BERLIN, "2026-11-25T23:30+00:00", "2026-11-26T00:00+01:00", "2026-11-27T00:00+01:00"),
        (Period.DAY, KOLKATA, "2026-11-25T18:29+00:00", "2026-11-25T00:00+05:30", "2026-11-26T00:00+05:30"),
        # Clocks go forward: a day of 23 hours; back: one of 25, and its repeated hour belongs to it both times.
        (Period.DAY, BERLIN, "2026-03-29T12:00+02:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        (Period.DAY, BERLIN, "2026-10-25T02:30+01:00", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        (Period.DAY, NEW_YORK, "2026-03-08T12:00-04:00", "2026-03-08T00:00-05:00", "2026-03-09T00:00-04:00"),
        # Midnight does not exist: the day begins at one o'clock.
        (Period.DAY, SANTIAGO, "2026-09-06T01:00-03:00", "2026-09-06T01:00-03:00", "2026-09-07T00:00-03:00"),
        (Period.DAY, SANTIAGO, "2026-09-05T23:59-04:00", "2026-09-05T00:00-04:00", "2026-09-06T01:00-03:00"),
        # Midnight comes twice: the day begins at the first.
        (Period.DAY, HAVANA, "2026-11-01T00:30-05:00", "2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00"),
        # A day that a country left out.
        (Period.DAY, APIA, "2011-12-29T23:00-10:00", "2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00"),
        (Period.WEEK, UTC, "2026-11-25T21:30+00:00", "2026-11-23T00:00+00:00", "2026-11-30T00:00+00:00"),
        (Period.WEEK, UTC, "2026-11-22T23:59+00:00", "2026-11-16T00:00+00:00", "2026-11-23T00:00+00:00"),
        (Period.WEEK, BERLIN, "2026-10-25T12:00+01:00", "2026-10-19T00:00+02:00", "2026-10-26T00:00+01:00"),
        (Period.MONTH, UTC, "2026-02-28T23:59+00:00", "2026-02-01T00:00+00:00", "2026-03-01T00:00+00:00"),
        (Period.MONTH, BERLIN, "2026-12-31T23:30+00:00", "2027-01-01T00:00+01:00", "2027-02-01T00:00+01:00"),
        (Period.MONTH, BERLIN, "2026-03-15T00:00+01:00", "2026-03-01T00:00+01:00", "2026-04-01T00:00+02:00"),
    ],
)
def test_a_period(per: Period, zone: ZoneInfo, wall: str, start: str, end: str) -> None:
    assert find_period(at(wall), per, zone) == (at(start), at(end))


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2036, 1, 1)),
    st.sampled_from(list(Period)),
    st.sampled_from([BERLIN, NEW_YORK, KOLKATA, SANTIAGO, HAVANA, APIA, ZoneInfo("Africa/Casablanca"), ZoneInfo("UTC")]),
)
def test_periods_follow_one_another_without_a_gap(moment: datetime, per: Period, zone: ZoneInfo) -> None:
    wall = moment.replace(tzinfo=UTC).timestamp()
    start, end = find_period(wall, per, zone)
    assert start <= wall < end
    assert find_period(start, per, zone) == (start, end)
    assert find_period(end - 0.001, per, zone) == (start, end)
    assert find_period(end, per, zone)[0] == end
    assert end - start <= {Period.DAY: 49, Period.WEEK: 8 * 24, Period.MONTH: 32 * 24}[per] * HOUR
    assert datetime.fromtimestamp(start, zone).time() < (datetime.min + timedelta(hours=2)).time()
