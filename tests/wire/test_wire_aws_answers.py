"""STS and metadata answers, and the shared files of AWS."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.sources import (
    AwsAssumeRoleSource,
    AwsContainerSource,
    AwsInstanceSource,
    AwsKeys,
    AwsWebIdentitySource,
    CommandSource,
)
from proxy.wire.aws_answers import SharedFiles, read_metadata, read_sts
from proxy.wire.token_answers import UNREADABLE, Denial, Grant

NOW = 1_767_323_045.0  # 2026-01-02T03:04:05Z
KEYS = AwsKeys("ASIA1", "se/cr+et=", "TO&KEN==")
XML = b"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>se/cr+et=</SecretAccessKey>
<SessionToken> TO&amp;KEN== </SessionToken><Expiration>2026-01-02T04:04:05Z</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"""
JSON = (
    b'{"AssumeRoleResponse":{"ResponseMetadata":{"RequestId":"x"},"AssumeRoleResult":{"SourceIdentity":null,'
    b'"Credentials":{"AccessKeyId":"ASIA1","SecretAccessKey":"se/cr+et=","SessionToken":"TO&KEN==","Expiration":1.767326645E9}}}}'
)


@pytest.mark.parametrize("body", [XML, JSON])
def test_a_role_is_read_from_xml_and_json(body: bytes) -> None:
    assert read_sts(200, [], body, NOW) == Grant(aws=KEYS, life=3600.0)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b"[1]", b'{"a":{"a":{"a":{"a":{"a":{"a":{"Code":1}}}}}}}', b"\xff<Code>"]
)
def test_what_is_no_answer_of_sts(body: bytes) -> None:
    assert read_sts(200, [], body, NOW) is UNREADABLE


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, b"<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException</Code><Message>canary</Message>"
              b"</Error></ErrorResponse>", Denial("refused with ExpiredTokenException", True)),
        (403, b'{"Error":{"Code":"AccessDenied","Message":"canary"},"RequestId":"r"}',
         Denial("refused with AccessDenied", True)),
        (400, b"<Code>IDPCommunicationError</Code>", Denial("answered 400 with IDPCommunicationError")),
        (429, b"<Code>TooMany</Code>", Denial("answered 429 with TooMany")),
        (503, b"<Code>ServiceUnavailable</Code>", Denial("answered 503 with ServiceUnavailable")),
        (500, b"canary", Denial("answered 500")),
        (403, b"<Code>sk-canary-1</Code>", Denial("answered 403", True)),
        (400, b'{"Error":{"Code":["canary"]}}', Denial("answered 400")),
    ],
)  # fmt: skip
def test_errors_of_sts_are_told_by_their_code(status: int, body: bytes, expected: Denial) -> None:
    assert read_sts(status, [], body, NOW) == expected


METADATA = (
    b'{"Code":"Success","LastUpdated":"2026-01-02T03:00:00Z","Type":"AWS-HMAC","AccessKeyId":"ASIA1",'
    b'"SecretAccessKey":"se/cr+et=","Token":"TO&KEN==","Expiration":"2026-01-02T04:04:05Z"}'
)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, METADATA, Grant(aws=KEYS, life=3600.0)),
        (200, METADATA.replace(b'"Code":"Success",', b""), Grant(aws=KEYS, life=3600.0)),
        (200, b'{"Code":"AssumeRoleUnauthorizedAccess","Message":"canary"}',
         Denial("answered 200 with AssumeRoleUnauthorizedAccess")),
        (200, b"<html>", UNREADABLE),
        (404, b"<html>404", Denial("answered 404")),
        (400, b'{"code":"InvalidToken","message":"canary"}', Denial("refused with InvalidToken", True)),
        (401, b"", Denial("answered 401", True)),
    ],
)  # fmt: skip
def test_metadata(status: int, body: bytes, expected: Grant | Denial) -> None:
    assert read_metadata(status, [], body, NOW) == expected


@given(st.integers(100, 599), st.binary(max_size=60))
def test_nothing_raises(status: int, body: bytes) -> None:
    assert isinstance(read_sts(status, [], body, NOW), Grant | Denial)
    assert isinstance(read_metadata(status, [], body, NOW), Grant | Denial)


CREDENTIALS = """
[default]
aws_access_key_id = AKIA1
aws_secret_access_key = s1
[temporary]
aws_access_key_id=AKIA2
aws_secret_access_key=s2
aws_session_token=t2
[half]
aws_access_key_id = AKIA3
"""
CONFIG = """
[default]
region = eu-west-1
[profile role]
role_arn = arn:aws:iam::1:role/r
source_profile = default
external_id = x
region = eu-central-1
role_session_name = me
[profile chain]
role_arn = arn:aws:iam::2:role/r
source_profile = role
[profile task]
role_arn = arn:aws:iam::3:role/r
credential_source = EcsContainer
[profile machine]
role_arn = arn:aws:iam::4:role/r
credential_source = Ec2InstanceMetadata
[profile web]
role_arn = arn:aws:iam::5:role/r
web_identity_token_file = /token
[profile self]
role_arn = arn:aws:iam::6:role/r
source_profile = self
aws_access_key_id = AKIA6
aws_secret_access_key = s6
[profile selfless]
role_arn = arn:aws:iam::7:role/r
source_profile = selfless
[profile lost]
role_arn = arn:aws:iam::8:role/r
[profile one]
role_arn = arn:aws:iam::9:role/r
source_profile = two
[profile two]
role_arn = arn:aws:iam::9:role/r
source_profile = one
[profile dangling]
role_arn = arn:aws:iam::9:role/r
source_profile = nobody
[profile process]
credential_process = /bin/tool --profile "a b"
[profile broken]
credential_process = /bin/tool "
[profile sso]
sso_session = corp
[profile empty]
region = us-east-1
"""
FILES = SharedFiles(CREDENTIALS, CONFIG, "us-west-2")
FIRST = AwsKeys("AKIA1", "s1")
ROLE = AwsAssumeRoleSource("arn:aws:iam::1:role/r", FIRST, "eu-central-1", "me", "x")


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("default", FIRST),
        ("temporary", AwsKeys("AKIA2", "s2", "t2")),
        ("role", ROLE),
        ("chain", AwsAssumeRoleSource("arn:aws:iam::2:role/r", ROLE, "us-west-2")),
        ("task", AwsAssumeRoleSource("arn:aws:iam::3:role/r", AwsContainerSource(), "us-west-2")),
        ("machine", AwsAssumeRoleSource("arn:aws:iam::4:role/r", AwsInstanceSource(), "us-west-2")),
        ("web", AwsWebIdentitySource("arn:aws:iam::5:role/r", "/token", "us-west-2")),
        ("self", AwsAssumeRoleSource("arn:aws:iam::6:role/r", AwsKeys("AKIA6", "s6"), "us-west-2")),
        ("process", CommandSource(("/bin/tool", "--profile", "a b"))),
    ],
)
def test_profiles_lead_to_keys_or_sources(profile: str, expected: object) -> None:
    assert FILES.find(profile) == expected


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("nobody", "has no profile nobody"),
        ("half", "has no keys in profile half"),
        ("empty", "has no keys in profile empty"),
        ("selfless", "has no keys in profile selfless"),
        ("lost", "no way to it"),
        ("one", "no way to it"),
        ("dangling", "has no profile nobody"),
        ("broken", "credential_process that cannot be read"),
        ("sso", "use command: [aws, configure, export-credentials, --profile, sso]"),
    ],
)
def test_profiles_that_lead_nowhere_say_so(profile: str, words: str) -> None:
    found = FILES.find(profile)
    assert isinstance(found, Denial)
    assert found.final
    assert words in found.text


def test_a_file_that_is_something_else() -> None:
    assert SharedFiles("canary", "", "r").find("default") == Denial("is not in the format of AWS's files", True)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=8))
def test_no_file_raises(credentials: str, config: str, profile: str) -> None:
    SharedFiles(credentials, config, "r").find(profile)
