"""Where a credential that does not last comes from: one frozen value per kind of source.

Only what has to be known to fetch a token; how is written in `transport/credentials`, one file per family. Two credentials
with equal sources are the same one, so a reload that leaves a source alone leaves its token alone, too. Secrets stay out
of every repr. Endpoints default to the vendor's own and can be put elsewhere, which private clouds need and tests use.
"""

from dataclasses import dataclass, field

GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GOOGLE_METADATA = "http://metadata.google.internal"
ENTRA_AUTHORITY = "https://login.microsoftonline.com"
#: Azure OpenAI's classic and v1 surface; other Foundry models want `https://ai.azure.com/.default`.
ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"
#: Link-local addresses of the machine's own cloud: Azure and AWS answer on the same one.
INSTANCE_METADATA = "http://169.254.169.254"
AWS_CONTAINER = "http://169.254.170.2"


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """What signs a request to AWS. `session_token` comes with keys that expire."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FileSource:
    """The secret is the text of a file, read again when the file changes."""

    path: str


@dataclass(frozen=True, slots=True)
class CommandSource:
    """The secret is printed by a program, bare or as JSON. `every`: seconds between runs where it names no expiry. What it
    is called with may be secret, too."""

    argv: tuple[str, ...] = field(repr=False)
    every: float = 300.0


@dataclass(frozen=True, slots=True)
class OAuthSource:
    """OAuth 2 client credentials (RFC 6749 section 4.4). `basic`: client id and secret go into the Authorization header
    instead of the form."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str | None = None
    audience: str | None = None
    basic: bool = False


@dataclass(frozen=True, slots=True)
class GoogleFileSource:
    """A key file of Google: a service account's, or the application default credentials of a person; the file says which.
    `token_url` replaces the one that the file names."""

    path: str
    scope: str = GOOGLE_SCOPE
    token_url: str | None = None


@dataclass(frozen=True, slots=True)
class GoogleMetadataSource:
    """The metadata server of a machine or pod in Google's cloud."""

    scope: str | None = None
    endpoint: str = GOOGLE_METADATA


@dataclass(frozen=True, slots=True)
class EntraSource:
    """An application in Microsoft Entra: with a client secret, or with the token that a workload identity finds in a file
    (read again for each request)."""

    tenant: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    federated_token_file: str | None = None
    scope: str = ENTRA_SCOPE
    authority: str = ENTRA_AUTHORITY


@dataclass(frozen=True, slots=True)
class EntraManagedSource:
    """The managed identity of an Azure machine, or of an App Service where the environment names one. `client_id` picks a
    user-assigned identity."""

    client_id: str | None = None
    scope: str = ENTRA_SCOPE
    endpoint: str = INSTANCE_METADATA


@dataclass(frozen=True, slots=True)
class AwsProfileSource:
    """A profile of AWS's shared files. The paths come from the environment, else they are the usual ones."""

    profile: str = "default"
    region: str = "us-east-1"
    credentials_file: str | None = None
    config_file: str | None = None


@dataclass(frozen=True, slots=True)
class AwsContainerSource:
    """The credentials endpoint of ECS tasks and of EKS pod identity. None: the environment names it."""

    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class AwsInstanceSource:
    """The instance metadata of an EC2 machine, version 2 only."""

    endpoint: str = INSTANCE_METADATA


@dataclass(frozen=True, slots=True)
class AwsWebIdentitySource:
    """A role taken on with an identity token from a file (read again for each request). `endpoint`: of STS."""

    role_arn: str
    token_file: str
    region: str = "us-east-1"
    session_name: str = "undimmed"
    endpoint: str | None = None


AwsBaseSource = AwsProfileSource | AwsContainerSource | AwsInstanceSource | AwsWebIdentitySource | CommandSource


@dataclass(frozen=True, slots=True)
class AwsAssumeRoleSource:
    """A role taken on with other AWS credentials. `endpoint`: of STS."""

    role_arn: str
    via: "AwsKeys | AwsBaseSource | AwsAssumeRoleSource"
    region: str = "us-east-1"
    session_name: str = "undimmed"
    external_id: str | None = field(default=None, repr=False)
    endpoint: str | None = None


CredentialSource = (
    FileSource
    | CommandSource
    | OAuthSource
    | GoogleFileSource
    | GoogleMetadataSource
    | EntraSource
    | EntraManagedSource
    | AwsBaseSource
    | AwsAssumeRoleSource
)

#: Sources of access tokens, as opposed to keys: vendors with a header of their own for keys want these as Bearer.
TOKEN_SOURCES = (OAuthSource, GoogleFileSource, GoogleMetadataSource, EntraSource, EntraManagedSource)
