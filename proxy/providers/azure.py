"""Azure OpenAI (Foundry): OpenAI's format at addresses of Azure's own.

Theory of operation. Everything but addresses and keys is `openai.py`'s. There are two styles of addresses: the *v1* ones,
`/openai/v1/…`, which are OpenAI's with another root; and the *classic* ones, `/openai/deployments/NAME/…?api-version=DATE`,
which name the deployment in the path. A configured `api_version` chooses the classic style. A target's model is the name
of a deployment in both. A key goes into `api-key`, a token of Entra into `Authorization`; never both.

Only v1 has the Responses API; at classic addresses its clients are served through chat. Source: Azure's documentation and
OpenAI's SDK for it.
"""

from urllib.parse import quote

from proxy.core.endpoints import Endpoint
from proxy.core.settings import Credential, Provider
from proxy.providers import heads
from proxy.providers.openai import FOREIGN, PATHS, OpenAIKind

_V1 = "/openai/v1"


class AzureKind(OpenAIKind):
    """A provider of kind `azure`; implements `ProviderKind`."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider)
        heads.write_headers(provider, heads.OWN_HEADERS | {"api-key"})  # for its check
        # People write the resource's address, with or without what stands behind it in the portal.
        root = provider.origin.prefix.removesuffix("/v1").removesuffix("/openai")
        self._root = root
        self._version = provider.api_version
        self._paths = {endpoint: f"{root}{_V1}{path}" for endpoint, path in PATHS.items()}
        if self._version:
            self._translated = FOREIGN

    def __repr__(self) -> str:
        style = self._version or "v1"
        return f"<AzureKind {self._provider.name} ({style}) at {self._provider.origin.authority}>"

    def _place(self, endpoint: Endpoint, model: str) -> str:
        if not self._version:
            return self._paths[endpoint]
        deployment = quote(model, safe="")
        return f"{self._root}/openai/deployments/{deployment}{PATHS[endpoint]}?api-version={self._version}"

    def _locate(self, path: str) -> str:
        if path.startswith("/"):
            return path
        return f"{self._root}/openai/{path}?api-version={self._version}" if self._version else f"{self._root}{_V1}/{path}"

    def _authorize(self, credential: Credential) -> str:
        if credential.bearer or not credential.secret:
            return super()._authorize(credential)
        return f"api-key: {credential.secret}\r\n"
