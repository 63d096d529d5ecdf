"""Durations, sizes and counts as people write them.

A plain number is always taken as it is (seconds, bytes, pieces), so that a value which came out of `${NAME}` as text and
one that YAML read as a number mean the same.
"""

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_NUMBER = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-z]*)\s*$")
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "b": 1}
_BYTES.update({f"{prefix}b": 1000**power for power, prefix in enumerate("kmg", start=1)})
_BYTES.update({f"{prefix}ib": 1024**power for power, prefix in enumerate("kmg", start=1)})
_COUNTS = {"": 1, "k": 1000, "m": 1_000_000}

DURATION_FORMS = "a duration such as 250ms, 3s, 2m or 1h (a plain number is seconds)"
SIZE_FORMS = "a size such as 512KiB, 32MiB or 1GB (a plain number is bytes)"
COUNT_FORMS = "a whole number such as 500, or 100k or 1M"
_TEXT = {"type": "string"}

#: A year: anything longer is a slip of the keyboard, and timers would not hold it.
_LONGEST = 366 * 86400.0


def _wrong(forms: str) -> PydanticCustomError:
    return PydanticCustomError("wrong_form", "expected {forms}", {"forms": forms})


def _split(value: object, forms: str) -> tuple[str, str]:
    """Number and unit of a value that is text or a number; anything else is refused."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong(forms)
    found = _NUMBER.match(f"{value:f}" if isinstance(value, float) else str(value))
    if found is None:
        raise _wrong(forms)
    return found.group(1), found.group(2)


def parse_duration(value: object) -> float:
    """Seconds, more than none."""
    number, unit = _split(value, DURATION_FORMS)
    if unit not in _SECONDS:
        raise _wrong(DURATION_FORMS)
    seconds = float(number) * _SECONDS[unit]
    if not 0 < seconds <= _LONGEST:
        raise PydanticCustomError("wrong_form", "must be more than 0s and at most a year")
    return seconds


def _whole(value: object, units: dict[str, int], forms: str) -> int:
    number, unit = _split(value, forms)
    factor = units.get(unit.lower())
    if factor is None:
        raise _wrong(forms)
    exact = float(number) * factor
    if exact != int(exact):
        raise _wrong(forms)
    return int(exact)


def parse_size(value: object) -> int:
    """Bytes."""
    return _whole(value, _BYTES, SIZE_FORMS)


def parse_count(value: object) -> int:
    """Pieces."""
    return _whole(value, _COUNTS, COUNT_FORMS)


def whole_number(low: int, high: int) -> tuple[BeforeValidator, WithJsonSchema]:
    """Reader and schema of a count in these bounds. The one message tells both, whichever way a value is out of them."""
    forms = f"a whole number from {low} to {high}"

    def read(value: object) -> int:
        number = _whole(value, _COUNTS, forms)
        if not low <= number <= high:
            raise _wrong(forms)
        return number

    return BeforeValidator(read), WithJsonSchema({"anyOf": [{"type": "integer", "minimum": low, "maximum": high}, _TEXT]})


def show_duration(seconds: float) -> str:
    """The shortest usual form: `250ms`, `15s`, `10m`, `1h`."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, _TEXT], "examples": ["250ms", "3s", "2m"]}),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, _TEXT], "examples": ["512KiB", "32MiB"]}),
]
Count = Annotated[
    int,
    BeforeValidator(parse_count),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, _TEXT], "examples": [500, "100k"]}),
]
