"""The endpoints that are relayed rather than translated: one table line each.

They have a model, and so go through routes, breakers and failover like a chat; but neither the request nor the answer is
read beyond what routing and honesty need. Source of the facts: OpenAI's API document; for reranking Cohere's and Jina's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from proxy.core.endpoints import Endpoint

_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Relay:
    """`path`: below the base URL. `form`: multipart instead of JSON. `model`: what OpenAI takes where a request names none
    ("": it must). `sound`: streams the bytes of a file unless events are asked for. `ends`: the types of events that end a
    stream. `member`: what a whole JSON answer cannot lack."""

    path: str
    member: str
    form: bool = False
    model: str = ""
    sound: bool = False
    ends: frozenset[str] = _NOTHING


RELAYS: Mapping[Endpoint, Relay] = MappingProxyType(
    {
        Endpoint.IMAGES: Relay(
            "/images/generations", "data", model="dall-e-2", ends=frozenset({"image_generation.completed"})
        ),
        Endpoint.IMAGE_EDITS: Relay(
            "/images/edits", "data", form=True, model="gpt-image-1.5", ends=frozenset({"image_edit.completed"})
        ),
        Endpoint.IMAGE_VARIATIONS: Relay("/images/variations", "data", form=True, model="dall-e-2"),
        Endpoint.SPEECH: Relay("/audio/speech", "", sound=True, ends=frozenset({"speech.audio.done"})),
        Endpoint.TRANSCRIPTIONS: Relay("/audio/transcriptions", "text", form=True, ends=frozenset({"transcript.text.done"})),
        Endpoint.TRANSLATIONS: Relay("/audio/translations", "text", form=True),
        Endpoint.MODERATIONS: Relay("/moderations", "results", model="omni-moderation-latest"),
        Endpoint.RERANK: Relay("/rerank", "results"),
        Endpoint.INPUT_TOKENS: Relay("/responses/input_tokens", "input_tokens"),
        Endpoint.COMPACT: Relay("/responses/compact", "output"),
    }
)
