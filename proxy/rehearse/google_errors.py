"""Errors as the Gemini API and Vertex AI send them: status, the class each belongs to, and body.

The words follow recorded answers, issue reports and Google's documentation. `vendor_errors.py` has them in its table.
"""

from json import dumps

from proxy.core.outcome import OutcomeKind as Kind


def _error(code: int, status: str, message: str, *details: dict[str, object]) -> bytes:
    error: dict[str, object] = {"code": code, "message": message, "status": status}
    if details:
        error["details"] = list(details)
    return dumps({"error": error}, separators=(",", ":")).encode()


def _quota(quota: str) -> dict[str, object]:
    violation = {"quotaMetric": "generativelanguage.googleapis.com/requests", "quotaId": quota, "quotaValue": "250"}
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}


def _info(reason: str) -> dict[str, object]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}


EXHAUSTED = "RESOURCE_EXHAUSTED"
QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, head "
    "to: https://ai.google.dev/gemini-api/docs/rate-limits."
)
CAPACITY = (
    "Resource exhausted. Please try again later. Please refer to https://cloud.google.com/vertex-ai/generative-ai/docs/"
    "error-code-429 for more details."
)
MINUTE = _quota("GenerateContentInputTokensPerModelPerMinute-FreeTier")
DAY = _quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
DELAY: dict[str, object] = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "26s"}
BAD_KEY = "API key not valid. Please pass a valid API key."
BAD_TOKEN = "Request had invalid authentication credentials."
REGION = "User location is not supported for the API use."
DISABLED = "Generative Language API has not been used in project 1 before or it is disabled."
CONTEXT = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
LEVEL = "Thinking level MEDIUM is not supported for this model."
UNKNOWN = "models/gemini-x is not found for API version v1beta, or is not supported for generateContent."
UNKNOWN_VERTEX = (
    "Publisher Model `projects/p/locations/us-central1/publishers/google/models/gemini-x` was not found or your project "
    "does not have access to it."
)
DENIED = (
    "Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/p/locations/l/"
    "publishers/google/models/gemini-x' (or it may not exist)."
)
INTERNAL = "An internal error has occurred. Please retry or report."

GOOGLE_ERRORS: dict[str, tuple[int, Kind, bytes]] = {
    "gemini_minute": (429, Kind.RATE_LIMITED, _error(429, EXHAUSTED, QUOTA, MINUTE, DELAY)),
    "gemini_day": (
        429, Kind.QUOTA_EXHAUSTED, _error(429, EXHAUSTED, QUOTA, _info("RATE_LIMIT_EXCEEDED"), DAY, DELAY),
    ),
    "gemini_prepaid": (
        402, Kind.QUOTA_EXHAUSTED, _error(402, EXHAUSTED, "Your prepayment credits are depleted."),
    ),
    "gemini_key": (400, Kind.AUTH_FAILED, _error(400, "INVALID_ARGUMENT", BAD_KEY, _info("API_KEY_INVALID"))),
    "gemini_region": (400, Kind.AUTH_FAILED, _error(400, "FAILED_PRECONDITION", REGION)),
    "gemini_precondition": (
        400, Kind.UNSUPPORTED, _error(400, "FAILED_PRECONDITION", "The endpoint is not deployed."),
    ),
    "gemini_token": (401, Kind.AUTH_FAILED, _error(401, "UNAUTHENTICATED", BAD_TOKEN, _info("ACCESS_TOKEN_EXPIRED"))),
    "gemini_disabled": (403, Kind.AUTH_FAILED, _error(403, "PERMISSION_DENIED", DISABLED, _info("SERVICE_DISABLED"))),
    "gemini_context": (400, Kind.CONTEXT_TOO_LONG, _error(400, "INVALID_ARGUMENT", CONTEXT)),
    "gemini_bad_request": (400, Kind.BAD_REQUEST, _error(400, "INVALID_ARGUMENT", LEVEL)),
    "gemini_not_found": (404, Kind.MODEL_NOT_FOUND, _error(404, "NOT_FOUND", UNKNOWN)),
    "gemini_internal": (500, Kind.SERVER_ERROR, _error(500, "INTERNAL", INTERNAL)),
    "gemini_overloaded": (
        503, Kind.OVERLOADED, _error(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    ),
    "gemini_deadline": (
        504, Kind.SERVER_ERROR, _error(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
    ),
    "gemini_cancelled": (499, Kind.SERVER_ERROR, _error(499, "CANCELLED", "The operation was cancelled.")),
    # A stream that was asked for without alt=sse has its errors in a list of one.
    "vertex_capacity": (429, Kind.OVERLOADED, b"[" + _error(429, EXHAUSTED, CAPACITY) + b"]"),
    "vertex_throughput": (
        429, Kind.RATE_LIMITED, _error(429, EXHAUSTED, "Exceeded the Provisioned Throughput."),
    ),
    "vertex_permission": (
        403, Kind.MODEL_FORBIDDEN, _error(403, "PERMISSION_DENIED", DENIED, _info("IAM_PERMISSION_DENIED")),
    ),
    "vertex_not_found": (404, Kind.MODEL_NOT_FOUND, _error(404, "NOT_FOUND", UNKNOWN_VERTEX)),
}  # fmt: skip
