"""Signatures of AWS: the vectors made with botocore, and botocore itself as the judge of everything else."""

import datetime
import hashlib
from unittest import mock
from urllib.parse import quote

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.sources import AwsKeys
from proxy.wire.sigv4 import Message, Scope, canonical_headers, canonical_request, sign

KEYS = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
BEDROCK = Scope("us-east-1", "bedrock")
WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
BODY = b'{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'
HEADERS = [
    ("host", "bedrock-runtime.us-east-1.amazonaws.com"),
    ("Accept", "application/json"),
    ("Content-Type", "application/json"),
]


def vector(path: str) -> Message:
    return Message("POST", path, HEADERS, hashlib.sha256(BODY).hexdigest())


def test_the_first_vector() -> None:
    message = vector("/model/anthropic.claude-sonnet-4-6/converse")
    assert sign(message, KEYS, BEDROCK, WHEN.timestamp()) == [
        ("x-amz-date", "20260102T030405Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, "
            "SignedHeaders=accept;content-type;host;x-amz-date, "
            "Signature=b312609bbec0a316675137c235efa37ad95eeb6247141b92a3e186a188bcf513",
        ),
    ]
    signed = canonical_headers([*HEADERS, ("x-amz-date", "20260102T030405Z")])
    digest = hashlib.sha256(canonical_request(message, signed).encode()).hexdigest()
    assert digest == "9504f0c1ce388a72b171afcb081128e8b999139b285dbf0ac2fcc45855b2c601"


def test_the_second_vector_encodes_the_path_twice_and_signs_the_session_token() -> None:
    message = vector("/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse")
    keys = AwsKeys(KEYS.access_key, KEYS.secret_key, "TOKEN")
    made = dict(sign(message, keys, BEDROCK, WHEN.timestamp()))
    assert made["x-amz-security-token"] == "TOKEN"
    assert "SignedHeaders=accept;content-type;host;x-amz-date;x-amz-security-token" in made["authorization"]
    assert made["authorization"].endswith("33fa7a1358149d640785241546d6a94fe399288a07afd24d4888bd24994f6a16")


def test_an_empty_path_is_the_root() -> None:
    nothing = hashlib.sha256(b"").hexdigest()
    first = sign(Message("GET", "", [("host", "x")], nothing), KEYS, BEDROCK, 0.0)
    assert first == sign(Message("GET", "/", [("host", "x")], nothing), KEYS, BEDROCK, 0.0)


words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=10)


@given(
    method=st.sampled_from(["GET", "POST", "PUT"]),
    segments=st.lists(texts.filter(lambda s: s not in ("", ".", "..")), max_size=4),
    query=st.dictionaries(texts, texts, max_size=4),
    extra=st.lists(values, max_size=2),
    body=st.binary(max_size=64),
    secret=words,
    token=st.none() | words,
    region=st.sampled_from(["us-east-1", "eu-central-1"]),
    service=st.sampled_from(["bedrock", "sts"]),
    at=st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2090, 1, 1)),
)
@settings(max_examples=200, deadline=None)
def test_botocore_signs_the_same(method, segments, query, extra, body, secret, token, region, service, at) -> None:
    at = at.replace(microsecond=0, tzinfo=datetime.UTC)
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    headers = [
        ("host", "api.test"),
        ("content-type", "application/json"),
        *((f"x-extra-{n}", v) for n, v in enumerate(extra)),
    ]
    message = Message(method, path, headers, hashlib.sha256(body).hexdigest(), list(query.items()))
    ours = sign(message, AwsKeys("AKID", secret, token), Scope(region, service), at.timestamp())

    request = AWSRequest(method, f"https://api.test{path}", headers=dict(headers), data=body, params=query)
    with mock.patch.object(auth, "get_current_datetime", return_value=at.replace(tzinfo=None)):
        auth.SigV4Auth(Credentials("AKID", secret, token), service, region).add_auth(request)
    assert dict(ours)["authorization"] == request.headers["Authorization"]


@pytest.mark.parametrize("value", ["  a   b ", "a b", "a\t b"])
def test_spaces_in_values_are_single(value: str) -> None:
    assert canonical_headers([("B", value), ("a", "1"), ("b", "2")]) == {"a": "1", "b": "a b,2"}
