"""Every line here is a provider's answer as documented, recorded or read in its source."""

# ruff: noqa: E501

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.outcome import OutcomeKind as Kind
from proxy.wire.failures import classify, classify_inner
from proxy.wire.trouble import read_trouble

Headers = list[tuple[bytes, bytes]]


def openai(code: str | int | None, message: str = "x", kind: str | None = None, **rest: object) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code, **rest}}).encode()


def anthropic(kind: str, message: str = "x", detail: str | None = None) -> bytes:
    details = {"details": {"error_code": detail}} if detail else {}
    return json.dumps({"type": "error", "error": {"type": kind, "message": message, **details}, "request_id": "r"}).encode()


def google(message: str, *details: dict[str, object], code: int = 429, status: str = "RESOURCE_EXHAUSTED") -> bytes:
    error: dict[str, object] = {"code": code, "message": message, "status": status}
    if details:
        error["details"] = list(details)
    return json.dumps({"error": error}).encode()


def quota(*ids: str) -> dict[str, object]:
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [*({"quotaId": name} for name in ids), {}, 1],
    }


INFO: dict[str, object] = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}
RETRY_INFO: dict[str, object] = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "26s"}
RETRY: Headers = [(b"Retry-After", b"7")]
AZURE = "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after {} seconds."
GOOGLE_QUOTA = "You exceeded your current quota, please check your plan and billing details."
FAMILY: list[tuple[str, Headers, bytes, Kind]] = [
    ("openai rpm", RETRY, openai("rate_limit_exceeded", "Rate limit reached for gpt-x", "requests"), Kind.RATE_LIMITED),
    ("openai tpm", [], openai("rate_limit_exceeded", "on tokens per min (TPM): Limit 30000", "tokens"), Kind.RATE_LIMITED),
    ("openai slow down", RETRY, openai("slow_down", kind="rate_limit_error"), Kind.RATE_LIMITED),
    ("openai no money", [], openai("insufficient_quota", GOOGLE_QUOTA, "insufficient_quota"), Kind.QUOTA_EXHAUSTED),
    ("openai credits", RETRY, openai("credit_balance_exhausted", kind="insufficient_quota"), Kind.QUOTA_EXHAUSTED),
    ("openai organisation spend", [], openai("organization_spend_limit_exceeded"), Kind.QUOTA_EXHAUSTED),
    ("openai project spend", RETRY, openai("project_spend_limit_exceeded"), Kind.QUOTA_EXHAUSTED),
    ("openai usage", [], openai("organization_usage_limit_exceeded"), Kind.QUOTA_EXHAUSTED),
    ("openai flex", [], openai("resource_unavailable"), Kind.OVERLOADED),
    ("openai type only", [], openai(None, kind="insufficient_quota"), Kind.QUOTA_EXHAUSTED),
    ("anthropic pace", RETRY, anthropic("rate_limit_error"), Kind.RATE_LIMITED),
    ("anthropic limit used up", [(b"anthropic-ratelimit-tokens-remaining", b"0")], anthropic("rate_limit_error"), Kind.RATE_LIMITED),
    ("anthropic no hint", [(b"anthropic-ratelimit-tokens-remaining", b"9")], anthropic("rate_limit_error"), Kind.QUOTA_EXHAUSTED),
    ("anthropic spend", RETRY, anthropic("rate_limit_error", detail="enforced_spend_limit_reached"), Kind.QUOTA_EXHAUSTED),
    ("anthropic contract", [], anthropic("rate_limit_error", detail="contract_spend_limit_reached"), Kind.QUOTA_EXHAUSTED),
    ("anthropic ramp", [], anthropic("rate_limit_error", detail="ramp_limit_exceeded"), Kind.RATE_LIMITED),
    ("azure pace", RETRY, openai("429", AZURE.format(37)), Kind.RATE_LIMITED),
    ("azure day", [(b"retry-after", b"86400")], openai("429", AZURE.format(86400)), Kind.QUOTA_EXHAUSTED),
    ("azure day in words", [], openai("429", AZURE.format(86400)), Kind.QUOTA_EXHAUSTED),
    ("azure zero hint", [(b"retry-after", b"0")], openai("RateLimitReached", "Too many"), Kind.RATE_LIMITED),
    ("gemini minute", [], google(GOOGLE_QUOTA, quota("GenerateRequestsPerMinutePerProjectPerModel"), RETRY_INFO), Kind.RATE_LIMITED),
    ("gemini day", [], google(GOOGLE_QUOTA, quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), RETRY_INFO), Kind.QUOTA_EXHAUSTED),
    ("gemini day and pace", [], google(GOOGLE_QUOTA, INFO, quota("GenerateRequestsPerDayPerProjectPerModel"), RETRY_INFO), Kind.QUOTA_EXHAUSTED),
    ("gemini spending cap", [], google("Your project has exceeded its monthly spending cap."), Kind.QUOTA_EXHAUSTED),
    ("gemini retry info", [], google(GOOGLE_QUOTA, RETRY_INFO), Kind.RATE_LIMITED),
    ("vertex shared", [], google("Resource exhausted. Please try again later. See error-code-429"), Kind.OVERLOADED),
    ("vertex provisioned", [], google("Exceeded the Provisioned Throughput."), Kind.RATE_LIMITED),
    ("gemini bare", [], google(GOOGLE_QUOTA), Kind.RATE_LIMITED),
    ("z.ai balance", [], openai("1113", "Insufficient balance or no resource package"), Kind.QUOTA_EXHAUSTED),
    ("unknown vendor quota", [], b'{"message":"You exceeded your current quota"}', Kind.QUOTA_EXHAUSTED),
    ("bedrock pace", [], b'{"__type":"com.amazon#ThrottlingException:http://x","message":"Too many tokens, please wait"}', Kind.RATE_LIMITED),
    ("bedrock day", [], b'{"message":"Too many tokens per day, please wait"}', Kind.QUOTA_EXHAUSTED),
    ("mistral", [], b'{"object":"error","message":"Requests rate limit exceeded","type":"rate_limited","code":"1300"}', Kind.RATE_LIMITED),
    ("edge", [], b"<html><title>429 Too Many Requests</title>", Kind.RATE_LIMITED),
    ("nothing", [], b"", Kind.RATE_LIMITED),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "body", "kind"), [line[1:] for line in FAMILY], ids=[line[0] for line in FAMILY])
def test_429_is_two_families(headers: Headers, body: bytes, kind: Kind) -> None:
    outcome = classify(429, headers, body)
    assert outcome.kind is kind
    assert outcome.status == 429


OTHERS: list[tuple[int, bytes, Kind]] = [
    # Credentials
    (401, openai("invalid_api_key", "Incorrect API key provided: sk-abc"), Kind.AUTH_FAILED),
    (401, openai("401", "Access denied due to invalid subscription key"), Kind.AUTH_FAILED),
    (401, b"<html><title>401</title></html>", Kind.AUTH_FAILED),
    (403, openai("unsupported_country_region_territory"), Kind.AUTH_FAILED),
    (403, b'{"__type":"AccessDeniedException","message":"no"}', Kind.AUTH_FAILED),
    (400, google("API key not valid. Please pass a valid API key.", {"reason": "API_KEY_INVALID"}, code=400, status="INVALID_ARGUMENT"), Kind.AUTH_FAILED),
    (400, google("User location is not supported for the API use.", code=400, status="FAILED_PRECONDITION"), Kind.AUTH_FAILED),
    (400, google("Please enable billing on project #1.", code=400, status="FAILED_PRECONDITION"), Kind.AUTH_FAILED),
    (400, google("The endpoint is not deployed.", code=400, status="FAILED_PRECONDITION"), Kind.UNSUPPORTED),
    (400, openai(None, "Incorrect API key provided"), Kind.AUTH_FAILED),
    (412, openai(None, "account suspended"), Kind.AUTH_FAILED),
    # Money
    (402, openai("402", "Insufficient Balance"), Kind.QUOTA_EXHAUSTED),
    (402, anthropic("billing_error"), Kind.QUOTA_EXHAUSTED),
    (400, anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API"), Kind.QUOTA_EXHAUSTED),
    (400, b'{"__type":"ServiceQuotaExceededException","message":"x"}', Kind.QUOTA_EXHAUSTED),
    (403, b'{"code":"Forbidden","error":"Your team ran out of credits"}', Kind.QUOTA_EXHAUSTED),
    # Context
    (400, openai("context_length_exceeded", kind="invalid_request_error"), Kind.CONTEXT_TOO_LONG),
    (400, openai(400, "request (5000 tokens) exceeds the available context size (4096 tokens)", "exceed_context_size_error", n_ctx=4096), Kind.CONTEXT_TOO_LONG),
    (400, anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), Kind.CONTEXT_TOO_LONG),
    (400, b'{"message":"too many tokens: 9000"}', Kind.CONTEXT_TOO_LONG),
    (400, openai(400, "Provider returned error", metadata={"raw": "prompt is too long"}), Kind.CONTEXT_TOO_LONG),
    (403, openai(None, "`inputs` tokens + `max_new_tokens` must be <= 8193"), Kind.CONTEXT_TOO_LONG),
    (413, anthropic("request_too_large"), Kind.CONTEXT_TOO_LONG),
    (413, b"Input is too long for requested model.", Kind.CONTEXT_TOO_LONG),
    (422, b'{"detail":[{"loc":["body"],"msg":"maximum context length is 8","type":"value_error"}]}', Kind.CONTEXT_TOO_LONG),
    (413, openai(None, "exceeds tokens per minute (TPM): reduce the length of the messages"), Kind.RATE_LIMITED),
    (400, openai(None, "rate limit: maximum context length"), Kind.BAD_REQUEST),
    (413, b"<html>413 Request Entity Too Large</html>", Kind.BAD_REQUEST),
    # Filters
    (400, openai("content_policy_violation"), Kind.CONTENT_FILTERED),
    (400, openai("content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}), Kind.CONTENT_FILTERED),
    (400, openai(None, "Your request was rejected as a result of our safety system."), Kind.CONTENT_FILTERED),
    (403, openai(403, "x", metadata={"reasons": ["violence"], "flagged_input": "x"}), Kind.CONTENT_FILTERED),
    (403, openai(403, "openai/gpt-4o requires moderation. Your input was flagged"), Kind.CONTENT_FILTERED),
    # Models
    (404, openai("model_not_found"), Kind.MODEL_NOT_FOUND),
    (400, openai("model_not_found"), Kind.MODEL_NOT_FOUND),
    (404, openai("DeploymentNotFound"), Kind.MODEL_NOT_FOUND),
    (404, openai(None, 'model "x" not found, try pulling it first', "not_found_error"), Kind.MODEL_NOT_FOUND),
    (400, openai(400, "x/y is not a valid model ID"), Kind.MODEL_NOT_FOUND),
    # The request's own fault
    (400, openai("invalid_value", kind="invalid_request_error"), Kind.BAD_REQUEST),
    (400, b"not json at all", Kind.BAD_REQUEST),
    (405, b"", Kind.BAD_REQUEST),
    (415, b"", Kind.BAD_REQUEST),
    (422, b'{"detail":[{"loc":["body","n"],"msg":"field required","type":"missing"}]}', Kind.BAD_REQUEST),
    (501, openai(501, "not supported", "not_supported_error"), Kind.BAD_REQUEST),
    # Load
    (503, openai("server_is_overloaded", kind="service_unavailable_error"), Kind.OVERLOADED),
    (503, openai(503, "Loading model", "unavailable_error"), Kind.OVERLOADED),
    (503, openai(None, "server busy, please try again.  maximum pending requests exceeded", "api_error"), Kind.OVERLOADED),
    (503, b"<html>503</html>", Kind.OVERLOADED),
    (498, openai("capacity_exceeded"), Kind.OVERLOADED),
    (529, anthropic("overloaded_error"), Kind.OVERLOADED),
    (500, anthropic("overloaded_error"), Kind.OVERLOADED),
    # The server's fault
    (500, openai(None, kind="server_error"), Kind.SERVER_ERROR),
    (500, openai(None, kind="rate_limit_error"), Kind.RATE_LIMITED),
    (502, b"<html><title>502 Bad Gateway</title></html>", Kind.SERVER_ERROR),
    (504, b"", Kind.SERVER_ERROR),
    (408, b"", Kind.SERVER_ERROR),
    (409, b"", Kind.SERVER_ERROR),
    (424, openai(None, "x"), Kind.SERVER_ERROR),
    (425, b"", Kind.SERVER_ERROR),
    (499, b'{"message":"gone"}', Kind.SERVER_ERROR),
    *[(status, b"<html>edge</html>", Kind.SERVER_ERROR) for status in (520, 521, 522, 523, 524)],
    (301, b"", Kind.SERVER_ERROR),
    (307, b"", Kind.SERVER_ERROR),
    (403, b"<!DOCTYPE html><title>Just a moment...</title>", Kind.SERVER_ERROR),
    (403, b'{"error":{"message":"no","metadata":{}}}', Kind.AUTH_FAILED),
    (999, b"", Kind.SERVER_ERROR),
    # The answer itself was bad
    (400, openai("tool_use_failed", failed_generation="<tool"), Kind.MALFORMED),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind"), OTHERS)
def test_every_other_failure_has_its_kind(status: int, body: bytes, kind: Kind) -> None:
    assert classify(status, [], body).kind is kind


#: Real refusals of one model. Only these may hold the target.
UNKNOWN_MODELS: list[tuple[int, bytes]] = [
    (404, openai("model_not_found", "The model `gpt-x` does not exist or you do not have access to it.", "invalid_request_error")),
    (404, openai("DeploymentNotFound", "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.")),
    (404, openai(404, "The model `x` does not exist.", "NotFoundError")),
    (404, b'{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404}'),
    (404, b'{"error":"model \'x\' not found"}'),
    (404, openai(None, 'model "x" not found, try pulling it first', "api_error")),
    (404, anthropic("not_found_error", "model: claude-x")),
    (404, google("models/gemini-x is not found for API version v1beta, or is not supported for generateContent.", code=404, status="NOT_FOUND")),
    (404, google("Publisher Model `projects/p/locations/l/publishers/google/models/x` was not found or your project does not have access to it.", code=404, status="NOT_FOUND")),
    (404, b'{"code":"Some requested entity was not found","error":"The model grok-x does not exist or your team 1 does not have access to it."}'),
    (404, openai(None, "Model not found, inaccessible, and/or not deployed", "invalid_request_error")),
    (404, openai("model_not_available", "Unable to access model x. Please visit https://api.together.ai/models")),
    (404, b'{"message":"model \'x\' not found, make sure the correct model ID was used and that you have access to the model."}'),
    (404, openai(404, "litellm.NotFoundError: OpenAIException - The model `x` does not exist")),
    (400, openai(None, "Model Not Exist", "invalid_request_error")),
    (400, b'{"object":"error","message":"Invalid model: x","type":"invalid_model","param":null,"code":"1500"}'),
    (400, openai("model_decommissioned", "The model `x` has been decommissioned and is no longer supported.")),
    (400, openai("unknown_model", "Unknown model: x")),
    (400, openai(400, "x/y is not a valid model ID")),
    (400, b'{"__type":"ValidationException","message":"The provided model identifier is invalid."}'),
    (400, b'{"message":"Invocation of model ID x with on-demand throughput isn\xe2\x80\x99t supported."}'),
    (500, anthropic("not_found_error", "model: claude-x")),
    (410, openai(None, "The model x has been retired")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), UNKNOWN_MODELS)
def test_an_unknown_model_is_one_that_the_body_names(status: int, body: bytes) -> None:
    assert classify(status, [], body).kind is Kind.MODEL_NOT_FOUND


#: What this request needs and this target lacks; another request may be served by it.
UNSUPPORTED: list[tuple[int, bytes]] = [
    (404, openai(404, "No endpoints found that support tool use. To learn more about provider routing, visit: https://openrouter.ai/docs/provider-routing")),
    (404, openai(404, "No endpoints found that support image input")),
    (404, openai(404, "No endpoints found matching your data policy (Free model training). Configure: https://openrouter.ai/settings/privacy")),
    (404, openai(404, "No allowed providers are available for the selected model.")),
    (404, openai(None, "No such File object: file-abc123", "invalid_request_error", param="file_id")),
    (404, openai(None, "No such File object: model `x` not found", "invalid_request_error")),
    (404, openai(None, "Previous response with id 'model x not found' not found.", "invalid_request_error")),
    (404, openai(None, "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?", "invalid_request_error")),
    (404, anthropic("not_found_error", "File not found: file_011CNha8iCJcU1wXNR6q4V8w")),
    (404, openai(404, "File Not Found", "not_found_error")),
    (404, openai(None, "Invalid URL (POST /v1/v1/chat/completions)", "invalid_request_error")),
    (404, openai("404", "Resource not found")),
    (404, b'{"detail":"Not Found"}'),
    (404, b"404 page not found"),
    (404, b"<html><head><title>404 Not Found</title></head><body>nginx</body></html>"),
    (404, b"<html><title>model x not found</title></html>"),
    (404, b"{}"),
    (404, b""),
    (410, b""),
    (500, openai(None, "x", "not_found_error")),
    (402, openai(402, "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford 4321. To increase, visit https://openrouter.ai/settings/credits and upgrade to a paid account")),
    (402, openai(402, "Prompt tokens limit exceeded: 41234 > 30000. To increase, visit https://openrouter.ai/settings/credits and upgrade to a paid account")),
    (403, openai(None, "You are not allowed to generate embeddings from this model", "invalid_request_error")),
    (413, openai("rate_limit_exceeded", "Request too large for model `llama-3.3-70b-versatile` in organization `org_x` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce your message size and try again.", "tokens")),
    (429, openai("rate_limit_exceeded", "Request too large for gpt-x in organization org-x on tokens per min (TPM): Limit 30000, Requested 40000. The input or output tokens must be reduced in order to run successfully.", "tokens")),
    (400, openai("invalid_encrypted_content", "The encrypted content gAAA... could not be verified.", "invalid_request_error")),
    (400, openai("data_residency_mismatch", "x", "invalid_request_error")),
    (400, openai("unsupported_value", "Your organization must be verified to generate reasoning summaries. Please go to: https://platform.openai.com/settings/organization/general", "invalid_request_error", param="reasoning.summary")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), UNSUPPORTED)
def test_what_one_request_needs_says_nothing_about_the_next(status: int, body: bytes) -> None:
    assert classify(status, [], body).kind is Kind.UNSUPPORTED


#: One model that the credential may not use; its other models are none the worse.
FORBIDDEN_MODELS: list[tuple[int, bytes]] = [
    (403, openai("model_permission_blocked_project", "The model `x` is blocked at the project level. Please have a project admin enable this model in the project settings at https://console.groq.com/settings/project/limits", "permissions_error")),
    (403, openai("model_permission_blocked_org", "The model `x` is blocked at the organization level.", "permissions_error")),
    (403, openai("unsupported_value", "Your organization must be verified to stream this model. Please go to: https://platform.openai.com/settings/organization/general and click on Verify Organization.", "invalid_request_error", param="stream")),
    (400, openai("unsupported_value", "Your organization must be verified to stream this model. Please go to: https://platform.openai.com/settings/organization/general and click on Verify Organization.", "invalid_request_error", param="stream")),
    (404, openai("model_not_found", "Your organization must be verified to use the model `gpt-x`.", "invalid_request_error")),
    (403, openai("model_not_found", "Project `proj_x` does not have access to model `gpt-x`", "invalid_request_error")),
    (403, anthropic("permission_error", "Your API key does not have permission to use the model claude-x.")),
    (403, b'{"__type":"AccessDeniedException","message":"You don\'t have access to the model with the specified model ID."}'),
    (403, google("Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/p/locations/l/publishers/google/models/x'", code=403, status="PERMISSION_DENIED")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), FORBIDDEN_MODELS)
def test_a_refusal_of_one_model_is_not_one_of_the_credential(status: int, body: bytes) -> None:
    assert classify(status, [], body).kind is Kind.MODEL_FORBIDDEN


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, openai("invalid_api_key", "Incorrect API key provided: sk-abc. The model was not asked.")),
        (403, openai(None, "You have insufficient permissions for this operation. Missing scopes: model.request")),
        (403, anthropic("permission_error", "Your API key does not have permission to use the specified resource.")),
        (403, openai("unsupported_country_region_territory", "Country, region, or territory not supported for this model")),
        (403, b""),
    ],
)
def test_a_refusal_without_a_model_is_one_of_the_credential(status: int, body: bytes) -> None:
    assert classify(status, [], body).kind is Kind.AUTH_FAILED


@pytest.mark.parametrize("said", ["incorrect api key", "spend limit", "model x not found", "content policy"])
@pytest.mark.parametrize("quote", ["'", '"', "`"])
def test_a_client_that_sends_our_words_holds_nothing_by_being_quoted(said: str, quote: str) -> None:
    body = openai("invalid_value", f"Invalid value: {quote}{said}{quote}. It's not one of the model's roles.")
    assert classify(400, [], body).kind is Kind.BAD_REQUEST


def test_openrouters_402_with_a_delay_is_money_held_by_requests_in_flight() -> None:
    outcome = classify(402, RETRY, openai(402, "in flight"))
    assert (outcome.kind, outcome.retry_after) == (Kind.RATE_LIMITED, 7.0)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (openai(502, "Provider returned error"), Kind.SERVER_ERROR, 502),
        (openai("server_error"), Kind.SERVER_ERROR, None),
        (openai("rate_limit_exceeded"), Kind.RATE_LIMITED, None),
        (openai("context_length_exceeded"), Kind.CONTEXT_TOO_LONG, None),
        (openai("invalid_value", kind="invalid_request_error"), Kind.BAD_REQUEST, None),
        (openai("previous_response_not_found"), Kind.BAD_REQUEST, None),
        (openai("invalid_image_format"), Kind.BAD_REQUEST, None),
        (openai("failed_to_download_image"), Kind.BAD_REQUEST, None),
        (openai("image_content_policy_violation"), Kind.CONTENT_FILTERED, None),
        (openai("bio_policy"), Kind.CONTENT_FILTERED, None),
        (openai("vector_store_timeout"), Kind.SERVER_ERROR, None),
        (openai(401, "no"), Kind.AUTH_FAILED, 401),
        (openai(200, "odd"), Kind.SERVER_ERROR, None),
        (b'{"error":"an error was encountered while running the model"}', Kind.SERVER_ERROR, None),
        (b'{"error":"Context size has been exceeded"}', Kind.CONTEXT_TOO_LONG, None),
        (anthropic("overloaded_error"), Kind.OVERLOADED, None),
        (google("x", code=503, status="UNAVAILABLE"), Kind.OVERLOADED, 503),
    ],
)
def test_errors_inside_a_200_go_by_their_inner_class(body: bytes, kind: Kind, status: int | None) -> None:
    outcome = classify_inner(read_trouble(body))
    assert (outcome.kind, outcome.status) == (kind, status)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("This model's maximum context length is 8,192 tokens. However, your messages resulted in 9001 tokens", 8192),
        ("prompt is too long: 210000 tokens > 200000 maximum", 200000),
        ("input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease", 200000),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1048576),
        ("The input (300000 tokens) is longer than the model's context length (131072 tokens).", 131072),
        ("request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it", 4096),
        ("This model's maximum prompt length is 131072 but the request contains 537812 tokens.", 131072),
        ("Your input exceeds the context window of this model.", None),
    ],
)
def test_the_window_that_an_error_names_is_read(text: str, window: int | None) -> None:
    outcome = classify(400, [], openai(None, text))
    assert (outcome.kind, outcome.context_window) == (Kind.CONTEXT_TOO_LONG, window)


def test_the_window_in_a_field_is_read() -> None:
    assert classify(400, [], openai(400, "x", "exceed_context_size_error", n_ctx=4096)).context_window == 4096


def test_the_providers_words_are_kept_and_keys_are_not() -> None:
    body = openai("invalid_api_key", "Incorrect API key provided: sk-proj-abcdef1234567890.", "invalid_request_error")
    outcome = classify(401, [], body)
    assert (outcome.code, outcome.type, outcome.param) == ("invalid_api_key", "invalid_request_error", None)
    assert outcome.message.startswith("Incorrect API key provided: [redacted]")


def test_a_page_is_named_not_shown() -> None:
    assert classify(502, [], b"<html><title>502 Bad Gateway</title>" + b"x" * 1_000_000).message == (
        "HTML error page (502 Bad Gateway)"
    )


def test_an_empty_error_says_its_status() -> None:
    assert classify(500, [], b"").message == "status 500"
    assert classify_inner(read_trouble(b'{"error":{"a":1}}')).message == "error without a message"


@given(st.integers(100, 999), st.binary(max_size=300))
def test_no_bytes_raise(status: int, body: bytes) -> None:
    outcome = classify(status, [(b"retry-after", body[:20]), (b"\xff", b"\xff")], body)
    assert not outcome.ok
    assert len(outcome.message) <= 500


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["error", "message", "code", "type", "param", "detail", "details", "status", "metadata", "raw", "reason", "violations",
         "quotaId", "retryDelay", "innererror", "n_ctx", "object", "error_code", "reasons", "msg"]), inner, max_size=5),
    max_leaves=15,
)  # fmt: skip


@given(st.sampled_from([200, 400, 402, 403, 413, 429, 500]), JSON)
def test_no_shape_raises(status: int, value: object) -> None:
    body = json.dumps(value).encode()
    assert not classify(status, [], body).ok
    assert not classify_inner(read_trouble(body)).ok
    assert not classify(status, [], json.dumps({"error": value}).encode()).ok


def test_a_days_quota_does_not_come_back_with_the_minute() -> None:
    body = google(GOOGLE_QUOTA, quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), RETRY_INFO)
    assert classify(429, [], body).retry_after is None
    body = google(GOOGLE_QUOTA, quota("GenerateRequestsPerMinutePerProjectPerModel"), RETRY_INFO)
    assert classify(429, [], body).retry_after == 26.0
