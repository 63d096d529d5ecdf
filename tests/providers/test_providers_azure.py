"""Azure's addresses and keys; all else is OpenAI's and tested there."""

import pytest

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.errors import ConfigError
from proxy.core.exchange import UpstreamRequest
from proxy.core.features import Fate, Feature
from proxy.core.settings import Credential, Origin, Provider, Target
from proxy.core.sources import EntraSource
from proxy.providers.azure import AzureKind
from proxy.wire.formats import FORMATS

KEY = Credential("azure#1", "key-12345678")
TOKEN = Credential("azure#2", "eyJ.token", source=EntraSource("tenant", "client", "secret"))
TARGET = Target("azure", "my gpt/5")
BODIES = {
    Endpoint.CHAT: b'{"model":"public","messages":[{"role":"user","content":"hi"}]}',
    Endpoint.RESPONSES: b'{"model":"public","input":"hi"}',
    Endpoint.MESSAGES: b'{"model":"public","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}',
}


def bind(prefix: str = "", version: str = "", headers: dict[str, str] | None = None) -> AzureKind:
    origin = Origin("https", "acme.openai.azure.com", 443, prefix)
    return AzureKind(Provider("azure", "azure", "azure", origin, (KEY,), headers or {}, api_version=version))


def send(kind: AzureKind, endpoint: Endpoint = Endpoint.CHAT, credential: Credential = KEY) -> UpstreamRequest:
    envelope = FORMATS[endpoint].read_envelope(BODIES[endpoint], endpoint)
    return kind.request(Call("id", endpoint, envelope, {}), TARGET, credential)


def path_of(request: UpstreamRequest) -> str:
    return request.head.split(b" ", 2)[1].decode()


@pytest.mark.parametrize("prefix", ["", "/openai", "/openai/v1"])
def test_the_v1_addresses(prefix: str) -> None:
    kind = bind(prefix)
    request = send(kind)
    assert path_of(request) == "/openai/v1/chat/completions"
    assert b'"model":"my gpt/5"' in request.body
    assert path_of(send(kind, Endpoint.RESPONSES)) == "/openai/v1/responses"
    assert path_of(send(kind, Endpoint.MESSAGES)) == "/openai/v1/chat/completions"
    probe = kind.free_probe(KEY)
    assert probe is not None
    assert path_of(probe) == "/openai/v1/models"


def test_the_classic_addresses_name_the_deployment() -> None:
    kind = bind(version="2024-10-21")
    place = "/openai/deployments/my%20gpt%2F5/chat/completions?api-version=2024-10-21"
    assert path_of(send(kind)) == place
    assert path_of(kind.completion_probe(TARGET, Endpoint.CHAT, KEY)) == place
    # No deployment has the Responses API there: its clients get it through chat.
    assert path_of(send(kind, Endpoint.RESPONSES)) == place
    assert kind.fate(Endpoint.RESPONSES, Feature.STATE) is Fate.REFUSED
    assert bind().fate(Endpoint.RESPONSES, Feature.STATE) is Fate.CARRIED
    probe = kind.free_probe(KEY)
    assert probe is not None
    assert path_of(probe) == "/openai/models?api-version=2024-10-21"


def test_a_key_and_a_token_never_go_together() -> None:
    kind = bind()
    assert b"api-key: key-12345678\r\n" in send(kind).head
    assert b"authorization" not in send(kind).head
    assert b"authorization: Bearer eyJ.token\r\n" in send(kind, credential=TOKEN).head
    assert b"api-key" not in send(kind, credential=TOKEN).head
    nobody = send(kind, credential=Credential("azure#0")).head
    assert b"api-key" not in nobody
    assert b"authorization" not in nobody


def test_the_key_is_no_header_to_configure() -> None:
    with pytest.raises(ConfigError, match="api-key"):
        bind(headers={"api-key": "x"})


def test_its_state_line_names_the_style() -> None:
    assert repr(bind()) == "<AzureKind azure (v1) at acme.openai.azure.com>"
    assert "2024-10-21" in repr(bind(version="2024-10-21"))


def test_heads_of_models_that_clients_name_are_bounded() -> None:
    kind = bind(version="2024-10-21")
    for number in range(3000):
        kind.completion_probe(Target("azure", f"m{number}"), Endpoint.CHAT, KEY)
    assert len(kind._heads) <= 1024
