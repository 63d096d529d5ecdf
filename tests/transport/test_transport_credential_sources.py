"""Each kind of source against a real server on loopback: what goes over the wire, and what is made of the answer."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from support.issuer_server import WALL, IssuerServer, real_surroundings, serving, write

from proxy.core.sources import (
    AwsAssumeRoleSource,
    AwsContainerSource,
    AwsInstanceSource,
    AwsKeys,
    AwsProfileSource,
    AwsWebIdentitySource,
    CommandSource,
    CredentialSource,
    EntraManagedSource,
    EntraSource,
    FileSource,
    GoogleFileSource,
    GoogleMetadataSource,
    OAuthSource,
)
from proxy.transport.credentials.fetching import fetch
from proxy.transport.credentials.google import JWT_BEARER
from proxy.transport.credentials.surroundings import Denied
from proxy.wire.token_answers import Denial, Grant

pytestmark = pytest.mark.live

Result = Grant | Denial
TOKEN = {"access_token": "the-token", "token_type": "Bearer", "expires_in": "3599"}
KEYS = {
    "Code": "Success",
    "AccessKeyId": "ASIA1",
    "SecretAccessKey": "s1",
    "Token": "t1",
    "Expiration": "2026-01-02T04:04:05Z",
}
AWS = Grant(aws=AwsKeys("ASIA1", "s1", "t1"), life=3600.0)
STS = (
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s1</SecretAccessKey>"
    "<SessionToken>t1</SessionToken><Expiration>2026-01-02T04:04:05Z</Expiration></Credentials></AssumeRoleResult>"
    "</AssumeRoleResponse>"
)


def with_server(body: Callable[[IssuerServer], Awaitable[None]]) -> None:
    async def run() -> None:
        async with serving() as issuer:
            await body(issuer)

    asyncio.run(run())


async def get(source: CredentialSource, env: dict[str, str] | None = None) -> Result:
    async with real_surroundings(env) as around:
        try:
            return await fetch(source, around)
        except Denied as error:
            return error.denial


# OAuth 2 and Entra.


@pytest.mark.parametrize("basic", [False, True])
def test_oauth_client_credentials(basic: bool) -> None:
    async def body(issuer: IssuerServer) -> None:
        issuer.answers["/token"] = lambda _: TOKEN
        source = OAuthSource(f"{issuer.url}/token", "me", "se:cr/et", "a b", "api", basic)
        assert await get(source) == Grant("the-token", life=3599.0)
        (seen,) = issuer.seen
        assert seen.method == "POST"
        assert seen.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert seen.headers["Accept"] == "application/json"
        own = {} if basic else {"client_id": "me", "client_secret": "se:cr/et"}
        assert seen.form == {"grant_type": "client_credentials", "scope": "a b", "audience": "api", **own}
        sent = seen.headers.get("Authorization", "")
        assert sent == (f"Basic {base64.b64encode(b'me:se%3Acr%2Fet').decode()}" if basic else "")

    with_server(body)


def test_entra_with_a_secret() -> None:
    async def body(issuer: IssuerServer) -> None:
        issuer.answers["/my.tenant/oauth2/v2.0/token"] = lambda _: {**TOKEN, "refresh_in": 1800, "ext_expires_in": 9999}
        source = EntraSource("my.tenant", "app", "se cret", authority=f"{issuer.url}/")
        assert await get(source) == Grant("the-token", life=3599.0, renew_in=1800.0)
        assert issuer.seen[0].form == {
            "client_id": "app",
            "client_secret": "se cret",
            "grant_type": "client_credentials",
            "scope": "https://cognitiveservices.azure.com/.default",
        }

    with_server(body)


def test_entra_with_a_workload_identity_reads_its_file_each_time(tmp_path: Path) -> None:
    async def body(issuer: IssuerServer) -> None:
        issuer.answers["/t/oauth2/v2.0/token"] = lambda _: TOKEN
        path = write(tmp_path, "token", "assertion-1\n")
        source = EntraSource("t", "app", federated_token_file=path, scope="s", authority=issuer.url)
        assert await get(source) == Grant("the-token", life=3599.0)
        write(tmp_path, "token", "assertion-2")
        await get(source)
        assert [seen.form["client_assertion"] for seen in issuer.seen] == ["assertion-1", "assertion-2"]
        assert issuer.seen[0].form == {
            "client_id": "app",
            "scope": "s",
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": "assertion-1",
        }

    with_server(body)


def test_managed_identity_of_a_machine() -> None:
    async def body(issuer: IssuerServer) -> None:
        # Everything is a string here.
        answer = {"access_token": "the-token", "expires_in": "86399", "expires_on": "1767409444", "resource": "r"}
        issuer.answers["/metadata/identity/oauth2/token"] = lambda _: answer
        assert await get(EntraManagedSource(endpoint=issuer.url)) == Grant("the-token", life=86399.0)
        assert await get(EntraManagedSource("user-assigned", endpoint=issuer.url)) == Grant("the-token", life=86399.0)
        first, second = issuer.seen
        assert (first.method, first.headers["Metadata"]) == ("GET", "true")
        assert first.query == {"api-version": "2018-02-01", "resource": "https://cognitiveservices.azure.com"}
        assert second.query["client_id"] == "user-assigned"

    with_server(body)


def test_managed_identity_of_an_app_service() -> None:
    async def body(issuer: IssuerServer) -> None:
        issuer.answers["/msi/token"] = lambda _: {"access_token": "the-token", "expires_on": str(int(WALL) + 3600)}
        env = {"IDENTITY_ENDPOINT": f"{issuer.url}/msi/token", "IDENTITY_HEADER": "proof"}
        assert await get(EntraManagedSource(scope="https://ai.azure.com/.default"), env) == Grant("the-token", life=3600.0)
        assert issuer.seen[0].headers["X-Identity-Header"] == "proof"
        assert issuer.seen[0].query == {"api-version": "2019-08-01", "resource": "https://ai.azure.com"}

    with_server(body)


# Google.


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_file(folder: Path, url: str | None, **changes: object) -> str:
    pem = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    fields = {
        "type": "service_account",
        "client_email": "me@project.iam.gserviceaccount.com",
        "private_key": pem,
        "private_key_id": "kid-1",
        "token_uri": url,
        **changes,
    }
    return write(folder, "key.json", json.dumps({name: value for name, value in fields.items() if value is not None}))


def decode(part: str) -> dict[str, object]:
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def test_google_service_account(tmp_path: Path) -> None:
    async def body(issuer: IssuerServer) -> None:
        url = f"{issuer.url}/token"
        issuer.answers["/token"] = lambda _: {"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"}
        assert await get(GoogleFileSource(key_file(tmp_path, url))) == Grant("ya29.x", life=3599.0)
        form = issuer.seen[0].form
        assert form["grant_type"] == JWT_BEARER
        header, claims, signature = form["assertion"].split(".")
        assert decode(header) == {"alg": "RS256", "typ": "JWT", "kid": "kid-1"}
        assert decode(claims) == {
            "iss": "me@project.iam.gserviceaccount.com",
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "aud": url,
            "iat": int(WALL),
            "exp": int(WALL) + 3600,
        }
        raw = base64.urlsafe_b64decode(signature + "==")
        RSA.public_key().verify(raw, f"{header}.{claims}".encode(), PKCS1v15(), SHA256())

    with_server(body)


def test_google_application_default_credentials_of_a_person(tmp_path: Path) -> None:
    async def body(issuer: IssuerServer) -> None:
        issuer.answers["/token"] = lambda _: TOKEN
        fields = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "1//r"}
        path = write(tmp_path, "adc.json", json.dumps(fields))
        assert await get(GoogleFileSource(path, token_url=f"{issuer.url}/token")) == Grant("the-token", life=3599.0)
        assert issuer.seen[0].form == {
            "grant_type": "refresh_token",
            "refresh_token": "1//r",
            "client_id": "c",
            "client_secret": "s",
        }

    with_server(body)


EC_KEY = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
LOCKED = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": "external_account"}, "is not a key file of Google"),
        ({"type": "authorized_user"}, "is not a key file of Google"),
        ({"client_email": None}, "lacks client_email or private_key"),
        ({"private_key": 5}, "lacks client_email or private_key"),
        ({"private_key": "canary"}, "holds a private_key that cannot be read"),
        ({"private_key": EC_KEY}, "holds a private_key that cannot be read"),
        ({"private_key": LOCKED}, "holds a private_key that cannot be read"),
    ],
)
def test_key_files_that_are_none(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    got = asyncio.run(get(GoogleFileSource(key_file(tmp_path, None, **changes))))
    assert isinstance(got, Denial)
    assert got.final
    assert words in got.text
    assert "canary" not in got.text


@pytest.mark.parametrize("by_environment", [False, True])
def test_google_metadata(by_environment: bool) -> None:
    path = "/computeMetadata/v1/instance/service-accounts/default/token"

    async def body(issuer: IssuerServer) -> None:
        issuer.answers[path] = lambda _: {"access_token": "ya29.m", "expires_in": 1200, "token_type": "Bearer"}
        if by_environment:
            got = await get(GoogleMetadataSource(), {"GCE_METADATA_HOST": issuer.url.removeprefix("http://")})
        else:
            got = await get(GoogleMetadataSource("a,b", issuer.url))
        assert got == Grant("ya29.m", life=1200.0)
        assert issuer.seen[0].headers["Metadata-Flavor"] == "Google"
        assert issuer.seen[0].query == ({} if by_environment else {"scopes": "a,b"})

    with_server(body)


# AWS.


def test_container_credentials(tmp_path: Path) -> None:
    async def body(issuer: IssuerServer) -> None:
        issuer.answers["/v2/credentials/1"] = lambda _: KEYS
        url = f"{issuer.url}/v2/credentials/1"
        env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Bearer one"}
        assert await get(AwsContainerSource(), env) == AWS
        path = write(tmp_path, "proof", "two\n")
        assert await get(AwsContainerSource(url), {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": path}) == AWS
        assert await get(AwsContainerSource(url)) == AWS
        assert [seen.headers.get("Authorization") for seen in issuer.seen] == ["Bearer one", "two", None]

    with_server(body)


def test_container_credentials_that_are_not_there() -> None:
    text = "the environment variable AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set"
    assert asyncio.run(get(AwsContainerSource())) == Denial(text, final=True)
    got = asyncio.run(get(AwsContainerSource("http://credentials.example.com/")))
    assert got == Denial("credentials.example.com would send AWS keys unencrypted", final=True)


def test_instance_metadata() -> None:
    roles = "/latest/meta-data/iam/security-credentials/"

    async def body(issuer: IssuerServer) -> None:
        issuer.answers["/latest/api/token"] = lambda seen: "session" if seen.method == "PUT" else web.Response(status=405)
        issuer.answers[roles] = lambda _: "my-role\nother\n"
        issuer.answers[roles + "my-role"] = lambda _: KEYS
        assert await get(AwsInstanceSource(issuer.url)) == AWS
        assert issuer.seen[0].headers["X-aws-ec2-metadata-token-ttl-seconds"] == "21600"
        assert [seen.headers.get("X-aws-ec2-metadata-token") for seen in issuer.seen] == [None, "session", "session"]
        host = issuer.url.removeprefix("http://")
        issuer.answers[roles] = lambda _: ""
        assert await get(AwsInstanceSource(issuer.url)) == Denial(
            f"{host} answered something that is neither a session nor a role"
        )
        del issuer.answers[roles]
        assert await get(AwsInstanceSource(issuer.url)) == Denial(f"{host} answered 404")

    with_server(body)


def test_assume_role_is_signed_as_botocore_signs() -> None:
    async def body(issuer: IssuerServer) -> None:
        issuer.answers["/"] = lambda _: STS
        keys = AwsKeys("AKIA1", "base/secret", "base-token")
        source = AwsAssumeRoleSource("arn:aws:iam::1:role/r", keys, "eu-west-1", "me", "ext", f"{issuer.url}/")
        assert await get(source) == AWS
        (seen,) = issuer.seen
        assert seen.form == {
            "Version": "2011-06-15",
            "Action": "AssumeRole",
            "RoleArn": "arn:aws:iam::1:role/r",
            "RoleSessionName": "me",
            "ExternalId": "ext",
        }
        request = AWSRequest(
            "POST",
            f"{issuer.url}/",
            headers={"host": seen.headers["Host"], "content-type": seen.headers["Content-Type"]},
            data=seen.body,
        )
        request.context["timestamp"] = seen.headers["X-Amz-Date"]
        signer = SigV4Auth(Credentials("AKIA1", "base/secret", "base-token"), "sts", "eu-west-1")
        request.headers["X-Amz-Date"] = seen.headers["X-Amz-Date"]
        request.headers["X-Amz-Security-Token"] = "base-token"
        signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        assert seen.headers["Authorization"].endswith(f"Signature={signature}")
        assert seen.headers["X-Amz-Date"] == "20260102T030405Z"

    with_server(body)


def test_a_role_is_taken_on_with_what_a_profile_leads_to(tmp_path: Path) -> None:
    async def body(issuer: IssuerServer) -> None:
        issuer.answers["/"] = lambda _: STS
        env = {
            "AWS_SHARED_CREDENTIALS_FILE": write(
                tmp_path, "credentials", "[base]\naws_access_key_id=AKIA1\naws_secret_access_key=s\n"
            ),
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
        }
        assert await get(AwsProfileSource("base"), env) == Grant(aws=AwsKeys("AKIA1", "s"), renew_in=30.0)
        role = AwsAssumeRoleSource("arn:aws:iam::1:role/r", AwsProfileSource("base"), endpoint=issuer.url)
        assert await get(role, env) == AWS
        assert "Credential=AKIA1/20260102/us-east-1/sts" in issuer.seen[0].headers["Authorization"]
        missing = await get(AwsProfileSource("nobody"), env)
        assert isinstance(missing, Denial)
        assert missing.text.endswith("has no profile nobody")
        printed = AwsAssumeRoleSource("arn:aws:iam::1:role/r", CommandSource(("echo", "a-token")), endpoint=issuer.url)
        assert await get(printed, env) == Denial("what should give AWS keys gave a token", final=True)

    with_server(body)


def test_a_profile_without_files(tmp_path: Path) -> None:
    got = asyncio.run(get(AwsProfileSource(), {"HOME": str(tmp_path)}))
    assert isinstance(got, Denial)
    assert ".aws/credentials cannot be read: no such file or directory" in got.text


def test_web_identity_is_not_signed(tmp_path: Path) -> None:
    async def body(issuer: IssuerServer) -> None:
        issuer.answers["/"] = lambda _: {
            "AssumeRoleWithWebIdentityResponse": {
                "AssumeRoleWithWebIdentityResult": {"Credentials": {**KEYS, "SessionToken": "t1", "Expiration": WALL + 3600}}
            }
        }
        path = write(tmp_path, "token", "eyJ.identity\n")
        assert await get(AwsWebIdentitySource("arn:aws:iam::1:role/r", path, endpoint=issuer.url)) == AWS
        (seen,) = issuer.seen
        assert "Authorization" not in seen.headers
        assert seen.headers["Accept"] == "application/json"
        assert seen.form == {
            "Version": "2011-06-15",
            "Action": "AssumeRoleWithWebIdentity",
            "RoleArn": "arn:aws:iam::1:role/r",
            "RoleSessionName": "undimmed",
            "WebIdentityToken": "eyJ.identity",
        }

    with_server(body)


# Files and programs.


def test_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, "key", " sk-1\n")
    assert asyncio.run(get(FileSource(path))) == Grant("sk-1", renew_in=5.0)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read: no such file or directory"), (b"", "is empty"), (b"a b", "holds more than a key"),
     (b"\xff", "is not text")],
)  # fmt: skip
def test_files_that_hold_no_key(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    got = asyncio.run(get(FileSource(str(path))))
    assert isinstance(got, Denial)
    assert got.text == f"{path} {words}"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert asyncio.run(get(FileSource(str(tmp_path)))) == Denial(f"{tmp_path} cannot be read: is a directory")


def test_a_command(tmp_path: Path) -> None:
    assert asyncio.run(get(CommandSource(("echo", "sk-1"), every=60.0))) == Grant("sk-1", renew_in=60.0)
    script = '{"token": "t", "expires_in": 100}'
    assert asyncio.run(get(CommandSource(("echo", script)))) == Grant("t", life=100.0)


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("/bin/false",), "the command false ended with status 1"),
        (("/no/such/tool", "canary"), "the command tool cannot be run: no such file or directory"),
        (("sh", "-c", "echo canary >&2; echo two canaries"), "the command sh printed something that is not a token"),
        (("sh", "-c", "yes canary"), "the command sh did not end in time"),
    ],
)
def test_commands_that_print_no_key(argv: tuple[str, ...], text: str) -> None:
    got = asyncio.run(get(CommandSource(argv)))
    assert isinstance(got, Denial)
    assert got.text == text
