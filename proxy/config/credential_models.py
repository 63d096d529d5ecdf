"""The shape of one credential: a key as text, or a mapping that says where it comes from."""

from typing import Annotated

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, SecretStr, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core.core_schema import CoreSchema

from proxy.config.shapes import Section, Text, name_from
from proxy.config.units import Duration

_check_auth, _auth_schema = name_from(("body", "basic"), "auth")
AuthStyle = Annotated[str, AfterValidator(_check_auth), _auth_schema]


class OAuthModel(Section):
    """OAuth 2 client credentials."""

    token_url: Text = Field(description="The token endpoint.")
    client_id: Text = Field(description="Of this proxy at the issuer.")
    client_secret: SecretStr = Field(description="The secret of that client.")
    scope: Text | None = Field(default=None, description="What the token shall allow, separated by spaces.")
    audience: Text | None = Field(default=None, description="For whom the token shall be, where the issuer asks for it.")
    auth: AuthStyle | None = Field(default=None, description="Where id and secret go: body or basic. Default body.")


class GoogleModel(Section):
    """Tokens of Google's cloud. One of service_account, authorized_user and metadata."""

    service_account: Text | None = Field(default=None, description="Key file of a service account.")
    authorized_user: Text | None = Field(
        default=None, description="Key file of a person (gcloud auth application-default login)."
    )
    metadata: bool | None = Field(default=None, description="The service account of the machine or pod.")
    scope: Text | None = Field(default=None, description="What the token shall allow. Default cloud-platform.")


class EntraModel(Section):
    """Tokens of Microsoft Entra. One of client_secret, federated_token_file and managed_identity."""

    tenant: Text | None = Field(default=None, description="Directory id or domain.")
    client_id: Text | None = Field(default=None, description="Of the application, or of a user-assigned managed identity.")
    client_secret: SecretStr | None = Field(default=None, description="The secret of the application.")
    federated_token_file: Text | None = Field(default=None, description="Token file of a workload identity.")
    managed_identity: bool | None = Field(default=None, description="The identity of the machine or App Service.")
    scope: Text | None = Field(
        default=None, description="What the token shall be for. Default https://cognitiveservices.azure.com/.default."
    )
    authority: Text | None = Field(default=None, description="Default https://login.microsoftonline.com.")


class AwsModel(Section):
    """Keys of AWS, which sign requests. A role is taken on with them, where one is named."""

    access_key: Text | None = Field(default=None, description="Access key id, together with secret_key.")
    secret_key: SecretStr | None = Field(default=None, description="Secret access key.")
    session_token: SecretStr | None = Field(default=None, description="Of keys that expire.")
    profile: Text | None = Field(default=None, description="A profile of ~/.aws/credentials and ~/.aws/config.")
    container: bool | None = Field(default=None, description="The role of the ECS task or EKS pod.")
    instance: bool | None = Field(default=None, description="The role of the EC2 machine (IMDSv2).")
    web_identity_token_file: Text | None = Field(default=None, description="Token file of a workload, for role_arn.")
    role_arn: Text | None = Field(default=None, description="The role to take on.")
    session_name: Text | None = Field(default=None, description="Name of the role's session. Default undimmed.")
    external_id: SecretStr | None = Field(default=None, description="What the role's owner wants to be told.")
    region: Text | None = Field(default=None, description="Whose STS is asked for roles. Default us-east-1.")
    sts_endpoint: Text | None = Field(default=None, description="Another address of STS.")


class CredentialModel(Section):
    """A key as text, or one of these. Tokens are fetched ahead of their end; nothing waits for them."""

    key: SecretStr | None = Field(default=None, description="The key itself; the same as writing it alone.")
    file: Text | None = Field(default=None, description="A file that holds the key; read again when it changes.")
    command: Annotated[tuple[Text, ...], Field(min_length=1)] | None = Field(
        default=None, description="A program that prints the key, or JSON with a token and its end; no shell."
    )
    every: Duration | None = Field(default=None, description="How often to run command, where it names no end. Default 5m.")
    oauth2: OAuthModel | None = Field(default=None, description="OAuth 2 client credentials.")
    google: GoogleModel | None = Field(default=None, description="Tokens of Google's cloud.")
    entra: EntraModel | None = Field(default=None, description="Tokens of Microsoft Entra.")
    aws: AwsModel | None = Field(default=None, description="Keys of AWS.")

    @model_validator(mode="before")
    @classmethod
    def from_text(cls, value: object) -> object:
        """`sk-…` stands for `{key: sk-…}`."""
        return value if isinstance(value, dict) else {"key": value}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "description": "The key itself."}, handler(schema)]}

    @property
    def text(self) -> str:
        """The key where it is written; empty where it comes from elsewhere, or from a variable that is."""
        return self.key.get_secret_value() if self.key is not None else ""

    @property
    def empty(self) -> bool:
        """A key that came from an empty variable: as if it were not there."""
        return self.key is not None and not self.text
