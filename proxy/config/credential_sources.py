"""A credential of the file into the one of the running proxy: a key, or the source of keys."""

from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from proxy.config.credential_models import AwsModel, CredentialModel, EntraModel, GoogleModel, OAuthModel
from proxy.core.settings import Credential
from proxy.core.sources import (
    AwsAssumeRoleSource,
    AwsBaseSource,
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


def credential_of(identity: str, model: CredentialModel, folder: Path) -> Credential:
    """The credential that a model without problems stands for. Paths in it are relative to `folder`."""
    if model.aws is not None:
        found = _aws(model.aws, folder)
        return Credential(identity, aws=found) if isinstance(found, AwsKeys) else Credential(identity, source=found)
    source = _source(model, folder)
    return Credential(identity, model.text) if source is None else Credential(identity, source=source)


def place(path: str, folder: Path) -> Path:
    """Where a file of the configuration lies."""
    return folder / Path(path).expanduser()


def _source(model: CredentialModel, folder: Path) -> CredentialSource | None:
    if model.file is not None:
        return FileSource(str(place(model.file, folder)))
    if model.command is not None:
        bare = CommandSource(model.command)
        return bare if model.every is None else replace(bare, every=model.every)
    if model.oauth2 is not None:
        return _oauth(model.oauth2)
    if model.google is not None:
        return _google(model.google, folder)
    return _entra(model.entra, folder) if model.entra is not None else None


def _oauth(model: OAuthModel) -> OAuthSource:
    return OAuthSource(
        token_url=model.token_url,
        client_id=model.client_id,
        client_secret=model.client_secret.get_secret_value(),
        scope=model.scope,
        audience=model.audience,
        basic=model.auth == "basic",
    )


def _google(model: GoogleModel, folder: Path) -> GoogleFileSource | GoogleMetadataSource:
    path = model.service_account or model.authorized_user
    if path is None:
        return GoogleMetadataSource(model.scope)
    bare = GoogleFileSource(str(place(path, folder)))
    return bare if model.scope is None else replace(bare, scope=model.scope)


def _entra(model: EntraModel, folder: Path) -> EntraSource | EntraManagedSource:
    scope = {} if model.scope is None else {"scope": model.scope}
    if model.managed_identity:
        return EntraManagedSource(model.client_id, **scope)
    authority = {} if model.authority is None else {"authority": model.authority}
    return EntraSource(
        tenant=model.tenant or "",
        client_id=model.client_id or "",
        client_secret=_open(model.client_secret),
        federated_token_file=_place(model.federated_token_file, folder),
        **scope,
        **authority,
    )


def _aws(model: AwsModel, folder: Path) -> AwsKeys | AwsBaseSource | AwsAssumeRoleSource:
    region = {} if model.region is None else {"region": model.region}
    name = {} if model.session_name is None else {"session_name": model.session_name}
    if model.role_arn is not None and model.web_identity_token_file is not None:
        path = str(place(model.web_identity_token_file, folder))
        return AwsWebIdentitySource(model.role_arn, path, endpoint=model.sts_endpoint, **region, **name)
    base = _aws_base(model, region)
    if model.role_arn is None:
        return base
    external, endpoint = _open(model.external_id), model.sts_endpoint
    return AwsAssumeRoleSource(model.role_arn, base, external_id=external, endpoint=endpoint, **region, **name)


def _aws_base(model: AwsModel, region: dict[str, str]) -> AwsKeys | AwsBaseSource:
    if model.profile is not None:
        return AwsProfileSource(model.profile, **region)
    if model.container:
        return AwsContainerSource()
    if model.instance:
        return AwsInstanceSource()
    return AwsKeys(model.access_key or "", _open(model.secret_key) or "", _open(model.session_token))


def _open(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _place(path: str | None, folder: Path) -> str | None:
    return None if path is None else str(place(path, folder))
