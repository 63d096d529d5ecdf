"""Where AWS keeps credentials: answers of STS and of the metadata services, and the two shared files.

STS answers XML or JSON, as it is asked and as the stand-ins of test clouds see fit; four elements matter, so no XML parser
is let near it. The shared files (`~/.aws/credentials`, `~/.aws/config`) are read as the AWS command line reads them, as far
as proxies need it; a profile that leads to other credentials becomes the source that says so.

Never raises, whatever the bytes. Errors are told by their code alone.
"""

import configparser
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape

from proxy.core.exchange import HeaderList
from proxy.core.sources import (
    AwsAssumeRoleSource,
    AwsBaseSource,
    AwsContainerSource,
    AwsInstanceSource,
    AwsKeys,
    AwsWebIdentitySource,
    CommandSource,
)
from proxy.wire.delays import retry_after
from proxy.wire.token_answers import UNREADABLE, Denial, Verdict, aws_grant, is_token, read_object
from proxy.wire.trouble import Trouble

#: Profiles that lead to each other, at most.
MAX_CHAIN = 5
_DEPTH = 5
_ELEMENT = re.compile(r"<(AccessKeyId|SecretAccessKey|SessionToken|Expiration|Code)>\s*([^<]{1,65536}?)\s*</\1>")
_CODE = re.compile(r"[A-Za-z]{1,64}")
#: STS asks to be asked again.
_PASSING = frozenset({"IDPCommunicationError", "Throttling", "ThrottlingException", "InternalFailure", "ServiceUnavailable"})

Found = AwsKeys | AwsBaseSource | AwsAssumeRoleSource


def read_sts(status: int, headers: HeaderList, body: bytes, asked: float) -> Verdict:
    """The answer to AssumeRole or AssumeRoleWithWebIdentity."""
    fields = _sts_fields(body)
    if 200 <= status < 300:
        return aws_grant(fields, asked)
    return _refusal(status, headers, fields.get("Code"))


def read_metadata(status: int, headers: HeaderList, body: bytes, asked: float) -> Verdict:
    """The answer of the instance metadata or of a container's endpoint. An error may come with status 200."""
    fields = read_object(body) or {}
    code = fields.get("Code")
    if 200 <= status < 300 and code in (None, "Success"):
        return aws_grant(fields, asked) if fields else UNREADABLE
    return _refusal(status, headers, fields.get("code", code))


def _refusal(status: int, headers: HeaderList, code: object) -> Denial:
    hint = retry_after(headers, Trouble())
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return Denial(f"answered {status}", status in (401, 403), hint)
    final = 400 <= status < 500 and status != 429 and code not in _PASSING
    return Denial(f"refused with {code}" if final else f"answered {status} with {code}", final, hint)


def _sts_fields(body: bytes) -> Mapping[str, object]:
    value = read_object(body)
    if value is not None:
        return _inner(value, _DEPTH) or {}
    text = body.decode("utf-8", "replace")
    return {name: unescape(content) for name, content in _ELEMENT.findall(text)}


def _inner(value: Mapping[str, object], depth: int) -> Mapping[str, object] | None:
    """The object with keys or with an error's code, wherever STS has put it."""
    if "AccessKeyId" in value or "Code" in value:
        return value
    inside = (_inner(item, depth - 1) for item in value.values() if isinstance(item, dict)) if depth else iter(())
    return next((found for found in inside if found is not None), None)


@dataclass(frozen=True, slots=True)
class SharedFiles:
    """The texts of the two files; empty where there is none. `region` for what names none."""

    credentials: str
    config: str
    region: str

    def find(self, profile: str) -> Found | Denial:
        """Where the credentials of a profile come from."""
        try:
            return self._resolve(profile, MAX_CHAIN)
        except configparser.Error:
            return Denial("is not in the format of AWS's files", final=True)

    def _fields(self, profile: str) -> dict[str, str]:
        fields: dict[str, str] = {}
        for text, section in (
            (self.config, profile if profile == "default" else f"profile {profile}"),
            (self.credentials, profile),
        ):
            parser = configparser.RawConfigParser(strict=False)
            parser.read_string(text)
            if parser.has_section(section):
                fields.update(parser.items(section))
        return fields

    def _resolve(self, profile: str, steps: int) -> Found | Denial:
        fields = self._fields(profile)
        if not fields:
            return Denial(f"has no profile {profile}", final=True)
        if "role_arn" in fields:
            return self._role(profile, fields, steps)
        keys = _keys(fields)
        if keys is not None:
            return keys
        if fields.get("credential_process"):
            return _process(fields["credential_process"])
        if any(name.startswith("sso_") for name in fields):
            return Denial(
                f"has a profile {profile} that signs in with SSO; "
                f"use command: [aws, configure, export-credentials, --profile, {profile}]",
                final=True,
            )
        return Denial(f"has no keys in profile {profile}", final=True)

    def _role(self, profile: str, fields: Mapping[str, str], steps: int) -> Found | Denial:
        region, session = fields.get("region", self.region), fields.get("role_session_name", "undimmed")
        if fields.get("web_identity_token_file"):
            return AwsWebIdentitySource(fields["role_arn"], fields["web_identity_token_file"], region, session)
        via = self._base(profile, fields, steps)
        if isinstance(via, Denial):
            return via
        return AwsAssumeRoleSource(fields["role_arn"], via, region, session, fields.get("external_id"))

    def _base(self, profile: str, fields: Mapping[str, str], steps: int) -> Found | Denial:
        """The credentials with which the profile's role is taken on."""
        kind = fields.get("credential_source")
        if kind == "EcsContainer":
            return AwsContainerSource()
        if kind == "Ec2InstanceMetadata":
            return AwsInstanceSource()
        source = fields.get("source_profile")
        if source == profile:
            return _keys(fields) or Denial(f"has no keys in profile {profile}", final=True)
        if source is None or not steps:
            return Denial(f"has a role in profile {profile} but no way to it (source_profile)", final=True)
        return self._resolve(source, steps - 1)


def _keys(fields: Mapping[str, str]) -> AwsKeys | None:
    access, secret = fields.get("aws_access_key_id", ""), fields.get("aws_secret_access_key", "")
    session = fields.get("aws_session_token") or None
    sound = all(is_token(text) for text in (access, secret, session) if text is not None)
    return AwsKeys(access, secret, session) if sound else None


def _process(line: str) -> CommandSource | Denial:
    try:
        return CommandSource(tuple(shlex.split(line)))
    except ValueError:
        return Denial("has a credential_process that cannot be read", final=True)
