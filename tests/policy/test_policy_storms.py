"""When rejections are the target's fault: a playbook of moments, rejections and opinions."""

import pytest

from proxy.policy.storms import CLIENTS, MINIMUM, OPINIONS, RejectionWatch, Weather


def answer(watch: RejectionWatch, count: int, start: float, end: float) -> None:
    for number in range(count):
        watch.accepted(start + (end - start) * number / count)


def reject(watch: RejectionWatch, count: int, now: float, clients: int = CLIENTS) -> list[Weather]:
    return [watch.rejected(f"key-{number % clients}", now) for number in range(count)]


def test_a_client_alone_never_makes_a_storm() -> None:
    watch = RejectionWatch()
    assert set(reject(watch, 500, 100.0, clients=1)) == {Weather.CALM}
    assert set(reject(watch, 500, 101.0, clients=CLIENTS - 1)) == {Weather.CALM}


def test_without_keys_there_is_no_storm() -> None:
    watch = RejectionWatch()
    assert {watch.rejected(None, 100.0) for _ in range(100)} == {Weather.CALM}


def test_many_clients_suddenly_rejected_are_a_suspicion() -> None:
    watch = RejectionWatch()
    answer(watch, 100, 0.0, 300.0)
    seen = reject(watch, 200, 301.0)
    assert seen[0] is Weather.CALM
    assert seen[-1] is Weather.SUSPICION
    # A fifth of what the window holds: 20 answers of the last minute, so five or six rejections, but five clients.
    assert seen.index(Weather.SUSPICION) < 10


def test_few_calls_say_nothing() -> None:
    assert set(reject(RejectionWatch(), MINIMUM - 1, 0.0)) == {Weather.CALM}
    assert reject(RejectionWatch(), MINIMUM, 0.0)[-1] is Weather.SUSPICION


def test_a_share_that_was_always_there_is_no_storm() -> None:
    watch = RejectionWatch()
    for second in range(300):
        watch.accepted(float(second))
        reject(watch, 1, float(second))
    assert set(reject(watch, 100, 301.0)) == {Weather.CALM}


def test_a_share_below_a_fifth_is_no_storm() -> None:
    watch = RejectionWatch()
    answer(watch, 100, 300.0, 301.0)
    assert set(reject(watch, 25, 301.0)) == {Weather.CALM}


@pytest.mark.parametrize(("accepted", "weather"), [(4, Weather.FAULT), (3, Weather.SUSPICION)])
def test_second_opinions_prove_it(accepted: int, weather: Weather) -> None:
    watch = RejectionWatch()
    reject(watch, MINIMUM, 100.0)
    for number in range(OPINIONS):
        watch.second_opinion(number < accepted, 100.5)
    assert watch.rejected("key-0", 101.0) is weather


def test_too_few_or_too_old_opinions_prove_nothing() -> None:
    watch = RejectionWatch()
    reject(watch, MINIMUM, 100.0)
    for _ in range(OPINIONS - 1):
        watch.second_opinion(True, 100.0)
    assert watch.rejected("key-0", 101.0) is Weather.SUSPICION
    watch.second_opinion(True, 100.0)
    reject(watch, MINIMUM, 170.0)
    assert watch.rejected("key-0", 170.0) is Weather.SUSPICION


def test_a_fault_lasts_until_something_is_accepted() -> None:
    watch = RejectionWatch()
    reject(watch, MINIMUM, 100.0)
    for _ in range(OPINIONS):
        watch.second_opinion(True, 100.0)
    assert watch.rejected("key-0", 100.0) is Weather.FAULT
    assert watch.rejected("key-0", 4000.0) is Weather.FAULT  # a trial, long after, by one client
    assert "fault" in repr(watch)
    watch.accepted(4001.0)
    assert watch.rejected("key-0", 4002.0) is Weather.CALM
    assert "fault" not in repr(watch)


def test_memory_is_bounded() -> None:
    watch = RejectionWatch()
    for second in range(10_000):
        watch.rejected(f"key-{second}", float(second))
        watch.second_opinion(True, float(second))
    assert len(watch._slots) <= 121
    assert all(len(slot.clients) <= CLIENTS for slot in watch._slots)
