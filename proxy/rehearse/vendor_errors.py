"""Errors as real vendors send them: status, headers and body, one line each, with the class each belongs to.

The words follow recorded answers, SDK sources and vendors' documentation. They are fixtures twice over: simulated
providers answer with them, and tests hold the failure table against `kind`.
"""

from dataclasses import dataclass
from json import dumps

from proxy.core.outcome import OutcomeKind as Kind
from proxy.rehearse.cloud_errors import CLOUD_ERRORS
from proxy.rehearse.google_errors import GOOGLE_ERRORS

Headers = tuple[tuple[bytes, bytes], ...]

JSON = (b"content-type", b"application/json")
PAGE = (b"content-type", b"text/html; charset=UTF-8")


@dataclass(frozen=True, slots=True)
class VendorError:
    """`kind` is what a truthful reader makes of it."""

    status: int
    kind: Kind
    body: bytes
    headers: Headers = (JSON,)


def _flat(**fields: object) -> bytes:
    return dumps(fields, separators=(",", ":")).encode()


def _openai(message: str, kind: str | None, code: object = None, param: str | None = None) -> bytes:
    return _flat(error={"message": message, "type": kind, "param": param, "code": code})


def _anthropic(kind: str, message: str, code: str | None = None) -> bytes:
    error: dict[str, object] = {"type": kind, "message": message}
    if code:
        error["details"] = {"error_code": code}
    return _flat(type="error", error=error, request_id="req_011CSimulated")


def _edge(code: int, title: str) -> bytes:
    return (
        f"<!DOCTYPE html>\n<html>\n<head><title>{code} {title}</title></head>\n<body>\n<center><h1>{code} {title}</h1>"
        "</center>\n<hr><center>cloudflare</center>\n</body>\n</html>\n"
    ).encode()


def _with(*headers: tuple[bytes, bytes]) -> Headers:
    return (JSON, *headers)


RATE_HEADERS: Headers = _with(
    (b"retry-after", b"2"),
    (b"retry-after-ms", b"1540"),
    (b"x-ratelimit-limit-requests", b"500"),
    (b"x-ratelimit-remaining-requests", b"0"),
    (b"x-ratelimit-reset-requests", b"1.54s"),
    (b"x-ratelimit-reset-tokens", b"12ms"),
)
QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
    "read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
)
CONTEXT = (
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. "
    "Please reduce the length of the messages."
)
FILTERED = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
AZURE_RATE = (
    "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded token rate "
    "limit of your current OpenAI S0 pricing tier. Please retry after 37 seconds."
)
GROQ_RATE = (
    "Rate limit reached for model `llama-3.3-70b-versatile` in organization `org_x` service tier `on_demand` on tokens "
    "per minute (TPM): Limit 6000, Used 5896, Requested 412. Please try again in 3.08s."
)
VLLM_CONTEXT = (
    "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4900 in the messages, 100 in "
    "the completion). Please reduce the length of the messages or completion."
)

_OPENAI = {
    "openai_rate_limit": VendorError(
        429,
        Kind.RATE_LIMITED,
        _openai(
            "Rate limit reached for gpt-5 in organization org-x on requests per min (RPM): Limit 500, Used 500, "
            "Requested 1. Please try again in 1.54s.",
            "requests",
            "rate_limit_exceeded",
        ),
        RATE_HEADERS,
    ),
    "openai_rate_limit_bare": VendorError(
        429, Kind.RATE_LIMITED, _openai("Rate limit reached.", "tokens", "rate_limit_exceeded")
    ),
    "openai_slow_down": VendorError(
        429,
        Kind.RATE_LIMITED,
        _openai("Your request rate increased too quickly. Please slow down.", "rate_limit_error", "slow_down"),
        _with((b"retry-after", b"5")),
    ),
    "openai_quota": VendorError(429, Kind.QUOTA_EXHAUSTED, _openai(QUOTA, "insufficient_quota", "insufficient_quota")),
    "openai_server_error": VendorError(
        500,
        Kind.SERVER_ERROR,
        _openai("The server had an error while processing your request. Sorry about that!", "server_error"),
    ),
    "openai_overloaded": VendorError(
        503,
        Kind.OVERLOADED,
        _openai("That model is currently overloaded.", "service_unavailable_error", "server_is_overloaded"),
        _with((b"retry-after", b"1")),
    ),
    "openai_invalid_key": VendorError(
        401,
        Kind.AUTH_FAILED,
        _openai("Incorrect API key provided: sk-abc***.", "invalid_request_error", "invalid_api_key"),
    ),
    "openai_region": VendorError(
        403,
        Kind.AUTH_FAILED,
        _openai("Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"),
    ),
    "openai_model_not_found": VendorError(
        404,
        Kind.MODEL_NOT_FOUND,
        _openai(
            "The model `gpt-x` does not exist or you do not have access to it.", "invalid_request_error", "model_not_found"
        ),
    ),
    "openai_context": VendorError(
        400,
        Kind.CONTEXT_TOO_LONG,
        _openai(CONTEXT, "invalid_request_error", "context_length_exceeded", "messages"),
    ),
    "openai_filter": VendorError(
        400,
        Kind.CONTENT_FILTERED,
        _openai("Your request was rejected.", "invalid_request_error", "content_policy_violation"),
    ),
    "openai_bad_request": VendorError(
        400,
        Kind.BAD_REQUEST,
        _openai("Invalid value: 'robot'.", "invalid_request_error", "invalid_value", "messages[0].role"),
    ),
}

_OTHERS = {
    "anthropic_overloaded": VendorError(529, Kind.OVERLOADED, _anthropic("overloaded_error", "Overloaded")),
    "anthropic_internal": VendorError(500, Kind.SERVER_ERROR, _anthropic("api_error", "Internal server error")),
    "anthropic_bad_key": VendorError(401, Kind.AUTH_FAILED, _anthropic("authentication_error", "invalid x-api-key")),
    "anthropic_rate_limit": VendorError(
        429,
        Kind.RATE_LIMITED,
        _anthropic("rate_limit_error", "This request would exceed your organization's rate limit."),
        _with((b"retry-after", b"13"), (b"anthropic-ratelimit-requests-remaining", b"0")),
    ),
    "anthropic_spend_limit": VendorError(
        429,
        Kind.QUOTA_EXHAUSTED,
        _anthropic("rate_limit_error", "You have reached your specified API usage limits.", "enforced_spend_limit_reached"),
    ),
    "anthropic_bad_request": VendorError(
        400, Kind.BAD_REQUEST, _anthropic("invalid_request_error", "messages: at least one message is required")
    ),
    "mistral_bad_request": VendorError(
        422,
        Kind.BAD_REQUEST,
        _flat(detail=[{"type": "enum", "loc": ["body", "messages", 0, "role"], "msg": "no role 'robot'", "input": "robot"}]),
    ),
    "azure_rate_limit": VendorError(
        429,
        Kind.RATE_LIMITED,
        _flat(error={"code": "429", "message": AZURE_RATE}),
        _with((b"retry-after", b"37"), (b"retry-after-ms", b"37000"), (b"x-ratelimit-reset-requests", b"37")),
    ),
    "azure_day": VendorError(
        429,
        Kind.QUOTA_EXHAUSTED,
        _flat(error={"code": "429", "message": AZURE_RATE.replace("37", "86400")}),
        _with((b"retry-after", b"86400")),
    ),
    "azure_filter": VendorError(
        400,
        Kind.CONTENT_FILTERED,
        _flat(
            error={
                "message": FILTERED,
                "type": None,
                "param": "prompt",
                "code": "content_filter",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
            }
        ),
    ),
    "azure_auth": VendorError(
        401,
        Kind.AUTH_FAILED,
        _flat(error={"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint."}),
    ),
    "azure_deployment": VendorError(
        404,
        Kind.MODEL_NOT_FOUND,
        _flat(
            error={"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."},
        ),
    ),
    "openrouter_credits": VendorError(
        402, Kind.QUOTA_EXHAUSTED, _flat(error={"code": 402, "message": "Insufficient credits"}, user_id="user_x")
    ),
    "openrouter_provider": VendorError(
        502,
        Kind.SERVER_ERROR,
        _flat(error={"code": 502, "message": "Provider returned error", "metadata": {"provider_name": "X", "raw": "oops"}}),
    ),
    "groq_rate_limit": VendorError(
        429,
        Kind.RATE_LIMITED,
        _flat(error={"message": GROQ_RATE, "type": "tokens", "code": "rate_limit_exceeded"}),
        _with((b"retry-after", b"4"), (b"x-ratelimit-reset-tokens", b"3.08s")),
    ),
    "groq_capacity": VendorError(
        498,
        Kind.OVERLOADED,
        _flat(error={"message": "Flex tier capacity exceeded", "type": "capacity_exceeded", "code": "capacity_exceeded"}),
    ),
    "deepseek_balance": VendorError(
        402,
        Kind.QUOTA_EXHAUSTED,
        _openai("Insufficient Balance", "unknown_error", "invalid_request_error"),
    ),
    "vllm_context": VendorError(
        400,
        Kind.CONTEXT_TOO_LONG,
        _flat(object="error", message=VLLM_CONTEXT, type="BadRequestError", param=None, code=400),
    ),
    "vllm_not_found": VendorError(
        404,
        Kind.MODEL_NOT_FOUND,
        _openai("The model `x` does not exist.", "NotFoundError", 404),
    ),
    "llamacpp_loading": VendorError(
        503,
        Kind.OVERLOADED,
        _flat(error={"code": 503, "message": "Loading model", "type": "unavailable_error"}),
    ),
    "llamacpp_context": VendorError(
        400,
        Kind.CONTEXT_TOO_LONG,
        _flat(
            error={
                "code": 400,
                "message": "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 5000,
                "n_ctx": 4096,
            }
        ),
    ),
    "llamacpp_auth": VendorError(
        401,
        Kind.AUTH_FAILED,
        _flat(error={"code": 401, "message": "Invalid API Key", "type": "authentication_error"}),
    ),
    "unknown_path": VendorError(404, Kind.UNSUPPORTED, _openai("Invalid URL", "invalid_request_error")),
    "ollama_busy": VendorError(
        503,
        Kind.OVERLOADED,
        _openai("server busy, please try again.  maximum pending requests exceeded", "api_error"),
    ),
    "edge_403": VendorError(403, Kind.SERVER_ERROR, _edge(403, "Forbidden"), (PAGE, (b"server", b"cloudflare"))),
    "edge_502": VendorError(502, Kind.SERVER_ERROR, _edge(502, "Bad Gateway"), (PAGE, (b"server", b"cloudflare"))),
    "edge_503": VendorError(503, Kind.OVERLOADED, _edge(503, "Service Temporarily Unavailable"), (PAGE,)),
    "edge_504": VendorError(504, Kind.SERVER_ERROR, _edge(504, "Gateway Time-out"), (PAGE,)),
}

_GOOGLE = {name: VendorError(*line) for name, line in GOOGLE_ERRORS.items()}

_CLOUD = {name: VendorError(*line) for name, line in CLOUD_ERRORS.items()}

ERRORS: dict[str, VendorError] = {**_OPENAI, **_OTHERS, **_GOOGLE, **_CLOUD}

#: Errors that come inside a 200 stream: the `data` of one event.
EVENTS: dict[str, bytes] = {
    "openai": _openai("The server had an error while processing your request.", "server_error", "server_error"),
    "openrouter": _flat(
        error={"code": 502, "message": "Provider returned error", "metadata": {"provider_name": "X"}}, choices=[]
    ),
    "vllm": _openai("CUDA error: an illegal memory access was encountered", "InternalServerError", 500),
    "sglang": _flat(error={"object": "error", "message": "Internal server error", "code": 500}),
    "anthropic": _flat(error={"type": "overloaded_error", "message": "Overloaded"}),
    "gemini": GOOGLE_ERRORS["gemini_internal"][2],
    "bedrock": CLOUD_ERRORS["bedrock_internal"][2],
    "cohere": CLOUD_ERRORS["cohere_internal"][2],
    "text": _flat(error="upstream connect error or disconnect/reset before headers"),
}

PAGE_200 = _edge(200, "Just a moment...")


def error_body(failure: str) -> bytes:
    """The error inside a 200 for a name of `EVENTS`, or of a line of `ERRORS` by its vendor's prefix."""
    return EVENTS.get(failure) or EVENTS.get(failure.partition("_")[0]) or EVENTS["openai"]


def error_event(failure: str) -> bytes:
    """The same as an event of a stream, in the format of OpenAI and those who speak it."""
    return b"data: " + error_body(failure) + b"\n\n"
