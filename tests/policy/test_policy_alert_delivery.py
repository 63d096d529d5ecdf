"""What a webhook's answer means, and how long is waited."""

from random import Random

import pytest

from proxy.policy.alerts.delivery import Delivery, describe, judge, read_hint, wait_after


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((status, Delivery.DONE) for status in (200, 202, 204)),
        *((status, Delivery.LATER) for status in (408, 425, 429, 500, 502, 503, 504, 529)),
        *((status, Delivery.REFUSED) for status in (301, 302, 307, 400, 401, 403, 404, 410, 413)),
    ],
)
def test_statuses(status: int, verdict: Delivery) -> None:
    assert judge(status) is verdict


def test_words() -> None:
    assert describe(404) == "answered 404"
    assert describe(302) == "redirects elsewhere (302), which is never followed"


def test_waits_double_up_to_a_limit_with_half_of_them_random() -> None:
    rng = Random(1)
    for tries, planned in ((1, 1.0), (2, 2.0), (5, 16.0), (9, 256.0), (10, 300.0), (5000, 300.0)):
        waits = [wait_after(tries, None, rng) for _ in range(200)]
        assert planned / 2 <= min(waits) < max(waits) <= planned
        assert max(waits) - min(waits) > planned / 4


def test_a_hint_is_obeyed_within_reason() -> None:
    assert wait_after(1, 60.0, Random(1)) == 60.0
    assert wait_after(1, 86400.0, Random(1)) == 900.0
    assert wait_after(9, 1.0, Random(1)) > 100.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120.0), ("0", 0.0), ("", None), ("soon", None), ("-1", None), ("1" * 10, None), ("²", None)],
)
def test_hints_are_plain_seconds(value: str, seconds: float | None) -> None:
    assert read_hint(value) == seconds
