from proxy.stores.recent import SECONDS, Recent


def test_seconds_in_order():
    recent = Recent()
    for at, failed in ((100.2, False), (100.9, True), (101.0, False), (159.5, True)):
        recent.add(at, failed)
    seconds = list(recent.seconds(159.9))
    assert len(seconds) == SECONDS
    assert (seconds[0], seconds[1], seconds[59]) == ((2, 1), (1, 0), (1, 1))
    assert sum(attempts for attempts, _ in seconds) == 4


def test_old_seconds_fade():
    recent = Recent()
    recent.add(100, True)
    assert next(recent.seconds(160)) == (0, 0)
    recent.add(160, False)
    assert list(recent.seconds(160))[-1] == (1, 0)


def test_late_results_of_an_overwritten_second_are_dropped():
    recent = Recent()
    recent.add(160, False)
    recent.add(100, True)
    assert list(recent.seconds(160))[-1] == (1, 0)
