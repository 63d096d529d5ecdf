"""Damaged bytes against every parser of the pure floors: none raises, hangs, or shows a client what it should not.

`UNDIMMED_FUZZ` sets how many inputs each parser gets (1,000,000 for the promise; the default keeps a test run short). A
failing input prints its seed; the same seed makes the same input.
"""

import json
import os
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

import pytest
from fuzz.mutations import damage, split

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.settings import Credential, Origin, Provider, Target
from proxy.providers.contract import ProviderKind
from proxy.providers.model_facts import facts_of
from proxy.providers.table import KINDS
from proxy.rehearse.answers import Asked, ask
from proxy.rehearse.behaviour import Style
from proxy.rehearse.speakers import SPEAKERS
from proxy.rehearse.vendor_errors import ERRORS
from proxy.wire.dialects import CLIENTS
from proxy.wire.failures import classify
from proxy.wire.formats import FORMATS
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.sse import EventSplitter

INPUTS = int(os.environ.get("UNDIMMED_FUZZ", "300"))
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
TOOL = {"type": "function", "function": {"name": "light", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "light", "arguments": "{}"}}
BLOCKS = [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "t1", "name": "light", "input": {}}]
ITEMS = [
    {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    {"type": "function_call", "call_id": "c1", "name": "light", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "on"},
]
REQUESTS = {
    Endpoint.RERANK: {"model": "m", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1},
    Endpoint.CHAT: {
        "model": "m",
        "stream": True,
        "messages": [
            {"role": "system", "content": "be good"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}, IMAGE]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "on"},
        ],
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "light"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
        "stop": ["a"],
        "reasoning_effort": "low",
        "max_tokens": 5,
    },
    Endpoint.COMPLETIONS: {"model": "m", "prompt": "hi", "suffix": "x", "stream": True, "max_tokens": 5},
    Endpoint.EMBEDDINGS: {"model": "m", "input": ["a", "b"], "dimensions": 8, "encoding_format": "base64"},
    Endpoint.MESSAGES: {
        "model": "m",
        "max_tokens": 100,
        "stream": True,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": BLOCKS},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "on"}]},
        ],
        "tools": [{"name": "light", "input_schema": {"type": "object"}}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    },
    Endpoint.RESPONSES: {
        "model": "m",
        "stream": True,
        "instructions": "be good",
        "input": ITEMS,
        "tools": [{"type": "function", "name": "light", "parameters": {"type": "object"}}],
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}},
        "reasoning": {"effort": "low"},
    },
}
BODIES = {endpoint: json.dumps(fields).encode() for endpoint, fields in REQUESTS.items()}
#: Where a simulated vendor of each format listens, plain and streamed; Claude's own format also comes in frames.
PATHS = {
    "openai": ("/v1/chat/completions", "/v1/chat/completions"),
    "anthropic": ("/v1/messages", "/v1/messages"),
    "bedrock": ("/model/m/converse", "/model/m/converse-stream"),
    "cohere": ("/v2/chat", "/v2/chat"),
    "gemini": ("/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent"),
    "invoke": ("/model/anthropic.claude-m/invoke", "/model/anthropic.claude-m/invoke-with-response-stream"),
    "responses": ("/v1/responses", "/v1/responses"),
}


class Vendor(NamedTuple):
    """`upstream`: the model, where the vendor's format depends on it."""

    kind: str
    preset: str
    upstream: str

    def bind(self) -> ProviderKind:
        origin = Origin("https", "api.example", 443, "/v1")
        return KINDS[self.kind](Provider("p", self.kind, self.preset, origin, (CREDENTIAL,), region="r", project="p"))


CREDENTIAL = Credential("p#1", "sk-secret-secret")
VENDORS = {
    **{kind: Vendor(kind, kind, "m") for kind in KINDS},
    "mistral": Vendor("openai", "mistral", "m"),
    "groq": Vendor("openai", "groq", "m"),
    "vertex claude": Vendor("vertex", "vertex", "claude-sonnet-4-6"),
    "bedrock claude": Vendor("bedrock", "bedrock", "anthropic.claude-sonnet-4-6"),
    "gemini 3": Vendor("gemini", "gemini", "gemini-3-flash"),
    "cohere reasoning": Vendor("cohere", "cohere", "command-a-reasoning"),
}


def rounds(name: str) -> Iterator[Random]:
    """One generator per input, so that any of them can be made again alone."""
    for number in range(INPUTS):
        yield Random(f"{name}:{number}")


def make_call(endpoint: Endpoint, upstream: str = "") -> Call:
    return Call("id", endpoint, FORMATS[endpoint].read_envelope(BODIES[endpoint], endpoint), {}, upstream=upstream)


def speech(path: str, style: Style, stream: bool) -> bytes:
    fields = {"model": "m", "stream": stream, "stream_options": {"include_usage": True}}
    if "/invoke" in path:
        fields["anthropic_version"] = "bedrock-2023-05-31"
    body = json.dumps(fields).encode()
    asked: Asked = ask("POST", path, "", body)
    speaker = next(speaker for speaker in SPEAKERS if speaker.speaks(asked))
    reply = speaker.compose(asked, "a-1", 6, style)
    return reply.whole or reply.opening + b"".join(reply.pieces) + reply.finish + reply.usage + speaker.terminator


def corpus(stream: bool) -> list[bytes]:
    """Sound answers of every vendor, and errors: a reader must survive all of them, its own vendor's or not."""
    made = [speech(paths[stream], style, stream) for paths in PATHS.values() for style in Style]
    return made + [error.body for error in ERRORS.values()]


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in FORMATS if endpoint in BODIES])
def test_requests(endpoint: Endpoint) -> None:
    form = FORMATS[endpoint]
    for rng in rounds(endpoint):
        try:
            envelope = form.read_envelope(damage(BODIES[endpoint], rng), endpoint)
            form.needs_of(envelope)
            form.affinity_of(envelope)
            if endpoint in CLIENTS:
                CLIENTS[endpoint].read(envelope)
        except EnvelopeError as error:
            if not error.message:
                raise


def is_odd(data: bytes) -> bool:
    """Whether this is no text."""
    return data.decode(errors="replace").encode() != data


READERS = [(name, endpoint) for name in VENDORS for endpoint in sorted(set(VENDORS[name].bind().endpoints) & set(BODIES))]


@pytest.mark.parametrize(("name", "endpoint"), READERS)
def test_requests_are_written_or_refused(name: str, endpoint: Endpoint) -> None:
    """Whatever a client sends: the vendor is sent JSON, or nobody is asked. Only where a client's own bytes pass as they are
    can what is no text go on as such; the vendor will say so."""
    vendor = VENDORS[name]
    kind, form = vendor.bind(), FORMATS[endpoint]
    target = Target("p", vendor.upstream, facts=facts_of(vendor.upstream))
    written = 0
    for rng in rounds(f"{name}:{endpoint}"):
        body = damage(BODIES[endpoint], rng)
        try:
            envelope = form.read_envelope(body, endpoint)
            request = kind.request(Call("id", endpoint, envelope, {}), target, CREDENTIAL)
        except EnvelopeError:
            continue
        text = request.body.decode(errors="replace" if is_odd(body) and is_odd(request.body) else "strict")
        assert isinstance(json.loads(text), dict)
        written += 1
    assert written > 0


@pytest.mark.parametrize(("name", "endpoint"), READERS)
def test_streams(name: str, endpoint: Endpoint) -> None:
    vendor = VENDORS[name]
    kind, call, seeds = vendor.bind(), make_call(endpoint, vendor.upstream), corpus(stream=True)
    for rng in rounds(f"{name}:{endpoint}"):
        data = damage(rng.choice(seeds), rng)
        reader = kind.reader(call)
        for piece in split(data, rng):
            reader.feed(piece)
            if reader.done or reader.failure is not None:
                break
        outcome = reader.end()
        assert outcome.ok or outcome.message
        reader.texts()


@pytest.mark.parametrize(("name", "endpoint"), READERS)
def test_whole_answers(name: str, endpoint: Endpoint) -> None:
    vendor = VENDORS[name]
    kind, call, seeds = vendor.bind(), make_call(endpoint, vendor.upstream), corpus(stream=False)
    for rng in rounds(f"{name}:{endpoint}"):
        answer = kind.answer(call, [], damage(rng.choice(seeds), rng))
        assert answer.outcome.ok or answer.outcome.message


@pytest.mark.parametrize("name", VENDORS)
def test_errors(name: str) -> None:
    kind, seeds = VENDORS[name].bind(), list(ERRORS.values())
    for rng in rounds(name):
        known = rng.choice(seeds)
        outcome = kind.error(known.status, known.headers, damage(known.body, rng))
        assert not outcome.ok
        classify(rng.choice((400, 429, 500)), known.headers, damage(known.body, rng))


def test_events_survive_any_split() -> None:
    seeds = corpus(stream=True)
    for rng in rounds("sse"):
        data = damage(rng.choice(seeds), rng)
        whole, pieces = EventSplitter(), EventSplitter()
        expected = [(block.event, block.data) for block in whole.feed(data)]
        got = [(block.event, block.data) for piece in split(data, rng) for block in pieces.feed(piece)]
        assert got == expected
        assert pieces.rest() == whole.rest()


def test_the_damage_is_real() -> None:
    """A fuzzer whose inputs are all refused at the door tests nothing."""
    check: Callable[[bytes], object] = json.loads
    readable = 0
    for rng in rounds("real"):
        try:
            check(damage(BODIES[Endpoint.CHAT], rng))
            readable += 1
        except ValueError:
            pass
    assert INPUTS // 3 < readable < INPUTS
