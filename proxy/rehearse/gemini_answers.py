"""What a Gemini model would say: believable generateContent answers, whole or as events, and embeddings.

The same model as in `answers.py`, one word per token, in Google's words: events end with CRLF and have no terminator, counts
are cumulative, a call comes whole and sealed, and the end of a text is an empty part with nothing but a seal. A stream that
is cut is one whose `finish` is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from json import dumps

import msgspec

from proxy.rehearse.answers import WORDS, Reply
from proxy.rehearse.behaviour import Style
from proxy.rehearse.google_errors import GOOGLE_EVENT

#: A seal as they look: opaque base64.
SEAL = "CpUBAdHtim9SaW1tZWQ="
ARGUMENTS = {"lamps": [1, 2, 3]}
DIMENSIONS = 16


class _Config(msgspec.Struct, rename="camel"):
    candidate_count: int | None = 1
    max_output_tokens: int | None = None


class _Body(msgspec.Struct, rename="camel"):
    generation_config: _Config | None = None
    requests: list[object] | None = None


_decoder = msgspec.json.Decoder(_Body)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a simulated Gemini reads it. `verb` is what stands after the colon of the path, "" for a list of models;
    `texts` how many embeddings are wanted, `limit` the most tokens of an answer."""

    model: str
    verb: str
    choices: int = 1
    limit: int | None = None
    texts: int = 1
    input_tokens: int = 1

    @property
    def streams(self) -> bool:
        return self.verb == "streamGenerateContent"


def ask(path: str, body: bytes) -> Asked:
    """Read a request from its path (`/v1beta/models/gemini-x:generateContent`) and body; what is no JSON reads as empty."""
    try:
        decoded = _decoder.decode(body) if body else _Body()
    except msgspec.DecodeError:
        decoded = _Body()
    model, _, verb = path.partition("?")[0].rpartition("/")[2].partition(":")
    config = decoded.generation_config or _Config()
    return Asked(
        model=model,
        verb=verb,
        choices=max(1, config.candidate_count or 1),
        limit=config.max_output_tokens,
        texts=len(decoded.requests or (None,)),
        input_tokens=max(1, len(body) // 4),
    )


def compose(asked: Asked, identity: str, chunks: int, style: Style = Style.TEXT) -> Reply:
    """The answer to a request; `identity` becomes its id. `chunks` is how many tokens the model wants to say; thoughts count
    among them, and the request's limit may end it sooner."""
    if not asked.verb:
        return Reply(whole=_encode({"models": [_describe(asked.model if asked.model != "models" else "lamp-1")]}))
    if asked.verb in ("embedContent", "batchEmbedContents"):
        return Reply(whole=_embeddings(asked))
    count = min(chunks, asked.limit or chunks)
    speech = _Speech(asked, identity, count, style, "MAX_TOKENS" if count < chunks else "STOP")
    return speech.events() if asked.streams else speech.whole()


def blocked(asked: Asked, identity: str) -> bytes:
    """The answer to a prompt that is not allowed: a 200 without candidates."""
    feedback = {"blockReason": "PROHIBITED_CONTENT"}
    body = {"promptFeedback": feedback, **_Speech(asked, identity, 0, Style.TEXT, "").tail(0)}
    return _event(body) if asked.streams else _encode(body)


def error_event() -> bytes:
    """An error in the middle of a stream."""
    return b"data: " + GOOGLE_EVENT + b"\r\n\r\n"


class _Speech:
    """One answer."""

    def __init__(self, asked: Asked, identity: str, count: int, style: Style, finish: str) -> None:
        self.asked = asked
        self.identity = identity
        self.count = count
        self.style = style
        self.finish = finish
        self.thoughts = count // 2 if style is Style.REASONING else 0

    def events(self) -> Reply:
        pieces = [
            b"".join(_event(self._response(index, [part], None, said)) for index in range(self.asked.choices))
            for said, part in enumerate(self._parts(), start=1)
        ]
        whole = self.style is Style.TOOL
        last: list[dict[str, object]] = [] if whole else [{"text": "", "thoughtSignature": SEAL}]
        finish = b"".join(
            _event(self._response(index, last, self.finish, self.count)) for index in range(self.asked.choices)
        )
        spoken = self.count * self.asked.choices
        return Reply(b"", pieces, finish, b"", b"", spoken, spoken if whole else self.asked.choices)

    def whole(self) -> Reply:
        candidates = [self._candidate(index, list(_join(self._parts())), self.finish) for index in range(self.asked.choices)]
        body = {"candidates": candidates, **self.tail(self.count)}
        return Reply(whole=_encode(body), output=self.count * self.asked.choices, tokens_per_piece=self.asked.choices)

    def tail(self, said: int) -> dict[str, object]:
        """What stands beside the candidates once `said` tokens of each have been said; counts of 0 are left out."""
        choices, thought = self.asked.choices, min(said, self.thoughts)
        counts = {
            "promptTokenCount": self.asked.input_tokens,
            "candidatesTokenCount": (said - thought) * choices,
            "thoughtsTokenCount": thought * choices,
            "totalTokenCount": self.asked.input_tokens + said * choices,
        }
        used = {name: count for name, count in counts.items() if count}
        return {"usageMetadata": used, "modelVersion": self.asked.model, "responseId": self.identity}

    def _parts(self) -> Iterator[dict[str, object]]:
        if self.style is Style.TOOL:
            yield {"functionCall": {"name": "light", "args": ARGUMENTS}, "thoughtSignature": SEAL}
            return
        for position in range(self.count):
            word = WORDS[position % len(WORDS)]
            text: dict[str, object] = {"text": word if position == 0 else f" {word}"}
            yield {**text, "thought": True} if position < self.thoughts else text

    def _response(self, index: int, parts: list[dict[str, object]], finish: str | None, said: int) -> dict[str, object]:
        return {"candidates": [self._candidate(index, parts, finish)], **self.tail(said)}

    def _candidate(self, index: int, parts: list[dict[str, object]], finish: str | None) -> dict[str, object]:
        content: dict[str, object] = {"parts": parts, "role": "model"} if parts else {"role": "model"}
        candidate: dict[str, object] = {"content": content}
        if finish:
            candidate["finishReason"] = finish
        return {**candidate, "index": index}


def _join(parts: Iterator[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Parts of one kind put together, as a whole answer has them; the text is sealed."""
    texts = {True: "", False: ""}
    for part in parts:
        if "text" in part:
            texts["thought" in part] += str(part["text"])
        else:
            yield part
    if texts[True]:
        yield {"text": texts[True], "thought": True}
    if texts[False]:
        yield {"text": texts[False], "thoughtSignature": SEAL}


def _embeddings(asked: Asked) -> bytes:
    rows = [
        {"values": [((index + 1) * (place + 3) % 17) / 17 - 0.5 for place in range(DIMENSIONS)]}
        for index in range(asked.texts)
    ]
    return _encode({"embeddings": rows} if asked.verb == "batchEmbedContents" else {"embedding": rows[0]})


def _describe(model: str) -> dict[str, object]:
    verbs = ["generateContent", "countTokens", "embedContent"]
    limits = {"inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536}
    return {"name": f"models/{model}", **limits, "supportedGenerationMethods": verbs}


def _encode(value: object) -> bytes:
    return dumps(value, separators=(",", ":")).encode()


def _event(value: object) -> bytes:
    return b"data: " + _encode(value) + b"\r\n\r\n"
