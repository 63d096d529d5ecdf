"""What kind of failure an error is, whoever sent it.

Decides the `OutcomeKind` of an HTTP error, of an error object inside a 200 and of an error event in a stream, with
the same rules. The first that applies wins: a decisive code in the body, status and code, status and wording, a general
type, the status alone. A 429 is two families: come back later, and no money left.

A kind that holds something takes it away from everybody, so it needs words about *that* thing. A 404 is an unknown model
only where it says so, a 403 about one model refuses that model, and what may pass with another request (a feature, a file, a
size, a price) is `UNSUPPORTED`: this target cannot do it, nothing is known about the next request.

Invariants: never raises; every status has a kind; messages that leave are cleaned. Refuses to know what follows from a
kind (`policy/outcomes.py`) and which vendor it was: the vendors' dialects do not contradict each other.
"""

import re
from collections.abc import Callable, Mapping

from proxy.core.exchange import HeaderList
from proxy.core.outcome import Outcome, OutcomeKind
from proxy.wire.delays import retry_after
from proxy.wire.failure_words import (
    ACCOUNT_TEXTS,
    ANY_MODEL,
    BAD_REQUEST_TEXTS,
    CONTEXT_TEXTS,
    DECISIVE_WORDS,
    FORBIDDEN_TEXTS,
    GENERAL_WORDS,
    MONEY_TEXTS,
    MONEY_WORD_PARTS,
    NOT_FOUND_WORDS,
    OVERSIZED,
    PERMISSION_WORDS,
    QUOTED,
    RATE_TEXTS,
    STATUSES,
    UNAFFORDABLE_TEXTS,
    UNKNOWN_MODEL,
    UNVERIFIED,
)
from proxy.wire.redaction import describe_page, is_page
from proxy.wire.trouble import Trouble, find_error, name_trouble, parse_json, read_trouble

_WINDOW = re.compile(
    r"(?:context length (?:is|of|\()|context size \(|prompt length is|tokens allowed \(|limit of|>)"
    r"\s*([\d,]{2,12})(?![\d,.]*\s*[+])"
)
_OVERFLOW_STATUSES = frozenset((400, 403, 413, 422))
_LONG_WAIT = 3600.0


def classify(status: int, headers: HeaderList, body: bytes) -> Outcome:
    """Judge an HTTP answer that is not 2xx."""
    fields = {name.lower(): value for name, value in headers}
    trouble = name_trouble(read_trouble(body), fields.get(b"x-amzn-errortype", b"").decode("latin-1"))
    delay = retry_after(headers, trouble)
    kind = _judge(status, trouble, delay, fields)
    return _make_outcome(kind, status, trouble, delay)


def classify_inner(trouble: Trouble) -> Outcome:
    """Judge an error that came inside a 200: in the body, or as an event of a stream."""
    delay = retry_after((), trouble)
    status = trouble.status
    if status is None and any(text in trouble.text for text in CONTEXT_TEXTS):
        kind = OutcomeKind.CONTEXT_TOO_LONG
    else:
        kind = _judge(status, trouble, delay, {})
    return _make_outcome(kind, status, trouble, delay)


def find_failure(body: bytes) -> Outcome | None:
    """The error in a body or an event that should have been something else; None: it holds none."""
    trouble = find_error(parse_json(body))
    return None if trouble is None else classify_inner(trouble)


def judge_unreadable(body: bytes, otherwise: str) -> Outcome:
    """Why a whole body is no answer: its error, that it is a page, or what the caller found wrong with it."""
    failure = find_failure(body)
    if failure is not None:
        return failure
    return Outcome(OutcomeKind.MALFORMED, message=describe_page(body) if is_page(body) else otherwise)


def _make_outcome(kind: OutcomeKind, status: int | None, trouble: Trouble, delay: float | None) -> Outcome:
    if kind is OutcomeKind.QUOTA_EXHAUSTED and _is_daily(trouble):
        delay = None  # Google adds the delay of its pace limits, some seconds, to what lasts until midnight
    return Outcome(
        kind,
        status=status,
        message=trouble.message or f"status {status}" if status else trouble.message or "error without a message",
        code=trouble.code,
        type=trouble.type,
        param=trouble.param,
        retry_after=delay,
        context_window=_find_window(trouble) if kind is OutcomeKind.CONTEXT_TOO_LONG else None,
    )


def _judge(status: int | None, trouble: Trouble, delay: float | None, headers: Mapping[bytes, bytes]) -> OutcomeKind:
    if (kind := _judge_exception(status, trouble)) is not None:
        return kind
    for word in trouble.words:
        if (kind := DECISIVE_WORDS.get(word)) is not None:
            return kind
    # Some servers say "not found" with another status, or inside a 200.
    if status in (None, 400, 500) and not NOT_FOUND_WORDS.isdisjoint(trouble.words):
        status = 404
    rule = _RULES.get(status) if status else None
    if rule is not None and (kind := rule(trouble, delay, headers)) is not None:
        return kind
    if status in _OVERFLOW_STATUSES and _overflows(trouble):
        return OutcomeKind.CONTEXT_TOO_LONG
    # A status of its own meaning outranks a general type: Ollama says `api_error` to everything.
    if status is None or status == 500:
        for word in trouble.words:
            if (kind := GENERAL_WORDS.get(word)) is not None:
                return kind
    return _judge_status(status)


def _judge_exception(status: int | None, trouble: Trouble) -> OutcomeKind | None:
    """What wording decides against a decisive code: the codes are right about what, not about how much."""
    text = trouble.text
    if status in (413, 429) and text.startswith(OVERSIZED):
        return OutcomeKind.UNSUPPORTED
    if status == 429 and _is_daily(trouble):
        return OutcomeKind.QUOTA_EXHAUSTED
    if status in (400, 403, 404) and text.startswith(UNVERIFIED):
        return OutcomeKind.MODEL_FORBIDDEN if ANY_MODEL.search(text.partition(". ")[0]) else OutcomeKind.UNSUPPORTED
    if "throttlingexception" in trouble.words and "per day" in text:
        return OutcomeKind.QUOTA_EXHAUSTED
    if status == 403 and not PERMISSION_WORDS.isdisjoint(trouble.words):
        return _judge_403(trouble, None, {})
    return None


def _speaks_of_model(trouble: Trouble) -> bool:
    return any("model" in word for word in trouble.words) or ANY_MODEL.search(trouble.text) is not None


def _judge_status(status: int | None) -> OutcomeKind:
    if status is None:
        return OutcomeKind.SERVER_ERROR
    known = STATUSES.get(status)
    if known is not None:
        return known
    return OutcomeKind.BAD_REQUEST if 400 <= status < 500 else OutcomeKind.SERVER_ERROR


def _overflows(trouble: Trouble) -> bool:
    return not _has(trouble, RATE_TEXTS) and _has(trouble, CONTEXT_TEXTS)


def _judge_400(trouble: Trouble, delay: float | None, headers: Mapping[bytes, bytes]) -> OutcomeKind | None:
    if _overflows(trouble):
        return OutcomeKind.CONTEXT_TOO_LONG
    if "failed_precondition" in trouble.words:
        # Google: about the account, or about what the project has and has not.
        return OutcomeKind.AUTH_FAILED if _has(trouble, ACCOUNT_TEXTS) else OutcomeKind.UNSUPPORTED
    said = QUOTED.sub("", trouble.text)  # a client that sends our words must not have a credential held for them
    for kind, texts in BAD_REQUEST_TEXTS:
        if any(text in said for text in texts):
            return kind
    return OutcomeKind.MODEL_NOT_FOUND if UNKNOWN_MODEL.match(trouble.text) else None


def _judge_404(trouble: Trouble, delay: float | None, headers: Mapping[bytes, bytes]) -> OutcomeKind | None:
    # Everything else that is not found (a feature, a file, the path itself) says nothing about the model.
    return OutcomeKind.MODEL_NOT_FOUND if UNKNOWN_MODEL.match(trouble.text) else None


def _judge_402(trouble: Trouble, delay: float | None, headers: Mapping[bytes, bytes]) -> OutcomeKind | None:
    # OpenRouter: with a delay the money is only held by requests in flight.
    if b"retry-after" in headers and delay is not None:
        return OutcomeKind.RATE_LIMITED
    return OutcomeKind.UNSUPPORTED if _has(trouble, UNAFFORDABLE_TEXTS) else None


def _judge_403(trouble: Trouble, delay: float | None, headers: Mapping[bytes, bytes]) -> OutcomeKind | None:
    metadata = trouble.fields.get("metadata")
    if isinstance(metadata, dict) and metadata.get("reasons"):
        return OutcomeKind.CONTENT_FILTERED
    for kind, texts in FORBIDDEN_TEXTS:
        if _has(trouble, texts):
            return kind
    # Together: input + max_tokens over the context.
    if "tokens" in trouble.text and ("max_new_tokens" in trouble.text or "max_tokens" in trouble.text):
        return OutcomeKind.CONTEXT_TOO_LONG
    if _speaks_of_model(trouble):
        return OutcomeKind.MODEL_FORBIDDEN
    # A challenge page of the edge says nothing about the credential.
    return OutcomeKind.SERVER_ERROR if trouble.page else None


def _judge_413(trouble: Trouble, delay: float | None, headers: Mapping[bytes, bytes]) -> OutcomeKind | None:
    return OutcomeKind.RATE_LIMITED if _has(trouble, RATE_TEXTS) else None


def _judge_429(trouble: Trouble, delay: float | None, headers: Mapping[bytes, bytes]) -> OutcomeKind | None:
    if _list_quota_scopes(trouble):
        return OutcomeKind.RATE_LIMITED  # of a minute; that of a day is an exception above
    if isinstance(trouble.fields.get("details"), list) and delay is not None and delay <= _LONG_WAIT:
        return OutcomeKind.RATE_LIMITED
    if "rate_limit_error" in trouble.words and trouble.enveloped:
        return _judge_anthropic_429(headers)
    if any(part in word for word in trouble.words for part in MONEY_WORD_PARTS) or _has(trouble, MONEY_TEXTS):
        return OutcomeKind.QUOTA_EXHAUSTED
    if "exceeded your current quota" in trouble.text and "resource_exhausted" not in trouble.words:
        return OutcomeKind.QUOTA_EXHAUSTED
    # Vertex: shared capacity, not our quota.
    if "resource exhausted. please try again later" in trouble.text:
        return OutcomeKind.OVERLOADED
    if delay is not None and delay > _LONG_WAIT:
        return OutcomeKind.QUOTA_EXHAUSTED
    return None


def _judge_anthropic_429(headers: Mapping[bytes, bytes]) -> OutcomeKind:
    """Anthropic's monthly spend cap has no delay and no limit that is used up; its rate limits have both."""
    if b"retry-after" in headers:
        return OutcomeKind.RATE_LIMITED
    spent = any(
        name.startswith(b"anthropic-ratelimit-") and name.endswith(b"-remaining") and value.strip() == b"0"
        for name, value in headers.items()
    )
    return OutcomeKind.RATE_LIMITED if spent else OutcomeKind.QUOTA_EXHAUSTED


def _judge_498(trouble: Trouble, delay: float | None, headers: Mapping[bytes, bytes]) -> OutcomeKind | None:
    # Cohere means its keys by it, Groq its capacity.
    return OutcomeKind.AUTH_FAILED if "token" in trouble.text and "capacity" not in trouble.text else None


def _is_daily(trouble: Trouble) -> bool:
    return any("perday" in scope for scope in _list_quota_scopes(trouble))


def _list_quota_scopes(trouble: Trouble) -> list[str]:
    """Google's quota ids (`GenerateRequestsPerDayPerProjectPerModel`), lower-case."""
    details = trouble.fields.get("details")
    scopes: list[str] = []
    for row in details if isinstance(details, list) else ():
        violations = row.get("violations") if isinstance(row, dict) else None
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict) and isinstance(violation.get("quotaId"), str):
                scopes.append(violation["quotaId"].lower())
    return scopes


_Rule = Callable[[Trouble, float | None, Mapping[bytes, bytes]], OutcomeKind | None]
_RULES: Mapping[int, _Rule] = {
    400: _judge_400,
    402: _judge_402,
    403: _judge_403,
    404: _judge_404,
    410: _judge_404,
    413: _judge_413,
    429: _judge_429,
    498: _judge_498,
}


def _has(trouble: Trouble, texts: tuple[str, ...]) -> bool:
    return any(text in trouble.text for text in texts)


def _find_window(trouble: Trouble) -> int | None:
    """The limit that the error named, in tokens."""
    named = trouble.fields.get("n_ctx")
    if type(named) is int and named > 0:
        return named
    found = _WINDOW.search(trouble.text)
    digits = found[1].replace(",", "") if found else ""
    return int(digits) if digits else None
