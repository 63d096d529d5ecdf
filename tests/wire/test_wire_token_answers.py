"""Answers of token endpoints, in every dialect, and whatever else may come."""

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.sources import AwsKeys
from proxy.wire.token_answers import (
    ENDED,
    MAX_LIFE,
    MAX_TOKEN,
    UNREADABLE,
    Denial,
    Grant,
    aws_grant,
    read_moment,
    read_number,
    read_printed,
    read_refusal,
    read_token,
)

NOW = 1_767_323_045.0  # 2026-01-02T03:04:05Z


def token(body: object, status: int = 200) -> Grant | Denial:
    return read_token(status, [], json.dumps(body).encode(), NOW)


@pytest.mark.parametrize(
    ("body", "life", "hint"),
    [
        ({"access_token": "t", "token_type": "Bearer", "expires_in": 3599}, 3599, None),
        ({"access_token": "t", "expires_in": "3599"}, 3599, None),
        ({"access_token": "t", "expires_in": 3599.5, "refresh_in": "1800"}, 3599.5, 1800),
        ({"access_token": "t"}, None, None),
        ({"access_token": "t", "expires_in": None, "expires_on": "1767326645"}, 3600, None),
        ({"access_token": "t", "expires_in": "never", "expires_on": 1767326645}, 3600, None),
        ({"accessToken": "t", "expireTime": "2026-01-02T04:04:05Z"}, 3600, None),
        ({"accessToken": "t", "expireTime": "2026-01-02T04:04:05.123456789Z"}, 3600.123456, None),
        ({"token": "t", "expires_at": "2026-01-02T04:04:05"}, 3600, None),
        ({"access_token": None, "token": "t", "expires_in": True, "expiration": [], "refresh_in": -1}, None, None),
        ({"access_token": "t", "expires_in": 1e300}, MAX_LIFE, None),
        ({"access_token": "t", "expires_on": 1e300}, MAX_LIFE, None),
    ],
)
def test_a_token_and_its_life(body: object, life: float | None, hint: float | None) -> None:
    got = token(body)
    assert got == Grant("t", None, got.life if isinstance(got, Grant) else None, hint)
    assert isinstance(got, Grant)
    assert got.life == (None if life is None else pytest.approx(life, abs=1e-6))


@pytest.mark.parametrize(
    "body",
    [{}, [], None, "t", {"access_token": 5}, {"access_token": ""}, {"access_token": "a b"}, {"access_token": "a\r\nb: c"},
     {"access_token": "é"}, {"access_token": "x" * (MAX_TOKEN + 1)}, {"error": "x"}],
)  # fmt: skip
def test_what_is_no_token(body: object) -> None:
    assert token(body) is UNREADABLE


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b'{"access_token":', b"[" * 5000])
def test_what_is_no_json(body: bytes) -> None:
    assert read_token(200, [], body, NOW) is UNREADABLE


@pytest.mark.parametrize("fields", [{"expires_in": 0}, {"expires_in": -5}, {"expires_on": NOW - 1}])
def test_a_token_that_has_ended(fields: dict[str, float]) -> None:
    assert token({"access_token": "t", **fields}) is ENDED


REFUSALS = [
    (400, {"error": "invalid_grant"}, True, "refused with invalid_grant (the grant is revoked"),
    (401, {"error": "invalid_client", "error_description": "canary"}, True, "refused with invalid_client"),
    (
        401,
        {"error": "invalid_client", "error_description": "AADSTS7000222: canary", "error_codes": [7000222]},
        True,
        "refused with invalid_client (AADSTS7000222, the client secret has expired)",
    ),
    (400, {"error": "invalid_request", "error_codes": ["canary", 1]}, True, "refused with invalid_request (the request"),
    (500, {"error": "internal_failure"}, False, "answered 500 with internal_failure"),
    (400, {"error": "canary"}, False, "answered 400"),
    (401, {"error": {"code": "canary"}}, True, "answered 401"),
    (403, {}, True, "answered 403"),
    (302, {}, False, "answered 302"),
    (503, {}, False, "answered 503"),
]


@pytest.mark.parametrize(("status", "body", "final", "text"), REFUSALS)
def test_refusals_are_told_in_our_own_words(status: int, body: object, final: bool, text: str) -> None:
    got = token(body, status)
    assert isinstance(got, Denial)
    assert got.final is final
    assert got.text.startswith(text)
    assert "canary" not in got.text


def test_a_refusal_may_say_when_to_ask_again() -> None:
    assert read_refusal(429, [(b"retry-after", b"120")], b"slow down") == Denial("answered 429", False, 120.0)
    assert read_refusal(400, [(b"Retry-After", b"7")], b'{"error":"invalid_grant"}').retry_after == 7.0
    assert read_refusal(503, [(b"retry-after", b"-3")], b"").retry_after is None


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b"  sk-key\n", Grant("sk-key")),
        (b'{"token": "t", "expires_in": 60}', Grant("t", life=60.0)),
        (b'{"accessToken": "t", "expires_on": 1767326645, "expiresOn": "local time"}', Grant("t", life=3600.0)),
        (
            b'{"kind": "ExecCredential", "status": {"token": "t", "expirationTimestamp": "2026-01-02T04:04:05Z"}}',
            Grant("t", life=3600.0),
        ),
        (
            b'{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "S", "SessionToken": "T", '
            b'"Expiration": "2026-01-02T04:04:05+00:00"}',
            Grant(aws=AwsKeys("A", "S", "T"), life=3600.0),
        ),
        (b'{"token": "t", "expires_in": 0}', ENDED),
        (b"", Denial("printed something that is not a token")),
        (b"two words", Denial("printed something that is not a token")),
        (b"\xff", Denial("printed something that is not text")),
        (b"{token", Denial("printed JSON that cannot be read")),
        (b"{}", Denial("printed JSON without a token")),
        (b'{"AccessKeyId": "A"}', Denial("printed JSON without a token")),
    ],
)
def test_what_programs_print(output: bytes, expected: Grant | Denial) -> None:
    assert read_printed(output, NOW) == expected


KEYS = {"AccessKeyId": "A", "SecretAccessKey": "S"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (KEYS, Grant(aws=AwsKeys("A", "S"))),
        ({**KEYS, "Token": "T", "Expiration": "2026-01-02T04:04:05Z"}, Grant(aws=AwsKeys("A", "S", "T"), life=3600.0)),
        ({**KEYS, "SessionToken": "T", "Expiration": 1767326645}, Grant(aws=AwsKeys("A", "S", "T"), life=3600.0)),
        ({**KEYS, "Expiration": "soon"}, Grant(aws=AwsKeys("A", "S"))),
        ({**KEYS, "Expiration": "2025-01-02T04:04:05Z"}, ENDED),
        ({**KEYS, "Token": 5}, UNREADABLE),
        ({**KEYS, "Token": "a\nb"}, UNREADABLE),
        ({"AccessKeyId": "A", "SecretAccessKey": None}, UNREADABLE),
        ({}, UNREADABLE),
    ],
)
def test_keys_of_aws(fields: dict[str, object], expected: Grant | Denial) -> None:
    assert aws_grant(fields, NOW) == expected


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1), ("1.5", 1.5), ("NaN", None), ("1e999", None), (True, None), ({}, None), ("x", None), (10**400, None),
     (None, None)],
)  # fmt: skip
def test_numbers(value: object, number: float | None) -> None:
    assert read_number(value) == number


@pytest.mark.parametrize("value", ["", "soon", "9999-99-99", None, []])
def test_moments_that_are_none(value: object) -> None:
    assert read_moment(value) is None


names = st.sampled_from(
    ["access_token", "token", "expires_in", "expires_on", "expiration", "refresh_in", "error", "error_codes", "status",
     "AccessKeyId", "SecretAccessKey", "Token", "Expiration"]
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from([200, 400, 401, 500]), json_values | st.binary(max_size=40))
def test_nothing_raises(status: int, value: object) -> None:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    for got, printed in product([read_token(status, [], body, NOW)], [read_printed(body, NOW)]):
        for verdict in (got, printed):
            assert isinstance(verdict, Grant | Denial)
            if isinstance(verdict, Grant):
                assert verdict.life is None or 0 < verdict.life <= MAX_LIFE


def test_a_token_stands_in_no_repr() -> None:
    assert "canary" not in repr([Grant("canary"), Grant(aws=AwsKeys("A", "canary", "canary"))])
