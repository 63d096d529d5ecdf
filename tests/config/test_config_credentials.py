"""Credentials in the file: each way of writing one, and what cannot be meant."""

from pathlib import Path

import pytest
from config_texts import provider

from proxy.config import credential_rules
from proxy.config.credential_models import CredentialModel
from proxy.config.credential_sources import credential_of
from proxy.config.load import parse
from proxy.core.settings import Credential
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

ROLE = "arn:aws:iam::1:role/r"
OAUTH = {"token_url": "https://id.test/t", "client_id": "me", "client_secret": "s"}
WAYS: list[tuple[object, CredentialSource | AwsKeys]] = [
    ({"file": "key"}, FileSource("/etc/undimmed/key")),
    ({"file": "/run/key"}, FileSource("/run/key")),
    ({"command": ["tool", "x"]}, CommandSource(("tool", "x"), 300.0)),
    ({"command": ["tool"], "every": "10m"}, CommandSource(("tool",), 600.0)),
    ({"oauth2": OAUTH}, OAuthSource("https://id.test/t", "me", "s")),
    (
        {"oauth2": {**OAUTH, "scope": "a b", "audience": "api", "auth": "basic"}},
        OAuthSource("https://id.test/t", "me", "s", "a b", "api", basic=True),
    ),
    ({"oauth2": {**OAUTH, "auth": "body"}}, OAuthSource("https://id.test/t", "me", "s")),
    ({"google": {"service_account": "sa.json"}}, GoogleFileSource("/etc/undimmed/sa.json")),
    ({"google": {"service_account": "sa.json", "scope": "x"}}, GoogleFileSource("/etc/undimmed/sa.json", "x")),
    ({"google": {"authorized_user": "/adc.json"}}, GoogleFileSource("/adc.json")),
    ({"google": {"metadata": True}}, GoogleMetadataSource()),
    ({"google": {"metadata": True, "scope": "x"}}, GoogleMetadataSource("x")),
    ({"entra": {"tenant": "t", "client_id": "c", "client_secret": "s"}}, EntraSource("t", "c", "s")),
    (
        {
            "entra": {
                "tenant": "t",
                "client_id": "c",
                "federated_token_file": "/f",
                "scope": "x",
                "authority": "https://a.test",
            }
        },
        EntraSource("t", "c", None, "/f", "x", "https://a.test"),
    ),
    ({"entra": {"managed_identity": True}}, EntraManagedSource()),
    ({"entra": {"managed_identity": True, "client_id": "c", "scope": "x"}}, EntraManagedSource("c", "x")),
    ({"aws": {"access_key": "A", "secret_key": "S"}}, AwsKeys("A", "S")),
    ({"aws": {"access_key": "A", "secret_key": "S", "session_token": "T"}}, AwsKeys("A", "S", "T")),
    ({"aws": {"profile": "p"}}, AwsProfileSource("p")),
    ({"aws": {"profile": "p", "region": "eu-west-1"}}, AwsProfileSource("p", "eu-west-1")),
    ({"aws": {"container": True}}, AwsContainerSource()),
    ({"aws": {"instance": True}}, AwsInstanceSource()),
    (
        {"aws": {"instance": True, "role_arn": ROLE, "external_id": "x", "session_name": "n", "region": "eu-west-1"}},
        AwsAssumeRoleSource(ROLE, AwsInstanceSource(), "eu-west-1", "n", "x"),
    ),
    (
        {"aws": {"access_key": "A", "secret_key": "S", "role_arn": ROLE, "sts_endpoint": "https://sts.test/"}},
        AwsAssumeRoleSource(ROLE, AwsKeys("A", "S"), endpoint="https://sts.test/"),
    ),
    (
        {"aws": {"web_identity_token_file": "/f", "role_arn": ROLE, "region": "eu-west-1"}},
        AwsWebIdentitySource(ROLE, "/f", "eu-west-1"),
    ),
]


@pytest.mark.parametrize(("written", "expected"), WAYS, ids=[str(written)[:60] for written, _ in WAYS])
def test_each_way_of_writing_one(written: object, expected: CredentialSource | AwsKeys) -> None:
    made = credential_of("p#1", CredentialModel.model_validate(written), Path("/etc/undimmed"))
    aws = expected if isinstance(expected, AwsKeys) else None
    source = None if isinstance(expected, AwsKeys) else expected
    assert made == Credential("p#1", None, aws, None, source)


def read(text: str, folder: Path | None = None, env: dict[str, str] | None = None) -> tuple[Credential, ...]:
    return parse(provider(f"kind: openai, credentials: {text}"), "f.yaml", env or {}, folder).providers["p"].credentials


@pytest.mark.parametrize("text", ["sk-1", "[sk-1]", "{key: sk-1}", "[{key: sk-1}]", "[{key: '${K}'}]"])
def test_a_key_alone(text: str) -> None:
    assert read(text, env={"K": "sk-1"}) == (Credential("p#1", "sk-1"),)


def test_empty_keys_are_left_out_and_the_others_numbered() -> None:
    made = read("['${K:-}', {key: '${K:-}'}, sk-1, {command: [tool]}]")
    assert made == (Credential("p#1", "sk-1"), Credential("p#2", source=CommandSource(("tool",))))


def test_paths_begin_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-1")
    assert read("[{file: key}]", tmp_path) == (Credential("p#1", source=FileSource(str(tmp_path / "key"))),)


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text("sk-1")
    assert read("[{file: ~/key}]") == (Credential("p#1", source=FileSource(str(tmp_path / "key"))),)


HERE = "providers.p.credentials[0]"
OAUTH_TEXT = "token_url: 'https://id.test/t', client_id: me, client_secret: s"
REFUSED = [
    ("[{}]", f"{HERE}: does not say where the credential comes from: one of key, file, command"),
    ("[{keys: k}]", f'{HERE}.keys: unknown key; did you mean "key"?'),
    ("[{key: k, command: [x]}]", f"{HERE}.command: a credential comes from one place, and key is given already"),
    ("[{key: k, every: 5m}]", f"{HERE}.every: has no effect without command"),
    ("[{command: []}]", f"{HERE}.command: must not be empty"),
    ("[{command: tool}]", f"{HERE}.command: expected a list"),
    ("[{command: [tool], every: soon}]", f"{HERE}.every: expected a duration"),
    ("[5]", f"{HERE}: expected text; put the number in quotes"),
    ("[{file: /no/such/file}]", f"{HERE}.file: /no/such/file cannot be read: no such file or directory"),
    ("[{file: /}]", f"{HERE}.file: / cannot be read: is a directory"),
    ("[{oauth2: {client_id: me, client_secret: s}}]", f"{HERE}.oauth2.token_url: is required"),
    (f"[{{oauth2: {{{OAUTH_TEXT}, auth: header}}}}]", f"{HERE}.oauth2.auth: unknown auth"),
    (f"[{{oauth2: {{{OAUTH_TEXT}, scpe: x}}}}]", f'{HERE}.oauth2.scpe: unknown key; did you mean "scope"?'),
    (
        "[{oauth2: {token_url: 'http://id.example.com/t', client_id: me, client_secret: s}}]",
        f"{HERE}.oauth2.token_url: would send the secret unencrypted; use https://",
    ),
    ("[{oauth2: {token_url: id, client_id: me, client_secret: s}}]", "must begin with https:// and a host"),
    ("[{oauth2: {token_url: 'https://[x', client_id: me, client_secret: s}}]", "token_url: is not a URL"),
    (
        "[{oauth2: {token_url: 'https://u:p@id.test/', client_id: me, client_secret: s}}]",
        "token_url: must not hold a user name or password",
    ),
    ("[{google: {}}]", f"{HERE}.google: needs one of service_account: /path, authorized_user: /path and metadata: true"),
    ("[{google: {metadata: false}}]", f"{HERE}.google: needs one of service_account"),
    (
        "[{google: {metadata: true, authorized_user: /dev/null}}]",
        f"{HERE}.google.metadata: cannot be used together with authorized_user",
    ),
    ("[{google: {authorized_user: /dev/null, scope: x}}]", f"{HERE}.google.scope: has no effect with authorized_user"),
    ("[{google: {service_account: /no/key}}]", f"{HERE}.google.service_account: /no/key cannot be read"),
    ("[{entra: {tenant: t, client_id: c}}]", f"{HERE}.entra: needs one of client_secret, federated_token_file and managed"),
    ("[{entra: {client_id: c, client_secret: s}}]", f"{HERE}.entra.tenant: is required"),
    ("[{entra: {tenant: t, client_secret: s}}]", f"{HERE}.entra.client_id: is required"),
    ("[{entra: {managed_identity: true, tenant: t}}]", f"{HERE}.entra.tenant: has no effect with managed_identity"),
    (
        "[{entra: {managed_identity: true, authority: 'https://x.test'}}]",
        f"{HERE}.entra.authority: has no effect with managed_identity",
    ),
    (
        "[{entra: {tenant: t, client_id: c, client_secret: s, managed_identity: true}}]",
        f"{HERE}.entra.managed_identity: cannot be used together with client_secret",
    ),
    (
        "[{entra: {tenant: t, client_id: c, client_secret: s, authority: 'http://login.example.com'}}]",
        f"{HERE}.entra.authority: would send the secret unencrypted",
    ),
    ("[{aws: {}}]", f"{HERE}.aws: needs access_key and secret_key, profile, container: true"),
    ("[{aws: {access_key: A}}]", f"{HERE}.aws.secret_key: is required with access_key"),
    ("[{aws: {profile: p, secret_key: S}}]", f"{HERE}.aws.secret_key: has no effect without access_key"),
    ("[{aws: {profile: p, session_token: T}}]", f"{HERE}.aws.session_token: has no effect without access_key"),
    ("[{aws: {profile: p, instance: true}}]", f"{HERE}.aws.instance: cannot be used together with profile"),
    ("[{aws: {profile: p, session_name: n}}]", f"{HERE}.aws.session_name: has no effect without role_arn"),
    ("[{aws: {instance: true, region: r}}]", f"{HERE}.aws.region: has no effect without role_arn or profile"),
    ("[{aws: {web_identity_token_file: /dev/null}}]", f"{HERE}.aws.role_arn: is required with web_identity_token_file"),
    (
        f"[{{aws: {{web_identity_token_file: /dev/null, role_arn: '{ROLE}', external_id: x}}}}]",
        f"{HERE}.aws.external_id: has no effect with web_identity_token_file",
    ),
    (
        "[{aws: {profile: p}}]",
        f"{HERE}.aws: kind openai sends a key or token and signs nothing, so AWS keys are of no use to it",
    ),
    ("[{command: [x]}, {command: [x]}]", "providers.p.credentials[1]: comes from the same place as another one"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=[expected[-60:] for _, expected in REFUSED])
def test_what_cannot_be_meant_is_refused(complain, text: str, expected: str) -> None:
    found = complain(provider(f"kind: openai, credentials: {text}"))
    assert any(expected in line for line in found), found


def test_keys_that_sign_are_for_kinds_that_sign(complain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential_rules, "SIGNING_KINDS", frozenset({"openai"}))
    assert complain(provider("kind: openai, credentials: [{aws: {profile: p}}]")) == []
    role = f"{{aws: {{instance: true, role_arn: '{ROLE}', external_id: x, region: r}}}}"
    assert complain(provider(f"kind: openai, credentials: [{role}]")) == []


def test_a_missing_package_is_named_with_its_extra(complain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = provider(f"kind: openai, credentials: [{{google: {{service_account: '{tmp_path / 'key.json'}'}}}}]")
    (tmp_path / "key.json").write_text("{}")
    assert complain(text) == []
    monkeypatch.setattr(credential_rules, "available", lambda: False)
    (found,) = complain(text)
    assert found.endswith('needs a package that is not installed: pip install "undimmed[google]"')


def test_tokens_are_not_sent_in_the_clear_either(complain) -> None:
    found = complain(provider("kind: custom, base_url: 'http://api.example.com/v1', credentials: [{command: [x]}]"))
    assert any("would send the credentials unencrypted" in line for line in found)


def test_secrets_are_never_repeated(complain) -> None:
    text = provider(
        "kind: openai, credentials: [{oauth2: {token_url: canary, client_id: [canary], client_secret: 5, auth: canary}}, "
        "{aws: {access_key: canary, session_token: canary}}, {key: [canary]}, {entra: {client_secret: canary, x: canary}}]"
    )
    found = complain(text)
    assert len(found) >= 5
    assert "canary" not in "\n".join(found)


def test_editors_are_told_both_forms() -> None:
    schema = CredentialModel.model_json_schema()
    assert [form.get("type", "object") for form in schema["anyOf"]] == ["string", "object"]
