"""Calls and envelopes for the tests of formats."""

import json
from typing import Any

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.wire.dialects import CLIENTS
from proxy.wire.dialogue import Dialogue
from proxy.wire.openai_envelope import read_envelope

USER = {"role": "user", "content": "hi"}


def envelope(endpoint: Endpoint = Endpoint.CHAT, **fields: Any) -> Envelope:
    return read_envelope(json.dumps({"model": "m", **fields}).encode(), endpoint)


def call(endpoint: Endpoint = Endpoint.CHAT, **fields: Any) -> Call:
    return Call("abc", endpoint, envelope(endpoint, **fields), {}, wall=1700000000.5)


def ask(*messages: dict[str, Any], **fields: Any) -> Dialogue:
    """A chat request as a dialogue."""
    return CLIENTS[Endpoint.CHAT].read(envelope(messages=list(messages) or [USER], **fields))
