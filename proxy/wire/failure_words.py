"""The words by which providers name their failures: tables for `failures.py`, all lower-case.

Sources: the vendors' error references and SDKs, recorded bodies, and the source code of llama.cpp and Ollama.
"""

import re
from collections.abc import Mapping

from proxy.core.outcome import OutcomeKind as Kind

#: A code or type that settles the matter, whatever the status.
DECISIVE_WORDS: Mapping[str, Kind] = {
    word: kind
    for kind, words in {
        Kind.QUOTA_EXHAUSTED: (
            "insufficient_quota",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "insufficient_balance",
            "exceeded_current_quota_error",
            "contract_spend_limit_reached",
            "enforced_spend_limit_reached",
            "quota_exceeded",
            "servicequotaexceededexception",
        ),
        Kind.RATE_LIMITED: (
            "rate_limit_exceeded",
            "slow_down",
            "ramp_limit_exceeded",
            "throttlingexception",
        ),
        Kind.OVERLOADED: (
            "server_is_overloaded",
            "overloaded_error",
            "service_unavailable_error",
            "service_unavailable",
            "unavailable_error",
            "resource_unavailable",
            "capacity_exceeded",
            "engine_overloaded",
            "modelnotreadyexception",
            "serviceunavailableexception",
        ),
        Kind.CONTEXT_TOO_LONG: ("context_length_exceeded", "exceed_context_size_error", "request_too_large"),
        Kind.CONTENT_FILTERED: (
            "content_filter",
            "content_policy_violation",
            "moderation_blocked",
            "invalid_prompt",
            "image_content_policy_violation",
            "bio_policy",
            "misalignment_policy_violation",
            "responsibleaipolicyviolation",
        ),
        Kind.MODEL_NOT_FOUND: (
            "model_not_found",
            "deploymentnotfound",
            "model_not_available",
            "model_decommissioned",
            "unknown_model",
            "invalid_model",
            "resourcenotfoundexception",
        ),
        Kind.MODEL_FORBIDDEN: ("model_permission_blocked_project", "model_permission_blocked_org"),
        Kind.AUTH_FAILED: (
            "invalid_api_key",
            "api_key_invalid",
            "authentication_error",
            "invalid_authentication_error",
            "permission_error",
            "unsupported_country_region_territory",
            "accessdeniedexception",
            "unrecognizedclientexception",
            "invalidsignatureexception",
            "expiredtokenexception",
        ),
        Kind.MALFORMED: ("tool_use_failed",),
        # What another account sealed, or where this one may not work: neither says anything about the next request.
        Kind.UNSUPPORTED: ("invalid_encrypted_content", "data_residency_mismatch"),
    }.items()
    for word in words
}

#: Types so general that a status with a meaning of its own outranks them.
GENERAL_WORDS: Mapping[str, Kind] = {
    "rate_limit_error": Kind.RATE_LIMITED,
    "requests": Kind.RATE_LIMITED,
    "tokens": Kind.RATE_LIMITED,
    "resource_exhausted": Kind.RATE_LIMITED,
    "unavailable": Kind.OVERLOADED,
    "server_error": Kind.SERVER_ERROR,
    "api_error": Kind.SERVER_ERROR,
    "timeout_error": Kind.SERVER_ERROR,
    "internal": Kind.SERVER_ERROR,
    "invalid_request_error": Kind.BAD_REQUEST,
    "badrequesterror": Kind.BAD_REQUEST,
    "invalid_argument": Kind.BAD_REQUEST,
    "invalid_value": Kind.BAD_REQUEST,
    "unsupported_value": Kind.BAD_REQUEST,
    "unsupported_parameter": Kind.BAD_REQUEST,
    "previous_response_not_found": Kind.BAD_REQUEST,
    # Codes of a failed response that say what is wrong with an image of the request.
    "invalid_image": Kind.BAD_REQUEST,
    "invalid_image_format": Kind.BAD_REQUEST,
    "invalid_image_mode": Kind.BAD_REQUEST,
    "invalid_image_url": Kind.BAD_REQUEST,
    "invalid_base64_image": Kind.BAD_REQUEST,
    "image_parse_error": Kind.BAD_REQUEST,
    "image_too_large": Kind.BAD_REQUEST,
    "image_too_small": Kind.BAD_REQUEST,
    "image_file_too_large": Kind.BAD_REQUEST,
    "unsupported_image_media_type": Kind.BAD_REQUEST,
    "empty_image_file": Kind.BAD_REQUEST,
    "failed_to_download_image": Kind.BAD_REQUEST,
    "image_file_not_found": Kind.BAD_REQUEST,
}

#: Parts of a 429's code or type that mean money, not pace.
MONEY_WORD_PARTS = ("quota", "billing", "credit", "spend", "insufficient", "balance", "usage_limit")

#: Wording of a 429 that means money.
MONEY_TEXTS = (
    "insufficient balance",
    "insufficient credit",
    "insufficient funds",
    "credit balance",
    "balance is too low",
    "out of credits",
    "no credits",
    "spend limit",
    "spending limit",
    "spending cap",
    "billing hard limit",
    "too many tokens per day",
    "api calls / month",
    "余额不足",
)

#: Wording that means pace, however many tokens it speaks of.
RATE_TEXTS = ("rate limit", "rate_limit", "tokens per min", "tokens per day", "requests per min", "(tpm)", "(rpm)")

#: Wording of a prompt that is too long for the model.
CONTEXT_TEXTS = (
    "context_length_exceeded",
    "exceed_context_size",
    "maximum context length",
    "context window",
    "prompt is too long",
    "input is too long",
    "input length and ",
    "input token count",
    "exceeds the maximum number of tokens",
    "exceeds the model limit of",
    "longer than the model's context length",
    "available context size",
    "context size has been exceeded",
    "too many tokens:",
    "reduce the length of the messages",
    "maximum prompt length",
    "exceed context limit",
)

#: Wording of a 400 that is not about the request's form, in the order they are tried.
BAD_REQUEST_TEXTS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (Kind.QUOTA_EXHAUSTED, ("credit balance is too low", "spend limit", "spending limit", "insufficient balance")),
    (Kind.AUTH_FAILED, ("api key not valid", "incorrect api key", "invalid api key")),
    (Kind.CONTENT_FILTERED, ("content management policy", "safety system", "content policy")),
    # Bedrock: tools, images, system prompts, streaming; the next target's model may.
    (Kind.UNSUPPORTED, ("this model doesn't support", "this model does not support")),
)

#: Google's FAILED_PRECONDITION that refuses the account: where it is, or how it pays.
ACCOUNT_TEXTS = ("location is not supported", "billing", "free tier is not available")

#: Types of a thing that was not found, whatever it was: a model, a file, a path.
NOT_FOUND_WORDS = frozenset(("not_found_error", "notfounderror", "not_found"))

_NAME = r"""(?:`[^`]{1,200}`|'[^']{1,200}'|"[^"]{1,200}"|[^\s`'"]{0,200})"""
_KIND = r"(?:(?:the|this|your|requested|provided|specified|selected|publisher|foundation|base) ){0,3}"
#: A sentence about the model itself. Held against the start of the wording and no longer than its subject, because what
#: a client has sent (a file's id, a tool's name) may be quoted further on.
UNKNOWN_MODEL = re.compile(
    r"(?:[\w. ]{0,60}(?:error|exception)\s*[:-]\s*){0,3}(?:"
    rf"{_KIND}models?\b(?: id| name)?[ :=/]*{_NAME}[ ,]*(?:(?:is|was|does|do|could) )?not (?:be )?(?:found|exist)"
    rf"|{_KIND}models?\b[ :=/]*{_NAME} (?:is|was|has been) (?:deprecated|decommissioned|retired|no longer)"
    r"|model: \S{1,200}$"
    r"|no such model|(?:unknown|invalid|unrecognized) model(?: id| name| identifier)?(?:$|[:.,=]| passed| ['`\"])"
    r"|\S{1,200} is not a valid model id|the provided model identifier is invalid"
    r"|invocation of model id \S{1,200} with on-demand throughput isn)"
)

#: A 403 that speaks of a model refuses that model, not everything; `model.request` is the name of a scope.
ANY_MODEL = re.compile(r"\bmodels?\b(?!\.)")

#: Codes and types that leave open, in a 403, whether everything is refused or one model.
PERMISSION_WORDS = frozenset(("permission_error", "accessdeniedexception", "model_not_found"))

#: What a client has sent, as errors quote it: between quotes that are not apostrophes.
QUOTED = re.compile(r"""(?<!\w)(['"`])(?:(?!\1).)*\1(?!\w)""")

#: OpenAI: models and features that it gives to verified organisations only; a 400, 403 or 404.
UNVERIFIED = "your organization must be verified"

#: More than the limit of a whole minute: it would not help to wait, and other requests fit.
OVERSIZED = "request too large"

#: OpenRouter's 402 for a request that costs more than what is left; a smaller one may still be paid.
UNAFFORDABLE_TEXTS = ("fewer max_tokens", "can only afford", "prompt tokens limit exceeded")

#: Wording of a 403 that is not about the credential.
FORBIDDEN_TEXTS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    # OpenAI: the model is not made for this endpoint.
    (Kind.UNSUPPORTED, ("not allowed to generate embeddings", "not allowed to sample from this model")),
    (Kind.CONTENT_FILTERED, ("requires moderation", "flagged", "moderation", "content policy")),
    (Kind.QUOTA_EXHAUSTED, ("credits", "spending limit", "spend limit", "insufficient balance", "billing")),
)

#: What a status means by itself. Those not listed: 4xx are the request's fault, all others the server's.
STATUSES: Mapping[int, Kind] = {
    401: Kind.AUTH_FAILED,
    402: Kind.QUOTA_EXHAUSTED,
    403: Kind.AUTH_FAILED,
    404: Kind.UNSUPPORTED,
    407: Kind.SERVER_ERROR,
    408: Kind.SERVER_ERROR,
    409: Kind.SERVER_ERROR,
    410: Kind.UNSUPPORTED,
    412: Kind.AUTH_FAILED,  # Fireworks: account suspended
    421: Kind.SERVER_ERROR,
    424: Kind.SERVER_ERROR,
    425: Kind.SERVER_ERROR,
    429: Kind.RATE_LIMITED,
    498: Kind.OVERLOADED,  # Groq: flex capacity exceeded
    499: Kind.SERVER_ERROR,
    501: Kind.BAD_REQUEST,  # llama.cpp: this server does not do that
    503: Kind.OVERLOADED,
    529: Kind.OVERLOADED,
}
