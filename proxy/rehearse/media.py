"""What a simulated provider says where no text is asked for: pictures, sound, transcripts, verdicts and rankings.

Believable in shape and tiny in size. The sound is the identity of the answer over and over, so that whoever holds a client's
copy can tell whose bytes are in it.
"""

import base64
from collections.abc import Callable, Mapping
from json import dumps

from proxy.rehearse.answers import CREATED, TEXT, Asked, Reply
from proxy.rehearse.behaviour import Style

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"lamp").decode()
SOUND = b"audio/mpeg"
PLAIN = b"text/plain; charset=utf-8"
TOKENS: dict[str, object] = {"input_tokens": 12, "output_tokens": 30, "total_tokens": 42}
SPOKEN_TOKENS = {"type": "tokens", "input_token_details": {"text_tokens": 0, "audio_tokens": 12}, **TOKENS}


def is_media(asked: Asked) -> bool:
    """Is this request for one of these?"""
    return asked.method == "POST" and asked.path.endswith(tuple(_PATHS))


def compose(asked: Asked, identity: str, chunks: int, style: Style = Style.TEXT) -> Reply:
    """The answer to such a request; it says nothing in any style."""
    return next(write for path, write in _PATHS.items() if asked.path.endswith(path))(asked, identity, chunks)


def _json(value: object) -> bytes:
    return dumps(value, separators=(",", ":")).encode()


def _event(kind: str, **members: object) -> bytes:
    return f"event: {kind}\n".encode() + b"data: " + _json({"type": kind, **members}) + b"\n\n"


def _images(asked: Asked, identity: str, chunks: int) -> Reply:
    name = "image_edit" if asked.path.endswith("/edits") else "image_generation"
    if asked.streams:
        pieces = [_event(f"{name}.partial_image", b64_json=PIXEL, partial_image_index=i) for i in range(min(chunks, 3))]
        return Reply(pieces=pieces, finish=_event(f"{name}.completed", b64_json=PIXEL, usage=TOKENS))
    pictures = [{"b64_json": PIXEL, "revised_prompt": identity} for _ in range(asked.body.n or 1)]
    usage = {**TOKENS, "input_tokens_details": {"text_tokens": 12, "image_tokens": 0}}
    return Reply(whole=_json({"created": CREATED, "data": pictures, "usage": usage}))


def _speech(asked: Asked, identity: str, chunks: int) -> Reply:
    sound = identity.encode().ljust(64, b"~")
    if asked.body.stream_format == "sse":
        audio = base64.b64encode(sound).decode()
        pieces = [_event("speech.audio.delta", audio=audio) for _ in range(chunks)]
        return Reply(pieces=pieces, finish=_event("speech.audio.done", usage=TOKENS))
    return Reply(pieces=[sound] * chunks, content_type=SOUND)


def _transcript(asked: Asked, identity: str, chunks: int) -> Reply:
    words = TEXT.split()[:chunks]
    if asked.streams:
        pieces = [_event("transcript.text.delta", delta=f"{word} ") for word in words]
        finish = _event("transcript.text.done", text=" ".join(words), usage=SPOKEN_TOKENS)
        return Reply(pieces=pieces, finish=finish)
    text = " ".join(words)
    if asked.body.response_format in ("text", "srt", "vtt"):
        return Reply(whole=text.encode() + b"\n", content_type=PLAIN)
    return Reply(whole=_json({"text": text, "usage": SPOKEN_TOKENS, "identity": identity}))


def _verdict(asked: Asked, identity: str, chunks: int) -> Reply:
    inputs = asked.body.input if isinstance(asked.body.input, list) else [asked.body.input]
    verdict = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
    return Reply(whole=_json({"id": f"modr-{identity}", "model": asked.body.model, "results": [verdict] * len(inputs)}))


def _ranking(asked: Asked, identity: str, chunks: int) -> Reply:
    documents = asked.body.documents or []
    ranked = [{"index": i, "relevance_score": round(1 / (i + 2), 3)} for i in range(len(documents))]
    return Reply(whole=_json({"id": identity, "model": asked.body.model, "results": ranked, "usage": {"total_tokens": 9}}))


_PATHS: Mapping[str, Callable[[Asked, str, int], Reply]] = {
    "/images/generations": _images,
    "/images/edits": _images,
    "/images/variations": _images,
    "/audio/speech": _speech,
    "/audio/transcriptions": _transcript,
    "/audio/translations": _transcript,
    "/moderations": _verdict,
    "/rerank": _ranking,
}
