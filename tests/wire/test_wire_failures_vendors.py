"""Errors of AWS and Cohere, as their SDKs name them: status, the type beside the body, the body, what it is."""

import json

import pytest

from proxy.core.outcome import OutcomeKind as Kind
from proxy.wire.failures import classify

ROLE = "User: arn:aws:sts::123456789012:assumed-role/x is not authorized to perform: bedrock:InvokeModel on resource: "

AWS = [
    (400, "ValidationException", "messages.0.content: roles must alternate", Kind.BAD_REQUEST),
    (400, "ValidationException", "The provided model identifier is invalid.", Kind.MODEL_NOT_FOUND),
    (400, "ValidationException", "Input is too long for requested model.", Kind.CONTEXT_TOO_LONG),
    (400, "ValidationException", "prompt is too long: 210000 tokens > 200000 maximum", Kind.CONTEXT_TOO_LONG),
    (400, "ValidationException", "The maximum tokens you requested exceeds the model limit of 4096.", Kind.CONTEXT_TOO_LONG),
    (
        400,
        "ValidationException",
        "Invocation of model ID anthropic.claude-x with on-demand throughput isn’t supported. Retry your request with the "
        "ID or ARN of an inference profile that contains this model.",
        Kind.MODEL_NOT_FOUND,
    ),
    (400, "ValidationException", "This model doesn't support tool use in streaming mode.", Kind.UNSUPPORTED),
    (400, "ServiceQuotaExceededException", "Your request exceeds the service quota.", Kind.QUOTA_EXHAUSTED),
    (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", Kind.MODEL_FORBIDDEN),
    (403, "AccessDeniedException", ROLE + "arn:aws:bedrock:us-east-1::foundation-model/x", Kind.MODEL_FORBIDDEN),
    (403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.", Kind.AUTH_FAILED),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.", Kind.AUTH_FAILED),
    (403, "ExpiredTokenException", "The security token included in the request is expired", Kind.AUTH_FAILED),
    (403, "InvalidSignatureException", "The request signature we calculated does not match …", Kind.AUTH_FAILED),
    (404, "ResourceNotFoundException", "Could not find the inference profile.", Kind.MODEL_NOT_FOUND),
    (408, "ModelTimeoutException", "Model has timed out in processing the request.", Kind.SERVER_ERROR),
    (424, "ModelErrorException", "The system encountered an unexpected error during processing.", Kind.SERVER_ERROR),
    (429, "ThrottlingException", "Too many requests, please wait before trying again.", Kind.RATE_LIMITED),
    (429, "ThrottlingException", "Too many tokens, please wait before trying again.", Kind.RATE_LIMITED),
    (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", Kind.QUOTA_EXHAUSTED),
    (429, "ModelNotReadyException", "The model is not ready.", Kind.OVERLOADED),
    (500, "InternalServerException", "The system encountered an unexpected error.", Kind.SERVER_ERROR),
    (503, "ServiceUnavailableException", "Bedrock is unable to process your request.", Kind.OVERLOADED),
]


@pytest.mark.parametrize(("status", "name", "message", "kind"), AWS, ids=[f"{row[1]}-{row[2][:24]}" for row in AWS])
@pytest.mark.parametrize("key", ["message", "Message"])
def test_aws_names_the_error_beside_the_body(status: int, name: str, message: str, kind: Kind, key: str) -> None:
    body = json.dumps({key: message}).encode()
    header = f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/".encode()
    outcome = classify(status, [(b"x-amzn-errortype", header)], body)
    assert (outcome.kind, outcome.type, outcome.status) == (kind, name, status)
    named = json.dumps({"__type": f"com.amazon.coral.service#{name}", key: message}).encode()
    assert classify(status, [], named).kind is kind
    assert classify(status, [(b"X-Amzn-ErrorType", name.encode())], b"").type == name


COHERE = [
    (400, "too many tokens: total number of tokens in the prompt cannot exceed 128000", Kind.CONTEXT_TOO_LONG),
    (400, "invalid request: tool_choice is not supported", Kind.BAD_REQUEST),
    (401, "invalid api token", Kind.AUTH_FAILED),
    (402, "Please add or update your payment method", Kind.QUOTA_EXHAUSTED),
    (404, "model 'command-x' not found, make sure the correct model ID was used", Kind.MODEL_NOT_FOUND),
    (422, "invalid type for field messages", Kind.BAD_REQUEST),
    (429, "You are using a Trial key, which is limited to 20 API calls / minute.", Kind.RATE_LIMITED),
    (429, "You are using a Trial key, which is limited to 1000 API calls / month.", Kind.QUOTA_EXHAUSTED),
    (498, "invalid token", Kind.AUTH_FAILED),
    (499, "request cancelled", Kind.SERVER_ERROR),
    (500, "internal server error", Kind.SERVER_ERROR),
    (503, "service unavailable", Kind.OVERLOADED),
]


@pytest.mark.parametrize(("status", "message", "kind"), COHERE, ids=[f"{row[0]}-{row[1][:24]}" for row in COHERE])
def test_cohere(status: int, message: str, kind: Kind) -> None:
    outcome = classify(status, [], json.dumps({"id": "7f3e", "message": message}).encode())
    assert (outcome.kind, outcome.message) == (kind, message)


def test_groq_means_its_capacity_by_the_same_status() -> None:
    body = b'{"error":{"message":"Flex capacity exceeded, reduce tokens","type":"x"}}'
    assert classify(498, [], body).kind is Kind.OVERLOADED
