"""What is relayed to a provider: who has what, and requests that are sound HTTP whatever the client says."""

import base64
import json

import h11
import pytest

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest, UpstreamRequest
from proxy.core.outcome import OutcomeKind
from proxy.core.settings import Credential, Origin, Provider, Target
from proxy.providers.openai import OpenAIKind
from proxy.providers.presets import PRESETS
from proxy.providers.relays import RELAYED, SERVED, find_served
from proxy.wire.formats import FORMATS
from proxy.wire.relays import RELAYS
from proxy.wire.resources import Place, read_resource

KEY = base64.b64encode(b"0123456789abcdef").decode()
CREDENTIAL = Credential("p#1", "sk-very-secret-1234567890")
TARGET = Target("p", "upstream-model")
HOSTILE = {
    "authorization": "Bearer client",
    "host": "evil",
    "cookie": "a=b",
    "openai-organization": "evil",
    "openai-beta": "a\r\nx-evil: 1",
    "sec-websocket-key": KEY,
    "sec-websocket-protocol": "realtime, openai-insecure-api-key.client, openai-organization.evil",
}
FORM = b'--e\r\nContent-Disposition: form-data; name="model"\r\n\r\npublic\r\n--e--\r\n'


def provider(preset: str = "custom", **changes: object) -> Provider:
    origin = Origin("https", "api.example", 443, "/v1")
    return Provider("p", "openai", preset, origin, (CREDENTIAL,), **changes)  # type: ignore[arg-type]


def make_call(endpoint: Endpoint) -> Call:
    form = endpoint in RELAYS and RELAYS[endpoint].form
    headers = {**HOSTILE, "content-type": "multipart/form-data; boundary=e" if form else "application/json"}
    body = FORM if form else b"" if endpoint is Endpoint.REALTIME else json.dumps({"model": "public", "input": "x"}).encode()
    request = ClientRequest(endpoint, headers, body, None, None, 0.0, query="model=public&x=1")
    return Call("id", endpoint, FORMATS[endpoint].read(request), headers)


def parse(request: UpstreamRequest) -> tuple[h11.Request, bytes]:
    server = h11.Connection(h11.SERVER)
    server.receive_data(request.head + request.body)
    head = server.next_event()
    assert isinstance(head, h11.Request)
    body = b""
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage | type(h11.PAUSED)), event
    return head, body


@pytest.mark.parametrize("endpoint", [*RELAYS, Endpoint.REALTIME])
def test_requests_are_sound_and_carry_nothing_of_the_client_s(endpoint: Endpoint) -> None:
    assert endpoint in RELAYED
    request = OpenAIKind(provider()).request(make_call(endpoint), TARGET, CREDENTIAL)
    head, body = parse(request)
    names = [name for name, _ in head.headers]
    assert len(names) == len(set(names))
    assert b"upstream-model" in body + head.target
    assert b"public" not in body + head.target
    said = b"|".join(value for _, value in head.headers)
    assert b"evil" not in said
    assert b"client" not in said
    assert dict(head.headers)[b"authorization"] == b"Bearer " + CREDENTIAL.secret.encode()  # type: ignore[union-attr]
    assert not {b"cookie", b"openai-organization", b"openai-beta"} & set(names)


@pytest.mark.parametrize(
    ("method", "place", "body", "kind"),
    [
        ("GET", Place(Endpoint.FILES, "file", "f"), b"", None),
        ("DELETE", Place(Endpoint.FILES, "file", "f", ends=True), b"", None),
        ("POST", Place(Endpoint.BATCHES, "batch", makes=True), b"{}", b"application/json"),
        ("PUT", Place(Endpoint.RELAY), b"\x00", b"text/x"),
    ],
)
def test_requests_to_an_account(method: str, place: Place, body: bytes, kind: bytes | None) -> None:
    envelope = read_resource(place, "text/x", "", body)
    call = Call("id", place.endpoint, envelope, HOSTILE, method=method, path="/files/f?x=1")
    head, sent = parse(OpenAIKind(provider()).request(call, TARGET, CREDENTIAL))
    assert (head.method.decode(), head.target, sent) == (method, b"/v1/files/f?x=1", body)
    assert dict(head.headers).get(b"content-type") == kind


def test_errors_and_readers_are_those_of_the_endpoint() -> None:
    kind = OpenAIKind(provider())
    for endpoint in (*RELAYS, Endpoint.FILES):
        call = (
            make_call(endpoint)
            if endpoint in RELAYS
            else Call("id", endpoint, read_resource(Place(endpoint), "", "", b""), {})
        )
        assert kind.answer(call, [], b"<html>").outcome.kind is OutcomeKind.MALFORMED
        assert kind.reader(call) is not kind.reader(call)


def test_who_has_what() -> None:
    assert set(SERVED) <= set(PRESETS)
    for preset in PRESETS:
        served = find_served(provider(preset))
        assert served <= RELAYED
        assert Endpoint.RELAY not in served
        assert Endpoint.RELAY in find_served(provider(preset, relay=True))
    assert Endpoint.RERANK not in find_served(provider("openai"))
    assert not find_served(provider("deepseek"))
    other = Provider("p", "anthropic", "custom", Origin("https", "a", 443), (CREDENTIAL,), relay=True)
    assert not find_served(other)
