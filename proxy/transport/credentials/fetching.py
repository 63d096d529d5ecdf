"""From a source to a token: one line per kind of source.

Sources may lead to other sources (a role is taken on with the keys of a profile, which names a program), so the kinds of
AWS come together here. How deep they may lead is bounded by the configuration's shape and by the profiles' own limit.
"""

import asyncio

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
from proxy.transport.credentials.aws_metadata import fetch_container, fetch_instance
from proxy.transport.credentials.aws_roles import find_profile, request_role, request_web_identity
from proxy.transport.credentials.entra import fetch_entra, fetch_managed
from proxy.transport.credentials.google import fetch_google_file, fetch_google_metadata
from proxy.transport.credentials.local import fetch_command, fetch_file
from proxy.transport.credentials.oauth import fetch_oauth
from proxy.transport.credentials.surroundings import Surroundings, denied
from proxy.wire.aws_answers import Found, read_sts
from proxy.wire.token_answers import Grant

#: Seconds for everything that one fetch does.
OVERALL_LIMIT = 45.0
#: Seconds between looks at a profile that holds keys.
PROFILE_EVERY = 30.0

AwsSource = AwsProfileSource | AwsContainerSource | AwsInstanceSource | AwsWebIdentitySource | AwsAssumeRoleSource


async def fetch(source: CredentialSource, around: Surroundings) -> Grant:
    """A token by this source, or Denied, within `OVERALL_LIMIT` seconds."""
    try:
        async with asyncio.timeout(OVERALL_LIMIT):
            return await _fetch(source, around)
    except TimeoutError:
        raise denied(f"no token within {OVERALL_LIMIT:g} s") from None


async def _fetch(source: CredentialSource, around: Surroundings) -> Grant:
    match source:
        case FileSource():
            return await fetch_file(source, around)
        case CommandSource():
            return await fetch_command(source, around)
        case OAuthSource():
            return await fetch_oauth(source, around)
        case GoogleFileSource():
            return await fetch_google_file(source, around)
        case GoogleMetadataSource():
            return await fetch_google_metadata(source, around)
        case EntraSource():
            return await fetch_entra(source, around)
        case EntraManagedSource():
            return await fetch_managed(source, around)
        case _:
            return await _fetch_aws(source, around)


async def _fetch_aws(source: AwsSource, around: Surroundings) -> Grant:
    match source:
        case AwsProfileSource():
            return await _follow(await find_profile(source, around), around)
        case AwsContainerSource():
            return await fetch_container(source, around)
        case AwsInstanceSource():
            return await fetch_instance(source, around)
        case AwsWebIdentitySource():
            token = await around.text(source.token_file)
            return await around.ask(request_web_identity(source, token), read_sts)
        case AwsAssumeRoleSource():
            base = await _follow(source.via, around)
            if base.aws is None:
                raise denied("what should give AWS keys gave a token", final=True)
            return await around.ask(request_role(source, base.aws, around.wall()), read_sts)


async def _follow(found: Found, around: Surroundings) -> Grant:
    """Keys as they are, or those of the source that was found in their place."""
    if isinstance(found, AwsKeys):
        return Grant(aws=found, renew_in=PROFILE_EVERY)
    return await _fetch(found, around)
