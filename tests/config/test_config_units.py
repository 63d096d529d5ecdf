import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from proxy.config.units import parse_count, parse_duration, parse_size, show_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("250ms", 0.25), ("3s", 3), ("2m", 120), ("1h", 3600), (5, 5), (0.5, 0.5), ("1.5", 1.5), (" 10 s ", 10), ("2min", 120)],
)
def test_durations(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written", ["3 parsecs", "", "-1s", 0, "0s", True, None, "1e3", "999999h", [1], float("inf"), float("nan")]
)
def test_durations_that_are_none(written: object) -> None:
    with pytest.raises(PydanticCustomError):
        parse_duration(written)


def test_a_bad_duration_names_the_forms() -> None:
    with pytest.raises(PydanticCustomError, match="250ms, 3s, 2m or 1h"):
        parse_duration("soon")


@pytest.mark.parametrize(
    ("written", "size"),
    [("32MiB", 32 * 1024**2), ("1GB", 10**9), (512, 512), ("512", 512), ("1.5kib", 1536), ("10b", 10), ("2KB", 2000)],
)
def test_sizes(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["32 MoB", "0.3b", "x", -1, True, 1.5])
def test_sizes_that_are_none(written: object) -> None:
    with pytest.raises(PydanticCustomError, match="32MiB"):
        parse_size(written)


@pytest.mark.parametrize(("written", "count"), [("100k", 100_000), ("1M", 10**6), (7, 7), ("0", 0), ("1.5k", 1500)])
def test_counts(written: object, count: int) -> None:
    assert parse_count(written) == count


@pytest.mark.parametrize("written", ["1.5", "k", 2.5, False, "100kb"])
def test_counts_that_are_none(written: object) -> None:
    with pytest.raises(PydanticCustomError, match="100k"):
        parse_count(written)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.25, "250ms"), (15, "15s"), (600, "10m"), (60, "60s"), (7200, "2h"), (1.5, "1.5s")]
)
def test_durations_are_shown_as_written(seconds: float, shown: str) -> None:
    assert show_duration(seconds) == shown


@given(st.integers(min_value=1, max_value=10**7))
def test_what_is_shown_reads_back(milliseconds: int) -> None:
    # %g keeps six digits, which is all that a message needs.
    assert parse_duration(show_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, rel=1e-5)
