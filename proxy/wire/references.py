"""Stored things that a request names in its body: they exist in one account only, so the request has to go there.

Responses continue a stored one (`previous_response_id`, `conversation`); chats and responses use uploaded files (`file_id`).
Whether anybody here knows them is not this file's to say. Nothing raises: what cannot be read names nothing.
"""

import re
from typing import NamedTuple

from proxy.core.call import Envelope
from proxy.core.endpoints import Endpoint
from proxy.wire.openai_envelope import read_value

#: A key and its value in JSON; inside of a string its quotes would be escaped.
_FILE = re.compile(rb'"file_id"\s*:\s*"(file[-_][A-Za-z0-9_-]{1,250})"')
#: The endpoints whose requests can name any.
NAMING = frozenset({Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.INPUT_TOKENS, Endpoint.COMPACT})
_HISTORIES = NAMING - {Endpoint.CHAT}
#: More files than this are not looked at.
_MOST = 100


class Reference(NamedTuple):
    """`thing` is what it is in the words of `policy/pins.py`, `param` the field that names it."""

    thing: str
    id: str
    param: str


def find_references(envelope: Envelope, endpoint: Endpoint, files: bool) -> list[Reference]:
    """In the order in which they are to be followed. `files`: look for files too, which costs a look at the whole body."""
    named: list[Reference] = []
    if endpoint in _HISTORIES:
        previous = read_value(envelope, "previous_response_id") if "previous_response_id" in envelope.fields else None
        if isinstance(previous, str) and previous:
            named.append(Reference("response", previous, "previous_response_id"))
        conversation = read_value(envelope, "conversation") if "conversation" in envelope.fields else None
        if isinstance(conversation, dict):
            conversation = conversation.get("id")
        if isinstance(conversation, str) and conversation:
            named.append(Reference("conversation", conversation, "conversation"))
    if files and endpoint in NAMING and b'"file_id"' in envelope.body:
        found = dict.fromkeys(match.decode() for match in _FILE.findall(envelope.body))
        named += [Reference("file", name, "file_id") for name in list(found)[:_MOST]]
    return named
