"""AWS Bedrock: any client of a chat by way of Converse, Claude's own clients and embeddings by way of InvokeModel.

Nobody speaks Converse to this proxy, so requests are written anew and answers back (`providers/translating.py`). Only
clients of Anthropic's format that ask for Claude get its own bytes: InvokeModel takes that format as it is, in an envelope.
A provider is one region of one account. Its keys are either Bedrock's own, sent as they are, or AWS's, which sign the exact
bytes of a request at the moment it is sent: so a signed request carries a function instead of a header. Model ids,
inference profiles and ARNs are one percent-encoded part of the path.

Invariants: only what AWS's signature covers and what no proxy on the way rewrites is signed; the destination and the keys
come from the configuration alone. Sources: the service model of botocore, AWS's user guide.
"""

import hashlib
import re
from collections.abc import Callable
from urllib.parse import quote

import msgspec

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.errors import ConfigError, ConfigProblem
from proxy.core.exchange import HeaderList, UpstreamRequest
from proxy.core.features import Fate, Feature
from proxy.core.outcome import Outcome
from proxy.core.settings import Credential, Provider, Target
from proxy.core.sources import AwsKeys
from proxy.providers import translating
from proxy.providers.heads import forward_headers, hide_secrets, write_headers
from proxy.providers.messages import to_bedrock_body, write_continuation
from proxy.wire.anthropic.answer import read_message
from proxy.wire.anthropic.relay import MessagesReader
from proxy.wire.cohere import embeddings as cohere
from proxy.wire.converse.format import CLAUDE_FORMAT, CONVERSE_FORMAT
from proxy.wire.dialects import CLIENTS
from proxy.wire.failures import classify
from proxy.wire.invoke import InvokeReader
from proxy.wire.openai_chat import ChatStreamReader
from proxy.wire.reading import Answer, StreamReader
from proxy.wire.sigv4 import Message, Scope, sign
from proxy.wire.titan import read_embedding, write_embedding
from proxy.wire.translation import VendorFormat

SERVICE = "bedrock"

#: Whoever's format can be translated is served.
TRANSLATED = frozenset(CLIENTS)

_QUESTION = msgspec.json.encode(
    {"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"maxTokens": 1}}
)
_TITAN_QUESTION = b'{"inputText":"hi"}'
_COHERE_QUESTION = b'{"texts":["hi"],"input_type":"search_document"}'
_JSON, _EVENTS = "application/json", "application/vnd.amazon.eventstream"
_HOST = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
_COUNT = b"x-amzn-bedrock-input-token-count"


class BedrockKind:
    """A provider of kind `bedrock`; implements `ProviderKind`. Raises ConfigError for what cannot be put into a head, and
    where requests have to be signed for a region that nobody named."""

    endpoints = TRANSLATED | {Endpoint.EMBEDDINGS}

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._fixed = write_headers(provider)
        self._region = _find_region(provider)

    def __repr__(self) -> str:
        return f"<BedrockKind {self._provider.name} at {self._provider.origin.authority}>"

    @property
    def free_probe_lies(self) -> bool:
        # There is none but what the operator chose.
        return False

    def fate(self, endpoint: Endpoint, feature: Feature, model: str = "") -> Fate:
        if endpoint in TRANSLATED:
            return CONVERSE_FORMAT.fates[feature]
        return Fate.CARRIED if endpoint in self.endpoints else Fate.REFUSED

    def request(self, call: Call, target: Target, credential: Credential) -> UpstreamRequest:
        model = call.upstream = target.model
        stream = call.envelope.stream
        if call.endpoint is Endpoint.EMBEDDINGS:
            body, dropped = _write_embeddings(call, model)
            verb, accept = "invoke", _JSON
        elif _is_native(call):
            draft = to_bedrock_body(call, target)
            body, dropped = draft.body, draft.dropped
            verb, accept = ("invoke-with-response-stream", _EVENTS) if stream else ("invoke", _JSON)
        else:
            body, dropped = translating.write_request(call, _format_of(model), model, target.facts)
            verb, accept = ("converse-stream", _EVENTS) if stream else ("converse", _JSON)
        request = self._make(f"{_locate(model)}/{verb}", body, credential, accept, forward_headers(call.headers))
        request.dropped = dropped
        return request

    def continuation(self, call: Call, target: Target, text: str) -> Call | None:
        return write_continuation(call, target, text)

    def reader(self, call: Call) -> StreamReader:
        if call.endpoint is Endpoint.EMBEDDINGS:
            return ChatStreamReader()  # nobody streams embeddings; whatever comes is judged like a chat
        if _is_native(call):
            return InvokeReader(MessagesReader())
        return translating.open_reader(call, _format_of(call.upstream))

    def answer(self, call: Call, headers: HeaderList, body: bytes) -> Answer:
        if call.endpoint is Endpoint.EMBEDDINGS:
            answer = _read_embeddings(call, headers, body)
        elif _is_native(call):
            answer = read_message(body)
        else:
            answer = translating.read_answer(call, _format_of(call.upstream), body)
        hide_secrets(answer.outcome, self._provider)
        return answer

    def error(self, status: int, headers: HeaderList, body: bytes) -> Outcome:
        return hide_secrets(classify(status, headers, body), self._provider)

    def free_probe(self, credential: Credential) -> UpstreamRequest | None:
        path = self._provider.probe.path
        if path is None:
            return None
        return self._make(path if path.startswith("/") else f"/{path}", None, credential, _JSON)

    def completion_probe(self, target: Target, endpoint: Endpoint, credential: Credential) -> UpstreamRequest:
        if endpoint is not Endpoint.EMBEDDINGS:
            return self._make(f"{_locate(target.model)}/converse", _QUESTION, credential, _JSON)
        question = _TITAN_QUESTION if _is_titan(target.model) else _COHERE_QUESTION
        return self._make(f"{_locate(target.model)}/invoke", question, credential, _JSON)

    def _make(
        self, path: str, body: bytes | None, credential: Credential, accept: str, forwarded: bytes = b""
    ) -> UpstreamRequest:
        """`path` below the base URL; `body` None: a GET. connect_timeout is the caller's to set."""
        provider = self._provider
        method = "GET" if body is None else "POST"
        path = provider.origin.prefix + path
        covered = [("host", provider.origin.authority), ("accept", accept)]
        if body is not None:
            covered.append(("content-type", _JSON))
        lines = "".join(f"{name}: {value}\r\n" for name, value in covered)
        if credential.secret:
            lines = f"authorization: Bearer {credential.secret}\r\n{lines}"
        head = f"{method} {path} HTTP/1.1\r\n{lines}".encode("latin-1") + self._fixed + forwarded
        if body is not None:
            head += b"content-length: %d\r\n" % len(body)
        request = UpstreamRequest(provider.name, provider.origin, head + b"\r\n", body or b"")
        if credential.aws is not None and not credential.secret:
            request.sign = _bind_signer(Message(method, path, covered, ""), request.body, credential.aws, self._region)
        return request


def _bind_signer(message: Message, body: bytes, keys: AwsKeys, region: str) -> Callable[[float], bytes]:
    def sign_at(wall_time: float) -> bytes:
        whole = message._replace(body_sha256=hashlib.sha256(body).hexdigest())
        pairs = sign(whole, keys, Scope(region, SERVICE), wall_time)
        return "".join(f"{name}: {value}\r\n" for name, value in pairs).encode("latin-1")

    return sign_at


def _locate(model: str) -> str:
    return f"/model/{quote(model, safe='')}"


def _find_region(provider: Provider) -> str:
    """The region that signatures count in: as configured, else as the host says."""
    found = _HOST.match(provider.origin.host)
    region = provider.region or (found[1] if found is not None else "")
    signs = any(credential.secret is None for credential in provider.credentials)
    if signs and not region:
        problem = "is required: requests are signed for a region, and the base URL names none"
        raise ConfigError([ConfigProblem(problem, key=f"providers.{provider.name}.region")])
    return region


def _is_native(call: Call) -> bool:
    """Whether the attempt under way is asked and answered in the client's own format."""
    return call.endpoint is Endpoint.MESSAGES and _is_claude(call.upstream)


def _is_claude(model: str) -> bool:
    return "anthropic.claude" in model


def _format_of(model: str) -> VendorFormat:
    return CLAUDE_FORMAT if _is_claude(model) else CONVERSE_FORMAT


def _is_titan(model: str) -> bool:
    """Amazon's own embeddings; the others are Cohere's, also behind an ARN that does not say so."""
    return "titan-embed" in model


def _write_embeddings(call: Call, model: str) -> tuple[bytes, tuple[str, ...]]:
    return write_embedding(call.envelope) if _is_titan(model) else cohere.write_embeddings(call.envelope, None)


def _read_embeddings(call: Call, headers: HeaderList, body: bytes) -> Answer:
    model = call.upstream or call.envelope.model
    if _is_titan(model):
        return read_embedding(call.envelope, model, body)
    counts = [value for name, value in headers if name.lower() == _COUNT and value.isdigit() and len(value) < 10]
    return cohere.read_embeddings(call.envelope, model, body, int(counts[0]) if counts else None)
