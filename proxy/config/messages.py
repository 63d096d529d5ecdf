"""pydantic's errors in plain English, at the place where the user wrote the thing.

One table by error type. Values are quoted only where they are names that the file itself spells out; whatever came from
the environment or stands where secrets stand is never repeated.
"""

import difflib
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from proxy.config.models import Document
from proxy.config.source import Data, Path, Source
from proxy.core.errors import ConfigProblem


def nearest(name: str, known: Iterable[str], show: int = 16) -> str:
    """` (did you mean x?)`, else the known names where they are few; ready to be appended to a message."""
    names = list(known)
    lowered = {item.lower(): item for item in reversed(names)}
    close = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    if close:
        return f'; did you mean "{lowered[close[0]]}"?'
    return f"; known: {', '.join(names)}" if 0 < len(names) <= show else ""


def locate(location: Sequence[str | int], data: Data) -> Path:
    """The path in the data as written: steps that only exist after single items were made lists are left out."""
    path: Path = ()
    here = data
    for index, step in enumerate(location):
        last = index == len(location) - 1
        if isinstance(here, dict) and isinstance(step, str):
            if step in here:
                path, here = (*path, step), here[step]
            elif last and step != "[key]":
                path = (*path, step)
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            path, here = (*path, step), here[step]
    return path


def _section_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_section_in(part) for part in typing.get_args(annotation))
    return next((section for section in found if section is not None), None)


def _is_mapping(annotation: object) -> bool:
    return typing.get_origin(annotation) is dict


def keys_at(path: Path) -> list[str]:
    """The keys that are known in the mapping at this path."""
    section: type[BaseModel] = Document
    named = False
    for step in path:
        if named or isinstance(step, int):
            named = False
            continue
        field = section.model_fields.get(step)
        inner = _section_in(field.annotation) if field is not None else None
        if field is None or inner is None:
            return []
        section, named = inner, _is_mapping(field.annotation)
    return list(section.model_fields)


@dataclass(slots=True)
class _Mistake:
    """One of pydantic's errors, with what is needed to say it well."""

    path: Path
    value: object
    context: Mapping[str, object]
    said: str
    hidden: bool

    @property
    def shown(self) -> str:
        """The value in quotes where it may be repeated."""
        if self.hidden or not isinstance(self.value, str) or len(self.value) > 80:
            return ""
        return f' "{self.value}"'


def _unknown_key(mistake: _Mistake) -> str:
    key = str(mistake.path[-1])
    return f"unknown key{nearest(key, keys_at(mistake.path[:-1]))}"


def _unknown_name(mistake: _Mistake) -> str:
    choices = typing.cast(list[str], mistake.context["choices"])
    hint = "" if mistake.hidden else nearest(str(mistake.value), choices, 40)
    return f"unknown {mistake.context['what']}{mistake.shown}{hint}"


def _text(mistake: _Mistake) -> str:
    if isinstance(mistake.value, bool):
        return "expected text; off, on, yes and no mean false and true in YAML: put it in quotes"
    if isinstance(mistake.value, int | float):
        return "expected text; put the number in quotes"
    return "expected text"


def _form(mistake: _Mistake) -> str:
    return f"{mistake.said}, not{mistake.shown}" if mistake.shown else mistake.said


_HASH = (
    'expected the SHA-256 of the key in hex, 64 characters: printf %s "$KEY" | sha256sum (the key itself never stands here)'
)

_Say = Callable[[_Mistake], str]


def _fixed(message: str) -> _Say:
    return lambda _mistake: message


def _bound(words: str, name: str) -> _Say:
    return lambda mistake: f"must be {words} {mistake.context[name]:g}"


_MAPPING = _fixed("expected a mapping (`key: value` pairs)")
_LIST = _fixed("expected a list")
_NUMBER = _fixed("expected a number")
_SAY: Mapping[str, _Say] = {
    "missing": _fixed("is required"),
    "extra_forbidden": _unknown_key,
    "unknown_name": _unknown_name,
    "wrong_form": _form,
    "bad_text": lambda mistake: mistake.said,
    "bad_hash": _fixed(_HASH),
    "empty_hash": _fixed("this is the hash of an empty key"),
    "string_type": _text,
    "bool_type": _fixed("expected true or false"),
    "bool_parsing": _fixed("expected true or false"),
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "too_short": _fixed("must not be empty"),
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "greater_than_equal": _bound("at least", "ge"),
    "less_than_equal": _bound("at most", "le"),
}


def say(error: Mapping[str, object], source: Source) -> ConfigProblem:
    """One entry of `ValidationError.errors()` as a problem of the file."""
    location = typing.cast(tuple[str | int, ...], error["loc"])
    path = locate(location, source.data)
    context = typing.cast(Mapping[str, object], error.get("ctx") or {})
    secret = path in source.hidden or "credentials" in path or "headers" in path
    value = error.get("input")
    secret = secret or (isinstance(value, str) and "@" in value)  # a URL with a password, perhaps
    mistake = _Mistake(path, value, context, str(error["msg"]), secret)
    speak = _SAY.get(str(error["type"]))
    return source.problem(path, speak(mistake) if speak else "is not valid here")
