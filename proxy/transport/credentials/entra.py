"""Tokens of Microsoft Entra: for an application (secret or workload identity), or for a managed identity."""

from urllib.parse import quote, urlencode

from proxy.core.sources import INSTANCE_METADATA, EntraManagedSource, EntraSource
from proxy.transport.credentials.oauth import form
from proxy.transport.credentials.surroundings import METADATA_LIMIT, Surroundings, TokenRequest
from proxy.wire.token_answers import Grant, read_token

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_METADATA_PATH = "/metadata/identity/oauth2/token"


async def fetch_entra(source: EntraSource, around: Surroundings) -> Grant:
    """A token for an application. The platform replaces the file of a workload identity, so it is read each time."""
    assertion = None
    if source.federated_token_file is not None:
        assertion = await around.text(source.federated_token_file)
    request = form(
        f"{source.authority.rstrip('/')}/{quote(source.tenant, safe='')}/oauth2/v2.0/token",
        ("client_id", source.client_id),
        ("scope", source.scope),
        ("grant_type", "client_credentials"),
        ("client_secret", source.client_secret),
        ("client_assertion_type", None if assertion is None else ASSERTION),
        ("client_assertion", assertion),
    )
    return await around.ask(request, read_token)


async def fetch_managed(source: EntraManagedSource, around: Surroundings) -> Grant:
    """A token for the machine, or for the App Service, which says in its environment where to ask."""
    endpoint, header = around.env.get("IDENTITY_ENDPOINT"), around.env.get("IDENTITY_HEADER")
    if source.endpoint == INSTANCE_METADATA and endpoint and header:
        url, version, proof = endpoint, "2019-08-01", ("x-identity-header", header)
    else:
        url, version, proof = source.endpoint.rstrip("/") + _METADATA_PATH, "2018-02-01", ("metadata", "true")
    query = {"api-version": version, "resource": source.scope.removesuffix("/.default")}
    if source.client_id is not None:
        query["client_id"] = source.client_id
    return await around.ask(TokenRequest("GET", f"{url}?{urlencode(query)}", (proof,), limit=METADATA_LIMIT), read_token)
