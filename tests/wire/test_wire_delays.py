import pytest

from proxy.wire.delays import retry_after
from proxy.wire.trouble import Trouble, read_trouble

DATE = (b"Date", b"Wed, 21 Oct 2026 07:28:00 GMT")
NOW = 1792567680
QUIET = Trouble()


@pytest.mark.parametrize(
    ("headers", "delay"),
    [
        ([(b"retry-after-ms", b"1500")], 1.5),
        ([(b"x-ms-retry-after-ms", b"250")], 0.25),
        ([(b"Retry-After", b"7")], 7.0),
        ([(b"retry-after", b" 0.5 ")], 0.5),
        ([(b"retry-after", b"Wed, 21 Oct 2026 07:28:10 GMT"), DATE], 10.0),
        ([(b"retry-after", b"2m0s")], 120.0),
        ([(b"x-ratelimit-reset-requests", b"6m0s")], 360.0),
        ([(b"x-ratelimit-reset-tokens", b"12ms")], 0.012),
        ([(b"x-ratelimit-reset-tokens", b"1h2m3s")], 3723.0),
        ([(b"x-ratelimit-reset-requests", b"37")], 37.0),
        ([(b"x-ratelimit-reset", b"%d" % (NOW + 20)), DATE], 20.0),
        ([(b"x-ratelimit-reset", b"%d" % ((NOW + 20) * 1000)), DATE], 20.0),
        ([(b"anthropic-ratelimit-tokens-reset", b"2026-10-21T07:28:09Z"), DATE], 9.0),
        ([(b"retry-after-ms", b"100"), (b"retry-after", b"9")], 0.1),
        ([(b"retry-after-ms", b"-1"), (b"retry-after", b"9")], 9.0),
    ],
)
def test_header_dialects(headers: list[tuple[bytes, bytes]], delay: float) -> None:
    assert retry_after(headers, QUIET) == pytest.approx(delay)


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("Please retry after 37 seconds.", 37.0),
        ("please try again in 1m26.4s. visit", 86.4),
        ("please try again in 20ms.", 0.02),
        ("try again in 500 milliseconds", 0.5),
        ("Please retry in 2h5m", 7500.0),
        ("try again in 3 minutes", 180.0),
        ("try again in 5 moments", None),
        ("retry after lunch", None),
    ],
)
def test_wording(text: str, delay: float | None) -> None:
    assert retry_after([], Trouble(text=text.lower())) == (None if delay is None else pytest.approx(delay))


def test_googles_retry_info() -> None:
    body = b'{"error":{"code":429,"message":"x","details":[1,{"retryDelay":5},{"retryDelay":"26s"}]}}'
    assert retry_after([], read_trouble(body)) == 26.0
    assert retry_after([], read_trouble(b'{"error":{"message":"x","details":[{}]}}')) is None


HOSTILE = [
    b"-1", b"NaN", b"1e309", b"inf", b"", b"0", b"1000000000000", b"99999999999999999999999999", b"abc",
    b"7; drop", b"1e-400", b"Wed, 21 Oct 2015 07:28:00 GMT", b"Wed, 99 Foo 2026 99:99:99 GMT",
    b"Fri, 31 Dec 9999 23:59:59 GMT", b"12 parsecs",
    b"0x10", "٣".encode(), b"\xff", b"m", b"5x",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    "name", [b"retry-after", b"retry-after-ms", b"x-ratelimit-reset-tokens", b"anthropic-ratelimit-x-reset"]
)
def test_hostile_values_are_as_if_they_were_not_there(name: bytes, value: bytes) -> None:
    if name == b"retry-after-ms" and value == b"1000000000000":
        value = b"1000000000000000"
    assert retry_after([(name, value), DATE], QUIET) is None
    later = Trouble(text="try again in 3s")
    assert retry_after([(name, value), DATE], later) == 3.0


def test_points_in_time_say_nothing_without_a_date() -> None:
    assert retry_after([(b"retry-after", b"Wed, 21 Oct 2026 07:28:10 GMT")], QUIET) is None
    assert retry_after([(b"anthropic-ratelimit-tokens-reset", b"2026-10-21T07:28:09Z")], QUIET) is None
    assert retry_after([(b"x-ratelimit-reset", b"%d" % NOW)], QUIET) is None


def test_a_timestamp_without_a_zone_is_utc() -> None:
    assert retry_after([(b"anthropic-ratelimit-tokens-reset", b"2026-10-21T07:28:09"), DATE], QUIET) == 9.0


def test_the_limit_that_is_used_up_counts_and_the_latest_of_them() -> None:
    resets = [(b"x-ratelimit-reset-requests", b"50s"), (b"x-ratelimit-reset-tokens", b"3s")]
    assert retry_after(resets, QUIET) == 50.0
    left = [(b"x-ratelimit-remaining-requests", b"100"), (b"x-ratelimit-remaining-tokens", b"0")]
    assert retry_after(resets + left, QUIET) == 3.0
    both = [
        (b"anthropic-ratelimit-requests-reset", b"2026-10-21T07:28:09Z"),
        (b"anthropic-ratelimit-requests-remaining", b"0"),
    ]
    more = [(b"anthropic-ratelimit-tokens-reset", b"2026-10-21T07:29:00Z"), (b"anthropic-ratelimit-tokens-remaining", b"5")]
    assert retry_after([*both, *more, DATE], QUIET) == 9.0
