"""Roles of AWS: taken on at STS, with other keys or with the identity token of a workload; and profiles that name them."""

import hashlib
from urllib.parse import urlencode, urlsplit

from proxy.core.sources import AwsAssumeRoleSource, AwsKeys, AwsProfileSource, AwsWebIdentitySource
from proxy.transport.credentials.oauth import FORM
from proxy.transport.credentials.surroundings import Denied, Surroundings, TokenRequest, denied
from proxy.wire.aws_answers import Found, SharedFiles
from proxy.wire.sigv4 import Message, Scope, sign
from proxy.wire.token_answers import Denial

VERSION = "2011-06-15"
_JSON = ("accept", "application/json")


def sts_request(endpoint: str | None, region: str, fields: dict[str, str]) -> TokenRequest:
    """An unsigned request to STS."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    url = endpoint or f"https://sts.{region}.{suffix}/"
    return TokenRequest("POST", url, (FORM, _JSON), urlencode({"Version": VERSION, **fields}).encode())


def request_role(source: AwsAssumeRoleSource, keys: AwsKeys, wall: float) -> TokenRequest:
    """AssumeRole, signed now."""
    fields = {"Action": "AssumeRole", "RoleArn": source.role_arn, "RoleSessionName": source.session_name}
    if source.external_id is not None:
        fields["ExternalId"] = source.external_id
    request = sts_request(source.endpoint, source.region, fields)
    parts = urlsplit(request.url)
    host = ("host", request.issuer)
    message = Message("POST", parts.path or "/", (host, FORM), hashlib.sha256(request.body).hexdigest())
    proof = sign(message, keys, Scope(source.region, "sts"), wall)
    return TokenRequest("POST", request.url, (*request.headers, host, *proof), request.body)


def request_web_identity(source: AwsWebIdentitySource, token: str) -> TokenRequest:
    """AssumeRoleWithWebIdentity, which the token itself vouches for."""
    fields = {
        "Action": "AssumeRoleWithWebIdentity",
        "RoleArn": source.role_arn,
        "RoleSessionName": source.session_name,
        "WebIdentityToken": token,
    }
    return sts_request(source.endpoint, source.region, fields)


async def find_profile(source: AwsProfileSource, around: Surroundings) -> Found:
    """What a profile comes to. Raises Denied. One of the two files may be missing."""
    home, env = around.env.get("HOME", "~"), around.env
    paths = (
        source.credentials_file or env.get("AWS_SHARED_CREDENTIALS_FILE") or f"{home}/.aws/credentials",
        source.config_file or env.get("AWS_CONFIG_FILE") or f"{home}/.aws/config",
    )
    texts, troubles = [], []
    for path in paths:
        try:
            texts.append(await around.text(path))
        except Denied as error:
            texts.append("")
            troubles.append(error.denial.text)
    if len(troubles) == len(paths):
        raise denied("; ".join(troubles))
    found = SharedFiles(texts[0], texts[1], source.region).find(source.profile)
    if isinstance(found, Denial):
        raise Denied(Denial(f"{paths[0]} {found.text}", found.final))
    return found
