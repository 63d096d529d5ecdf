"""Errors as AWS Bedrock and Cohere send them: status, the class each belongs to, body, and for AWS the header that names it.

The words follow botocore's service model, recorded answers and Cohere's SDK. `vendor_errors.py` has them in its table.
"""

from json import dumps

from proxy.core.outcome import OutcomeKind as Kind

Line = tuple[int, Kind, bytes, tuple[tuple[bytes, bytes], ...]]

JSON = (b"content-type", b"application/json")
UNAVAILABLE = "Bedrock is unable to process your request."
PROFILE = (
    "Invocation of model ID anthropic.claude-x with on-demand throughput isn’t supported. Retry your request with the ID or "
    "ARN of an inference profile that contains this model."
)


def _aws(status: int, kind: Kind, name: str, message: str) -> Line:
    body = dumps({"message": message}, separators=(",", ":"), ensure_ascii=False).encode()
    named = f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/".encode()
    return status, kind, body, (JSON, (b"x-amzn-errortype", named))


def _cohere(status: int, kind: Kind, message: str) -> Line:
    return status, kind, dumps({"id": "7f3e0c9a", "message": message}, separators=(",", ":")).encode(), (JSON,)


CLOUD_ERRORS: dict[str, Line] = {
    "bedrock_throttled": _aws(
        429, Kind.RATE_LIMITED, "ThrottlingException", "Too many requests, please wait before trying again."
    ),
    "bedrock_day": _aws(
        429, Kind.QUOTA_EXHAUSTED, "ThrottlingException", "Too many tokens per day, please wait before trying again."
    ),
    "bedrock_quota": _aws(400, Kind.QUOTA_EXHAUSTED, "ServiceQuotaExceededException", "You have exceeded your quota."),
    "bedrock_cold": _aws(429, Kind.OVERLOADED, "ModelNotReadyException", "The model is not ready for inference."),
    "bedrock_unavailable": _aws(503, Kind.OVERLOADED, "ServiceUnavailableException", UNAVAILABLE),
    "bedrock_internal": _aws(500, Kind.SERVER_ERROR, "InternalServerException", "An internal server error occurred."),
    "bedrock_timeout": _aws(408, Kind.SERVER_ERROR, "ModelTimeoutException", "The model timed out."),
    "bedrock_context": _aws(400, Kind.CONTEXT_TOO_LONG, "ValidationException", "Input is too long for requested model."),
    "bedrock_model": _aws(400, Kind.MODEL_NOT_FOUND, "ValidationException", "The provided model identifier is invalid."),
    "bedrock_profile": _aws(400, Kind.MODEL_NOT_FOUND, "ValidationException", PROFILE),
    "bedrock_no_tools": _aws(400, Kind.UNSUPPORTED, "ValidationException", "This model doesn't support tool use."),
    "bedrock_bad_request": _aws(400, Kind.BAD_REQUEST, "ValidationException", "The text field is blank."),
    "bedrock_no_access": _aws(
        403, Kind.MODEL_FORBIDDEN, "AccessDeniedException", "You don't have access to the model with the specified model ID."
    ),
    "bedrock_expired": _aws(
        403, Kind.AUTH_FAILED, "ExpiredTokenException", "The security token included in the request is expired"
    ),
    "cohere_rate": _cohere(429, Kind.RATE_LIMITED, "You are using a Trial key, which is limited to 20 API calls / minute."),
    "cohere_month": _cohere(
        429, Kind.QUOTA_EXHAUSTED, "You are using a Trial key, which is limited to 1000 API calls / month."
    ),
    "cohere_key": _cohere(401, Kind.AUTH_FAILED, "invalid api token"),
    "cohere_context": _cohere(
        400, Kind.CONTEXT_TOO_LONG, "too many tokens: the total number of tokens cannot exceed 128000"
    ),
    "cohere_model": _cohere(
        404, Kind.MODEL_NOT_FOUND, "model 'command-x' not found, make sure the correct model ID was used"
    ),
    "cohere_bad_request": _cohere(400, Kind.BAD_REQUEST, "invalid request: all elements in tools must have a name."),
    "cohere_internal": _cohere(500, Kind.SERVER_ERROR, "internal server error, this has been reported to our developers"),
}
