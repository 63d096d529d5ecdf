"""What a client is told about a request that has the wrong shape, in OpenAI's words.

A reader decodes a request with typed structs; where the decoder refuses, its message and path become OpenAI's: the field
by its path (`messages[0].role`), what was expected and what came. Refuses to know any format; the structs say it all.
"""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from proxy.wire.lenient import repair
from proxy.wire.openai_envelope import EnvelopeError

T = TypeVar("T")

_WHOLE = "request body"
_FAULT = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.+)`")
_MISTYPED = re.compile(r"Expected `(.+)`, got `(.+)`")
_TYPES: Mapping[str, str] = {
    "str": "a string",
    "bool": "a boolean",
    "int": "an integer",
    "float": "a decimal",
    "array": "an array",
    "object": "an object",
}


def read_shape(decoder: "msgspec.json.Decoder[T]", raw: bytes, where: str = "") -> T:
    """Decode a part of a request that stands at the path `where`. Raises EnvelopeError."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _explain(str(error), where) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        repaired = repair(raw)
        if repaired is None:
            raise make_fault(where, "it cannot be read") from None
        return read_shape(decoder, repaired, where)
    except RecursionError:
        raise make_fault(where, "it is nested too deeply") from None


def make_missing(where: str) -> EnvelopeError:
    return EnvelopeError(f"Missing required parameter: '{where}'.", where, "missing_required_parameter")


def make_mistyped(where: str, expected: Iterable[str], got: str) -> EnvelopeError:
    """`expected` and `got` are names of JSON types as the decoder spells them."""
    names = [_TYPES[name] for name in expected if name in _TYPES]
    wanted = names[0] if len(names) == 1 else f"one of {', '.join(names[:-1])} or {names[-1]}" if names else "nothing"
    message = f"Invalid type for '{where or _WHOLE}': expected {wanted}, but got {_TYPES.get(got, got)} instead."
    return EnvelopeError(message, where or None, "invalid_type")


def make_unsupported(where: str, value: str, supported: Iterable[str]) -> EnvelopeError:
    """A word where only some words may stand."""
    words = ", ".join(f"'{word}'" for word in supported)
    return EnvelopeError(f"Invalid value: '{value[:100]}'. Supported values are: {words}.", where, "invalid_value")


def make_fault(where: str, why: str) -> EnvelopeError:
    """Any other fault; `why` says it after a colon."""
    return EnvelopeError(f"Invalid '{where or _WHOLE}': {why}.", where or None, "invalid_value")


def _explain(message: str, where: str) -> EnvelopeError:
    fault = _FAULT.fullmatch(message)
    what = fault["what"] if fault else message
    path = _join(where, (fault["path"] or "") if fault else "")
    if (missing := _MISSING.fullmatch(what)) is not None:
        return make_missing(_join(path, f".{missing[1]}"))
    if (mistyped := _MISTYPED.fullmatch(what)) is not None:
        return make_mistyped(path, mistyped[1].split(" | "), mistyped[2])
    return make_fault(path, what[:1].lower() + what[1:])


def _join(where: str, path: str) -> str:
    return (where + path).removeprefix(".")
