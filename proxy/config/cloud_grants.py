"""Credentials that clouds leave in the environment, other than a key: which variables, and what one would write for them.

One line per way; the first of a preset whose variables are all set is taken. Secrets are named, never copied: what is
written refers to the variables. The variables are those of the vendors' own SDKs and command lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """`needs`: variables that must be set. `credential`: an item of `credentials:` as YAML; `besides`: further keys of the
    provider."""

    preset: str
    needs: tuple[str, ...]
    credential: str
    besides: str = ""


GRANTS = (
    Grant(
        "azure",
        ("AZURE_OPENAI_ENDPOINT", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"),
        '{entra: {tenant: "${AZURE_TENANT_ID}", client_id: "${AZURE_CLIENT_ID}", client_secret: "${AZURE_CLIENT_SECRET}"}}',
        'base_url: "${AZURE_OPENAI_ENDPOINT}"',
    ),
    Grant(
        "azure",
        ("AZURE_OPENAI_ENDPOINT", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"),
        '{entra: {tenant: "${AZURE_TENANT_ID}", client_id: "${AZURE_CLIENT_ID}", '
        'federated_token_file: "${AZURE_FEDERATED_TOKEN_FILE}"}}',
        'base_url: "${AZURE_OPENAI_ENDPOINT}"',
    ),
    Grant(
        "vertex",
        ("GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"),
        '{google: {service_account: "${GOOGLE_APPLICATION_CREDENTIALS}"}}',
        'project: "${GOOGLE_CLOUD_PROJECT}"',
    ),
    Grant(
        "bedrock",
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        '{aws: {access_key: "${AWS_ACCESS_KEY_ID}", secret_key: "${AWS_SECRET_ACCESS_KEY}", '
        'session_token: "${AWS_SESSION_TOKEN}"}}',
    ),
    Grant(
        "bedrock",
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        '{aws: {access_key: "${AWS_ACCESS_KEY_ID}", secret_key: "${AWS_SECRET_ACCESS_KEY}"}}',
    ),
    Grant(
        "bedrock",
        ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        '{aws: {role_arn: "${AWS_ROLE_ARN}", web_identity_token_file: "${AWS_WEB_IDENTITY_TOKEN_FILE}"}}',
    ),
    Grant("bedrock", ("AWS_PROFILE",), '{aws: {profile: "${AWS_PROFILE}"}}'),
)


def find_grant(preset: str, env: Mapping[str, str]) -> Grant | None:
    """The way into this cloud that the environment offers."""
    ways = (grant for grant in GRANTS if grant.preset == preset)
    return next((grant for grant in ways if all(env.get(name) for name in grant.needs)), None)
