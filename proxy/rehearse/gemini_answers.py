"""What a Gemini model would say: believable generateContent answers, whole or as events, and embeddings.

The same model as in `answers.py`, one word per token, in Google's words: events end with CRLF and have no terminator, counts
are cumulative and left out where they are 0, calls come whole, the first of a turn sealed, and a text ends with an empty
part that has nothing but a seal. The model's name is part of the path (`/v1beta/models/gemini-x:generateContent`).
"""

from collections.abc import Iterator
from json import dumps

from proxy.rehearse.answers import Asked, Reply, say_word
from proxy.rehearse.behaviour import Style
from proxy.rehearse.calls import CALLING, NAMES
from proxy.rehearse.google_errors import GOOGLE_ERRORS

VERBS = (":generateContent", ":streamGenerateContent", ":embedContent", ":batchEmbedContents")
#: A seal as they look: opaque base64.
SEAL = "CpUBAdHtim9SaW1tZWQ="
ARGUMENTS = {"lamps": [1, 2, 3]}
DIMENSIONS = 16


def compose(asked: Asked, identity: str, chunks: int, style: Style = Style.TEXT) -> Reply:
    """The answer to a request; `identity` becomes its id. `chunks` is how many tokens the model wants to say; thoughts count
    among them, and the request's limit may end it sooner."""
    model, _, verb = asked.path.rpartition("/")[2].partition(":")
    if verb.endswith(("embedContent", "EmbedContents")):
        return Reply(whole=_embeddings(asked, verb))
    config = asked.body.generation_config
    limit = config.max_output_tokens if config is not None else None
    count = min(chunks, limit or chunks)
    speech = _Speech(asked, model, identity, count, style)
    speech.finish = "MAX_TOKENS" if count < chunks else "STOP"
    return speech.events() if asked.streams else speech.whole()


def block(asked: Asked, identity: str) -> bytes:
    """The answer to a prompt that is not allowed: a 200 without candidates."""
    speech = _Speech(asked, asked.path.rpartition("/")[2].partition(":")[0], identity, 0, Style.TEXT)
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **speech.tail(0)}
    return _event(body) if asked.streams else _encode(body)


def error_event(failure: str) -> bytes:
    """An error in the middle of a stream, its body as a whole answer would have it."""
    known = failure if failure in GOOGLE_ERRORS else "gemini_internal"
    return b"data: " + GOOGLE_ERRORS[known][2] + b"\r\n\r\n"


class _Speech:
    """One answer."""

    def __init__(self, asked: Asked, model: str, identity: str, count: int, style: Style) -> None:
        self.asked = asked
        self.model = model
        self.identity = identity
        self.count = count
        self.style = style
        self.finish = "STOP"
        config = asked.body.generation_config
        self.choices = max(1, config.candidate_count or 1) if config is not None else 1
        self.thoughts = count // 2 if style is Style.REASONING else 0

    def events(self) -> Reply:
        pieces = [
            b"".join(_event(self._response(index, [part], None, said)) for index in range(self.choices))
            for said, part in enumerate(self._parts(), start=1)
        ]
        whole = self.style in CALLING
        last: list[dict[str, object]] = [] if whole else [{"text": "", "thoughtSignature": SEAL}]
        finish = b"".join(_event(self._response(index, last, self.finish, self.count)) for index in range(self.choices))
        spoken = self.count * self.choices
        return Reply(b"", pieces, finish, b"", b"", spoken, spoken // len(pieces) if whole else self.choices)

    def whole(self) -> Reply:
        candidates = [self._candidate(index, list(_join(self._parts())), self.finish) for index in range(self.choices)]
        body = {"candidates": candidates, **self.tail(self.count)}
        return Reply(whole=_encode(body), output=self.count * self.choices, tokens_per_piece=self.choices)

    def tail(self, said: int) -> dict[str, object]:
        """What stands beside the candidates once `said` tokens of each have been said; counts of 0 are left out."""
        choices, thought = self.choices, min(said, self.thoughts)
        counts = {
            "promptTokenCount": self.asked.input_tokens,
            "candidatesTokenCount": (said - thought) * choices,
            "thoughtsTokenCount": thought * choices,
            "totalTokenCount": self.asked.input_tokens + said * choices,
        }
        used = {name: count for name, count in counts.items() if count}
        return {"usageMetadata": used, "modelVersion": self.model, "responseId": self.identity}

    def _parts(self) -> Iterator[dict[str, object]]:
        if self.style in CALLING:
            yield {"functionCall": {"name": NAMES[0], "args": ARGUMENTS}, "thoughtSignature": SEAL}
            if self.style is Style.PARALLEL:
                yield {"functionCall": {"name": NAMES[1], "args": ARGUMENTS}}
            return
        for position in range(self.count):
            text: dict[str, object] = {"text": say_word(position, self.style)}
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


def _embeddings(asked: Asked, verb: str) -> bytes:
    rows = [
        {"values": [((index + 1) * (place + 3) % 17) / 17 - 0.5 for place in range(DIMENSIONS)]}
        for index in range(len(asked.body.requests or (b"",)))
    ]
    return _encode({"embeddings": rows} if verb == "batchEmbedContents" else {"embedding": rows[0]})


def _encode(value: object) -> bytes:
    return dumps(value, separators=(",", ":")).encode()


def _event(value: object) -> bytes:
    return b"data: " + _encode(value) + b"\r\n\r\n"
