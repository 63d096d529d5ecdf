"""The sums of hours out of a real ledger."""

from pathlib import Path

from stores_ledgers import made, open_ledger, place_of, until
from stores_records import USAGE, attempt

from proxy.policy.alerts.figures import Hours, HourSum
from proxy.stores.ledger.hours import read_hours, sum_up


def test_no_ledger_and_no_database(tmp_path: Path) -> None:
    assert read_hours(place_of(tmp_path / "none.db"), 0) is None
    (tmp_path / "text.db").write_text("this is no database, however long it gets " * 100)
    assert read_hours(place_of(tmp_path / "text.db"), 0) is None


def test_hours_of_a_real_ledger(tmp_path: Path) -> None:
    path = tmp_path / "u.db"
    ledger = open_ledger(path)
    until(path.exists)
    ledger.call_finished(made(1, route="gpt"))
    ledger.call_finished(made(2, attempt(usage=USAGE, cost=5000), route="fast"))
    assert ledger.close(10.0)
    hour = int(1.7e9 // 3600)
    found = read_hours(place_of(path), 0)
    assert found is not None
    assert (found.first, list(found.sums)) == (hour, [hour])
    assert (found.sums[hour].cost, found.sums[hour].tokens, found.sums[hour].costliest) == (6000, 240, "fast")
    assert read_hours(place_of(path), hour + 1) == Hours(hour, {})


def test_an_empty_ledger_knows_no_hours(tmp_path: Path) -> None:
    path = tmp_path / "u.db"
    ledger = open_ledger(path)
    until(path.exists)
    assert ledger.close(10.0)
    assert read_hours(place_of(path), 0) is None


def test_sums_name_whose_most_of_them_is() -> None:
    rows = [(7, "a", 10, 1), (7, "b", 5, 90), (9, "a", 0, 0)]
    assert sum_up(rows, 3) == Hours(3, {7: HourSum(15, 91, "a", "b"), 9: HourSum(0, 0, "a", "a")})
