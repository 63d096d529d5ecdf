"""Reading an error, whatever shape it came in.

Error bodies need not have the type that they claim (JSON as octet-stream, a page from the edge, Google's error in a
one-element list, a bare string), so any body is tried as JSON and searched, in this order: `error` (an object or a
string), a flat object with `message`, `detail` (a string or FastAPI's list). What is no JSON is text or a page.
Never raises, whatever the bytes. Decides nothing: `failures.py` does.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from proxy.wire.redaction import clean, describe_page, is_page

#: A longer error body is not parsed; no provider has that much to say.
MAX_PARSED = 1024 * 1024


@dataclass(slots=True)
class Trouble:
    """What an error said. `status` is an integer code inside the body (OpenRouter, vLLM, llama.cpp, Gemini); `words` are
    all codes and types in it, most specific first, lower-case; `text` is the whole wording, for searching only."""

    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    status: int | None = None
    words: tuple[str, ...] = ()
    text: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    page: bool = False
    enveloped: bool = False  # Anthropic's outer {"type": "error"}


def read_trouble(body: bytes) -> Trouble:
    """The error in a body that is known to be one."""
    value = parse_json(body)
    found = find_error(value)
    if found is not None:
        return found
    if is_page(body):
        return Trouble(message=describe_page(body), page=True)
    if isinstance(value, dict):
        return _from_object(value, value)
    text = body[:4096].decode("utf-8", "replace")
    return Trouble(message=clean(text), text=text.lower())


def name_trouble(trouble: Trouble, name: str) -> Trouble:
    """The same with a type that came beside the body and says more than it: AWS's, as `ThrottlingException:http://…`."""
    word = clean(name.rpartition("#")[2].partition(":")[0], 100)
    return replace(trouble, type=word, words=(word.lower(), *trouble.words)) if word else trouble


def find_error(value: object) -> Trouble | None:
    """The error in a decoded value, or None where it holds none: then it is something else, perhaps an answer."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    if isinstance(error, dict) and error:
        return _from_object(error, value)
    if error and not isinstance(error, dict):
        # xAI: {"code": "…", "error": "text"}; Ollama and LM Studio: {"error": "text"}
        return _from_object({"message": error, "code": value.get("code")}, value)
    if value.get("object") == "error":
        return _from_object(value, value)
    if "choices" in value or "data" in value:
        return None
    if value.get("detail"):
        return _from_object({"message": _read_detail(value["detail"])}, value)
    if isinstance(value.get("message") or value.get("Message"), str):
        return _from_object(value, value)
    return None


def parse_json(body: bytes) -> object:
    """The decoded value, None where these bytes are no JSON (or too many to care)."""
    if len(body) > MAX_PARSED:
        return None
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value


def _from_object(error: Mapping[str, Any], outer: Mapping[str, Any]) -> Trouble:
    message = _read_message(error.get("message") or error.get("Message") or error.get("error"))
    code, kind = _read_word(error.get("code")), _read_word(error.get("type") or error.get("__type"))
    reasons = list(_find_reasons(error))
    words = [word.lower() for word in (*reasons, code, kind, _read_word(error.get("status"))) if word]
    return Trouble(
        message=clean(message),
        code=code or (reasons[0] if reasons else None),
        type=kind or _read_word(error.get("status")),
        param=_read_word(error.get("param")),
        status=_read_status(error.get("code")) or _read_status(error.get("status")) or _read_status(outer.get("code")),
        words=tuple(words),
        text=(message[:4096] + _read_raw(error.get("metadata"))).lower(),
        fields=error,
        enveloped=outer.get("type") == "error",
    )


def _find_reasons(error: Mapping[str, Any]) -> list[str]:
    """Codes that stand deeper and say more: Anthropic's details.error_code, Google's ErrorInfo, Azure's innererror."""
    details = error.get("details")
    rows: list[Any] = details if isinstance(details, list) else [details]
    rows.append(error.get("innererror"))
    found = (row.get("error_code") or row.get("reason") or row.get("code") for row in rows if isinstance(row, dict))
    return [clean(reason, 100) for reason in found if isinstance(reason, str) and reason]


def _read_text(value: object) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""


def _read_message(value: object) -> str:
    """Mistral puts FastAPI's list of complaints where the text should be, with or without an object around it."""
    if isinstance(value, dict):
        value = value.get("detail") or value.get("message")
    return _read_detail(value) if isinstance(value, list) else _read_text(value)


def _read_raw(metadata: object) -> str:
    """OpenRouter says "Provider returned error" and puts the provider's own words here."""
    return " " + _read_text(metadata.get("raw"))[:4096] if isinstance(metadata, dict) else ""


def _read_word(value: object) -> str | None:
    """A code, type or param as a string; integers are kept (`400`), everything else is not a word."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    # Bedrock: `com.amazon.coral#ThrottlingException:http://…`
    word = str(value) if isinstance(value, int) else value.rpartition("#")[2].partition(":http")[0]
    return clean(word, 100) or None


def _read_status(value: object) -> int | None:
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
        value = int(value)
    return value if type(value) is int and 400 <= value <= 599 else None


def _read_detail(detail: object) -> str:
    """FastAPI: a string, or a list of {loc, msg, type}."""
    rows = detail if isinstance(detail, list) else [detail]
    messages = [_read_text(row.get("msg") or row.get("message") if isinstance(row, dict) else row) for row in rows[:5]]
    return "; ".join(message for message in messages if message)
