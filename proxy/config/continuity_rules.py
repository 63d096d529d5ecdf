"""How a route's streams are held back and resumed, as people write it, and what of it could never take effect."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from proxy.config.source import Path
from proxy.core.continuity import FIRST_CONTENT, WHOLE, Resume

if TYPE_CHECKING:
    from proxy.config.validation import Draft

Findings = Iterator[tuple[Path, str]]

RESUME_FORMS = "off, splice, continue or auto"
HOLD_FORMS = "first-content, whole, or a number of tokens such as 50 tokens"
_WORDS = {"first-content": FIRST_CONTENT, "whole": WHOLE}
_MOST = 1_000_000


def _read_resume(value: object) -> Resume:
    # YAML's `off` is a boolean to most readers.
    if value is False:
        return Resume.OFF
    if isinstance(value, str) and value in set(Resume):
        return Resume(value)
    raise PydanticCustomError("wrong_form", "expected {forms}", {"forms": RESUME_FORMS})


def _read_hold(value: object) -> int:
    """Tokens."""
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    number = value.removesuffix("tokens").removesuffix("token").strip() if isinstance(value, str) else value
    if isinstance(number, str) and number.isdecimal() and number.isascii():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= _MOST:
        raise PydanticCustomError("wrong_form", "expected {forms}", {"forms": HOLD_FORMS})
    return number


ResumeMode = Annotated[
    Resume, BeforeValidator(_read_resume), WithJsonSchema({"enum": [*(mode.value for mode in Resume), False]})
]
Hold = Annotated[
    int,
    BeforeValidator(_read_hold),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": list(_WORDS)},
                {"type": "string", "pattern": "^[0-9]+ ?tokens?$"},
                {"type": "integer", "minimum": 1, "maximum": _MOST},
            ],
            "examples": ["first-content", "50 tokens", "whole"],
        }
    ),
]


def check_continuity(draft: "Draft") -> Findings:
    """What is held back whole is never cut."""
    for index, route in draft.routes:
        if route.hold == WHOLE and route.resume not in (None, Resume.OFF):
            yield (
                ("routes", index, "resume"),
                "has no effect with hold: whole: a client has nothing yet when such a stream is cut; leave one of them out",
            )
