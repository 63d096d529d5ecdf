import pytest

from proxy.core.drill import DrillOrder, Fault, FaultKind, parse_fault, parse_order, parse_seconds, parse_share


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("down", Fault(FaultKind.DOWN)),
        (" slow:8s ", Fault(FaultKind.SLOW, 8.0)),
        ("slow:250ms", Fault(FaultKind.SLOW, 0.25)),
        ("cut:40", Fault(FaultKind.CUT, 40)),
        ("auth", Fault(FaultKind.AUTH)),
        ("429", Fault(FaultKind.RATE)),
    ],
)
def test_faults_are_read_and_written(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault
    assert parse_fault(str(fault)) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dwon", "is no fault; there are down"),
        ("slow", "is not a duration"),
        ("slow:0", "slow takes up to 300s"),
        ("slow:6m", "slow takes up to 300s"),
        ("cut", "cut takes a number of events"),
        ("cut:0", "cut takes a number of events"),
        ("cut:²", "cut takes a number of events"),
        ("cut:1000000", "cut takes a number of events"),
        ("down:3", "down takes no amount"),
    ],
)
def test_wrong_faults_are_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_fault(text)


@pytest.mark.parametrize(("text", "seconds"), [("8", 8), ("250ms", 0.25), ("8s", 8), ("10m", 600), ("0.5h", 1800)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1s", "1d", "1 h"])
def test_wrong_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_seconds(text)


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), ("0.1", 0.1), ("100 %", 1.0), ("1", 1.0)])
def test_shares(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["0", "0%", "101%", "2", "x", "%", "nan", "inf"])
def test_wrong_shares(text: str) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        parse_share(text)


def test_an_order_has_usual_values() -> None:
    assert parse_order("a", "down", None, None) == DrillOrder("a", Fault(FaultKind.DOWN), 300.0, 0.1)
    assert parse_order("a", "auth", "1h", "50%") == DrillOrder("a", Fault(FaultKind.AUTH), 3600.0, 0.5)


@pytest.mark.parametrize("seconds", ["0.5s", "61m", "2h"])
def test_an_order_is_bounded(seconds: str) -> None:
    with pytest.raises(ValueError, match="from 1 s to 3600 s"):
        parse_order("a", "down", seconds, None)
