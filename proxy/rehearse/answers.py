"""What a model would say: believable OpenAI answers, whole or as events, with usage that can be counted.

A simulated model speaks one word per token. Answers carry the provider's name and the request's number in their `id`,
so that whoever holds a client's copy can tell which provider's bytes are in it.
"""

import base64
import functools
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from json import dumps
from urllib.parse import unquote

import msgspec

from proxy.rehearse.behaviour import Style
from proxy.rehearse.calls import CALLING, NAMES, list_calls, name_call, plan_calls
from proxy.wire.multipart import read_form

TEXT = (
    "When one lamp goes dark another is already lit and the page you were reading stays bright enough to finish the "
    "sentence because light does not care which wire it came through"
)
WORDS = TEXT.split()
#: Of scripts that nobody asked for, as models sprinkled them over their answers in the summer of 2025.
FOREIGN = ("สวัสดี", "灯光", "свет")
CREATED = 1_760_000_000
DONE = b"data: [DONE]\n\n"


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class GenerationConfig(msgspec.Struct, rename="camel"):
    """Where Gemini has what others have at the top."""

    candidate_count: int | None = 1
    max_output_tokens: int | None = None


class InferenceConfig(msgspec.Struct, rename="camel"):
    """The same at Bedrock."""

    max_tokens: int | None = None


class Body(msgspec.Struct):
    """The part of a request body that a simulated model looks at, whichever format it is in."""

    model: str = ""
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = 1
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    include: list[str] | None = None
    user: str | None = None
    input: object = None
    encoding_format: str | None = None
    response_format: object = None
    stream_format: str | None = None
    documents: list[object] | None = None
    generation_config: GenerationConfig | None = msgspec.field(name="generationConfig", default=None)
    requests: list[msgspec.Raw] | None = None
    inference_config: InferenceConfig | None = msgspec.field(name="inferenceConfig", default=None)
    texts: list[msgspec.Raw] | None = None
    anthropic_version: str | None = None


_MODEL_PATHS = re.compile(r"/(?:deployments|models|model)/([^/]+?)(?::[A-Za-z]+)?(?:/|$)")
_decoder = msgspec.json.Decoder(Body)


@dataclass(slots=True)
class Asked:
    """A request as a simulated provider reads it. `label` is the body's `user`, by which a rehearsal finds its client
    again; `key` the bearer token or API key that came with it; `data` the body as it came."""

    method: str
    path: str
    key: str
    body: Body
    size: int
    data: bytes = b""

    @property
    def label(self) -> str:
        return self.body.user or ""

    @property
    def model(self) -> str:
        """Some vendors have it in the body, others in the path."""
        if self.body.model:
            return self.body.model
        found = _MODEL_PATHS.search(self.path)
        return unquote(found[1]) if found is not None else ""

    @property
    def streams(self) -> bool:
        """Some vendors say it in the body, others in the path's last part."""
        if self.path.endswith("/embeddings"):
            return False
        if self.path.endswith("/audio/speech"):
            return True
        return bool(self.body.stream) or "stream" in self.path.rpartition("/")[2].lower()

    @property
    def input_tokens(self) -> int:
        """A rough count: four bytes of body to the token."""
        return max(1, self.size // 4)


def read_head(head: bytes, body: bytes) -> Asked:
    """Read a request from its raw head and body; a body that is not a JSON object reads as an empty one."""
    method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    key = kind = ""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() in (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"):
            key = value.strip().decode("latin-1").removeprefix("Bearer ")
        elif name.lower() == b"content-type":
            kind = value.strip().decode("latin-1")
    return ask(method, target.partition("?")[0], key, body, kind)


def ask(method: str, path: str, key: str, body: bytes, content_type: str = "") -> Asked:
    if content_type.startswith("multipart/"):
        return Asked(method, path, key, _read_form(content_type, body), len(body), body)
    try:
        decoded = _decoder.decode(body) if body else Body()
    except msgspec.DecodeError:
        decoded = Body()
    return Asked(method, path, key, decoded, len(body), body)


def tell_usage(asked: Asked) -> Asked:
    """The same request, as if it asked for usage in the stream."""
    return replace(asked, body=msgspec.structs.replace(asked.body, stream_options=StreamOptions(include_usage=True)))


def _read_form(content_type: str, body: bytes) -> Body:
    fields = read_form(content_type, body).fields
    return Body(
        model=fields.get("model", ""),
        stream=fields.get("stream") == "true",
        user=fields.get("user"),
        response_format=fields.get("response_format"),
    )


@dataclass(slots=True)
class Reply:
    """An answer in pieces. `opening` is the contentless first event, `pieces` carry one token per choice each, `finish`
    and `usage` close them; a whole answer has only `whole`. `content_type` None: JSON, or an event stream."""

    opening: bytes = b""
    pieces: Sequence[bytes] = ()
    finish: bytes = b""
    usage: bytes = b""
    whole: bytes = b""
    output: int = 0
    tokens_per_piece: int = 1
    content_type: bytes | None = None


def compose(asked: Asked, identity: str, chunks: int, style: Style = Style.TEXT) -> Reply:
    """The answer to a request; `identity` becomes part of its id. `chunks` is how many tokens the model wants to say,
    `max_tokens` may end it sooner."""
    if asked.path.endswith("/embeddings"):
        return Reply(whole=_embeddings(asked))
    if asked.method == "GET":
        return Reply(whole=_models(asked))
    limit = asked.body.max_completion_tokens or asked.body.max_tokens or chunks
    count = min(chunks, limit)
    speech = _Speech(asked, identity, count, "length" if limit < chunks else "stop", style)
    return speech.events() if asked.streams else speech.whole()


def empty_choices(asked: Asked, identity: str) -> bytes:
    """An answer without choices: one event of a stream, or a whole body."""
    kind = "chat.completion.chunk" if asked.streams else "chat.completion"
    body = _json({"id": identity, "object": kind, "created": CREATED, "model": asked.body.model, "choices": []})
    return _event(body) if asked.streams else body


def _json(value: object) -> bytes:
    return dumps(value, separators=(",", ":")).encode()


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


class _Speech:
    """One answer of a chat or a legacy completion."""

    def __init__(self, asked: Asked, identity: str, count: int, finish: str, style: Style) -> None:
        self.asked = asked
        self.chat = asked.path.endswith("/chat/completions")
        self.identity = f"{'chatcmpl' if self.chat else 'cmpl'}-{identity}"
        self.count = count
        self.choices = max(1, asked.body.n or 1)
        self.style = style if self.chat else Style.TEXT
        self.finish = "tool_calls" if self.style in CALLING else finish
        self.options = asked.body.stream_options
        self.with_usage = self.options is not None and self.options.include_usage

    def usage(self) -> dict[str, object]:
        spoken = self.count * self.choices
        thought = self.count // 2 * self.choices if self.style is Style.REASONING else 0
        given = self.asked.input_tokens
        return {
            "prompt_tokens": given,
            "completion_tokens": spoken,
            "total_tokens": given + spoken,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0},
        }

    def events(self) -> Reply:
        frame = self._frame()
        opening = b""
        if self.chat:
            first: dict[str, object] = {"role": "assistant", "content": "", "refusal": None}
            if self.style in CALLING:
                first = {"role": "assistant", "content": None, "tool_calls": [self._open_call(0)]}
            opening = b"".join(frame(index, first, None) for index in range(self.choices))
        pieces = self._pieces(frame)
        finish = b"".join(frame(index, {}, self.finish) for index in range(self.choices))
        usage = _event(_json({**self._head(), "choices": [], "usage": self.usage()})) if self.with_usage else b""
        return Reply(opening, pieces, finish, usage, b"", self.count * self.choices, self.choices)

    def _pieces(self, frame: "Callable[[int, dict[str, object], str | None], bytes]") -> list[bytes]:
        if self.style in CALLING:
            return self._fragments(frame)
        # The n-th piece differs from its neighbour only in one word: cut a sample around it once.
        made: dict[str, list[tuple[bytes, bytes]]] = {}
        pieces = []
        for kind, word in _words(self.count, self.style):
            if kind not in made:
                made[kind] = [self._around(frame, index, kind) for index in range(self.choices)]
            pieces.append(b"".join([before + word + after for before, after in made[kind]]))
        return pieces

    def _fragments(self, frame: "Callable[[int, dict[str, object], str | None], bytes]") -> list[bytes]:
        """Of the arguments of calls; the first call has begun with the stream, later ones begin with their first."""
        pieces = []
        for fragment in plan_calls(self.count, self.style):
            call: dict[str, object] = {"index": fragment.call, "function": {"arguments": fragment.text}}
            if fragment.opens and fragment.call:
                call = self._open_call(fragment.call, fragment.text)
            pieces.append(b"".join(frame(index, {"tool_calls": [call]}, None) for index in range(self.choices)))
        return pieces

    def _open_call(self, call: int, arguments: str = "") -> dict[str, object]:
        return {"index": call, **self._call(call, arguments)}

    def _call(self, call: int, arguments: str) -> dict[str, object]:
        function = {"name": NAMES[call], "arguments": arguments}
        return {"id": name_call("call", self.identity, call), "type": "function", "function": function}

    def _around(
        self, frame: "Callable[[int, dict[str, object], str | None], bytes]", index: int, kind: str
    ) -> tuple[bytes, bytes]:
        before, _, after = frame(index, {kind: "@@"}, None).partition(b"@@")
        return before, after

    def _frame(self) -> "Callable[[int, dict[str, object], str | None], bytes]":
        head = self._head()

        def frame(index: int, delta: dict[str, object], finish: str | None) -> bytes:
            choice: dict[str, object] = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            if not self.chat:
                choice = {"index": index, "text": delta.get("content", ""), "logprobs": None, "finish_reason": finish}
            body = {**head, "choices": [choice]}
            if self.with_usage:
                body["usage"] = None
            return _event(_json(body))

        return frame

    def _head(self) -> dict[str, object]:
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        return {"id": self.identity, "object": kind, "created": CREATED, "model": self.asked.body.model}

    def whole(self) -> Reply:
        spoken, thought = _said(self.count, self.style)
        choices = [self._choice(index, spoken, thought) for index in range(self.choices)]
        kind = "chat.completion" if self.chat else "text_completion"
        body = _json({**self._head(), "object": kind, "choices": choices, "usage": self.usage()})
        return Reply(whole=body, output=self.count * self.choices, tokens_per_piece=self.choices)

    def _choice(self, index: int, spoken: str, thought: str) -> dict[str, object]:
        ending: dict[str, object] = {"logprobs": None, "finish_reason": self.finish}
        if not self.chat:
            return {"index": index, "text": spoken, **ending}
        message: dict[str, object] = {"role": "assistant", "content": spoken, "refusal": None, "annotations": []}
        if thought:
            message["reasoning_content"] = thought
        if self.style in CALLING:
            calls = [self._call(at, text) for at, (_, text) in enumerate(list_calls(self.count, self.style))]
            message |= {"content": None, "tool_calls": calls}
        return {"index": index, "message": message, **ending}


def say_word(place: int, style: Style) -> str:
    """The token at this place of an answer, whichever vendor says it."""
    word = WORDS[place % len(WORDS)]
    if style is Style.WRONG_SCRIPT and place % 4 == 3:
        word = FOREIGN[place % len(FOREIGN)]
    return word if place == 0 else f" {word}"


@functools.lru_cache(maxsize=256)
def _words(count: int, style: Style) -> tuple[tuple[str, bytes], ...]:
    """What is said, token by token: the field of the delta and the text in it, escaped as inside a JSON string."""
    made: list[tuple[str, bytes]] = []
    for position in range(count):
        thinking = style is Style.REASONING and position < count // 2
        made.append(("reasoning_content" if thinking else "content", say_word(position, style).encode()))
    return tuple(made)


@functools.lru_cache(maxsize=256)
def _said(count: int, style: Style) -> tuple[str, str]:
    """The same as whole text: spoken and thought."""
    joined = {"content": "", "reasoning_content": ""}
    for kind, word in _words(count, style):
        joined[kind] += word.decode()
    return joined["content"], joined["reasoning_content"]


def _embeddings(asked: Asked) -> bytes:
    given = asked.body.input if isinstance(asked.body.input, list) else [asked.body.input]
    count = 1 if given and isinstance(given[0], int) else len(given)
    data = []
    for index in range(count):
        vector = [((index + 1) * (place + 3) % 17) / 17 - 0.5 for place in range(16)]
        packed = base64.b64encode(struct.pack("<16f", *vector)).decode()
        value: object = packed if asked.body.encoding_format == "base64" else vector
        data.append({"object": "embedding", "index": index, "embedding": value})
    tokens = asked.input_tokens
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return _json({"object": "list", "model": asked.body.model, "data": data, "usage": usage})


def _models(asked: Asked) -> bytes:
    if not asked.path.endswith("/models"):
        return _json({"status": "ok"})
    model = {"id": "lamp-1", "object": "model", "created": CREATED, "owned_by": "rehearsal"}
    return _json({"object": "list", "data": [model]})
