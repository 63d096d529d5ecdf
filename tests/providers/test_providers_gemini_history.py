"""What a Gemini model sealed comes back to it on the very part, whichever format the client in between speaks."""

import json
from itertools import pairwise
from typing import Any

import pytest
from support.talk import CLIENTS, History
from wire.gemini_chunks import call as calling
from wire.gemini_chunks import event, response

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.settings import Credential, Origin, Provider, Target
from proxy.providers.gemini import GeminiKind
from proxy.wire.formats import FORMATS

KEY = Credential("g#1", "k")
GEMINI = GeminiKind(Provider("g", "gemini", "gemini", Origin("https", "g.example", 443, "/v1beta"), (KEY,)))
TARGET = Target("g", "gemini-3-pro-preview")

#: What the model writes, turn by turn: thoughts and sealed text, then sealed calls, then text again.
ANSWERS: list[list[dict[str, object]]] = [
    [{"text": "Rhyme?", "thought": True}, {"text": "Roses"}, {"text": " are red.", "thoughtSignature": "AAAA"}],
    [{"text": "Look.", "thought": True}, calling("look", "BBBB", city="Rome"), calling("look", city="Oslo")],
    [calling("look", "CCCC", city="Bern")],
    [{"text": "Sunny."}, {"text": "", "thoughtSignature": "DDDD"}],
]


def answer_of(call: Call, turn: int) -> list[dict[str, Any]]:
    """The turn as responses: whole, or with each part in a chunk of its own."""
    identity = {"responseId": f"r{turn}", "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1}}
    if not call.envelope.stream:
        return [response(*ANSWERS[turn], finish="STOP") | identity]
    return [*(response(part) | identity for part in ANSWERS[turn]), response(finish="STOP") | identity]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("endpoint", CLIENTS)
def test_seals_come_back_on_the_part_they_were_on(endpoint: Endpoint, stream: bool) -> None:
    client = CLIENTS[endpoint]
    history: History = [{"role": "user", "content": "start"}]
    bodies: list[dict[str, Any]] = []
    for turn in range(len(ANSWERS) + 1):
        raw = json.dumps({"model": "public", "stream": stream, **client.ask(history, ("look",))}).encode()
        call = Call("id", endpoint, FORMATS[endpoint].read_envelope(raw, endpoint), {}, wall=1.0)
        request = GEMINI.request(call, TARGET, KEY)
        bodies.append(json.loads(request.body))
        if turn == len(ANSWERS):
            break
        if stream:
            reader = GEMINI.reader(call)
            out = b"".join(reader.feed(event(chunk)) for chunk in answer_of(call, turn))
            assert reader.end().ok
            client.take(history, client.join(out + reader.terminator))
        else:
            answer = GEMINI.answer(call, [], json.dumps(answer_of(call, turn)[0]).encode())
            assert answer.outcome.ok
            client.take(history, json.loads(answer.body))
    written = [content for content in bodies[-1]["contents"] if content["role"] == "model"]
    assert [strip(content["parts"]) for content in written] == [
        [{"text": "Roses are red.", "thoughtSignature": "AAAA"}],
        [calling("look", "BBBB", city="Rome"), calling("look", city="Oslo")],
        [calling("look", "CCCC", city="Bern")],
        [{"text": "Sunny.", "thoughtSignature": "DDDD"}],
    ]
    # A prefix that changes from turn to turn would never be found in Google's cache.
    for earlier, later in pairwise(bodies):
        assert later["contents"][: len(earlier["contents"])] == earlier["contents"]


def strip(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without thoughts, which may come back or not, and ids, which are of no account here."""
    kept = [dict(part) for part in parts if not part.get("thought")]
    for part in kept:
        if "functionCall" in part:
            part["functionCall"] = {key: value for key, value in part["functionCall"].items() if key != "id"}
    return kept
