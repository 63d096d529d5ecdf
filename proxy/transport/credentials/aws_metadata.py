"""AWS keys of the place we run in: the endpoint of a container, or the metadata of a machine (version 2 only)."""

from urllib.parse import quote, urlsplit

from proxy.core.sources import AWS_CONTAINER, AwsContainerSource, AwsInstanceSource
from proxy.transport.credentials.surroundings import METADATA_LIMIT, Surroundings, TokenRequest, denied
from proxy.wire.aws_answers import read_metadata
from proxy.wire.token_answers import Grant, is_token

#: Without TLS only these may be asked (ECS, and EKS pod identity): the answer is a secret.
_PLAIN_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
_SESSION_SECONDS = "21600"
_ROLES = "/latest/meta-data/iam/security-credentials/"


async def fetch_container(source: AwsContainerSource, around: Surroundings) -> Grant:
    """Where the environment says. What proves who we are may change, so its file is read each time."""
    env = around.env
    url = source.endpoint or env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if not url:
        url = AWS_CONTAINER + around.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _PLAIN_HOSTS:
        raise denied(f"{parts.hostname} would send AWS keys unencrypted", final=True)
    proof = env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
    if env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        proof = await around.text(env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
    headers = (("authorization", proof),) if is_token(proof.replace(" ", "")) else ()
    return await around.ask(TokenRequest("GET", url, headers, limit=METADATA_LIMIT), read_metadata)


async def fetch_instance(source: AwsInstanceSource, around: Surroundings) -> Grant:
    """A session, the machine's role, the role's keys. A machine without a role has no answer to the second."""
    place = source.endpoint.rstrip("/")
    ttl = ("x-aws-ec2-metadata-token-ttl-seconds", _SESSION_SECONDS)
    session = await _text(TokenRequest("PUT", f"{place}/latest/api/token", (ttl,), limit=METADATA_LIMIT), around)
    proof = (("x-aws-ec2-metadata-token", session),)
    role = await _text(TokenRequest("GET", place + _ROLES, proof, limit=METADATA_LIMIT), around)
    request = TokenRequest("GET", place + _ROLES + quote(role, safe=""), proof, limit=METADATA_LIMIT)
    return await around.ask(request, read_metadata)


async def _text(request: TokenRequest, around: Surroundings) -> str:
    """The first line of an answer."""
    response = await around.answer(request)
    if response.status != 200:
        raise denied(f"{request.issuer} answered {response.status}")
    first = response.body.decode("utf-8", "replace").strip().partition("\n")[0].strip()
    if not is_token(first):
        raise denied(f"{request.issuer} answered something that is neither a session nor a role")
    return first
