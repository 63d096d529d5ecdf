"""The turns of a dialogue as `contents` and `systemInstruction`.

There are two roles, `user` and `model`, and consecutive turns of one role become one content. Instructions that stand before
everything go into `systemInstruction`; later ones are folded into the user's content, in a tag. Results of functions are
matched by the function's name, which is looked up by the call's id, and stand before everything else in their content, all
results of one turn in one content.

Seals. A model that thinks signs the part that it wrote after thinking: the first call of a turn, or the text. Such a
`thoughtSignature` goes back on the very part: a call's stands with the call, a text's comes as a `Thinking` of Google beside
it. Gemini 3 refuses calls in the history without a seal. Calls that another vendor's model made have none, so the first
of each turn gets the word that Google's documentation (Thought signatures, FAQ) gives for that case. Thoughts of other
vendors are left out.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from proxy.core.features import Fate, Feature
from proxy.wire.dialogue import (
    GOOGLE,
    Audio,
    Dialogue,
    Document,
    Image,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from proxy.wire.gemini.host import Host
from proxy.wire.gemini.media import write_audio, write_document, write_image
from proxy.wire.lenient import UNREADABLE
from proxy.wire.openai_envelope import EnvelopeError

#: Takes the place of a seal on calls that no Gemini model made.
NO_SEAL = "skip_thought_signature_validator"

_OBJECT = msgspec.json.Decoder(dict[str, Raw])

JsonPart = dict[str, Any]


class Contents:
    """Writes turns one after the other. `seals`: this model refuses calls without a seal. Read `system`, `contents` and
    `fates` (what this history lost) afterwards. Raises EnvelopeError for what cannot be said."""

    def __init__(self, host: Host, seals: bool) -> None:
        self._host = host
        self._seals = seals
        self._names: dict[str, str] = {}
        self._parts: list[JsonPart] = []
        self._seal: str | None = None
        self.system: list[JsonPart] = []
        self.contents: list[dict[str, Any]] = []
        self.fates: dict[Feature, Fate] = {}

    def write(self, dialogue: Dialogue) -> None:
        for turn in dialogue.turns:
            if turn.role == "system":
                self._take_instructions(turn)
            else:
                self._take_turn(turn)
        if not self.contents and self.system:
            # There must be something to answer.
            self._add("user", self.system)
            self.system = []
            self.fates[Feature.LATER_SYSTEM] = Fate.APPROXIMATED
        for content in self.contents:
            content["parts"].sort(key=_follows_results)

    def _take_instructions(self, turn: Turn) -> None:
        texts = [part.text for part in turn.parts if isinstance(part, Text) and part.text]
        if self.contents:
            self._add("user", [{"text": f"<system>\n{text}\n</system>"} for text in texts])
        else:
            self.system += [{"text": text} for text in texts]

    def _take_turn(self, turn: Turn) -> None:
        self._parts = []
        for part in turn.parts:
            _WRITERS[type(part)](self, part)
        self._place_seal()
        if self._seals:
            _sign_first_call(self._parts)
        self._add("user" if turn.role == "user" else "model", self._parts)

    def _add(self, role: str, parts: list[JsonPart]) -> None:
        if not parts:
            return
        if self.contents and self.contents[-1]["role"] == role:
            self.contents[-1]["parts"] += parts
        else:
            self.contents.append({"role": role, "parts": list(parts)})

    def _take_text(self, part: Text | Refusal) -> None:
        if not part.text:
            return
        written: JsonPart = {"text": part.text}
        if self._seal is not None:
            written["thoughtSignature"], self._seal = self._seal, None
        self._parts.append(written)

    def _take_thinking(self, part: Thinking) -> None:
        seal = part.signature or part.redacted
        if part.vendor != GOOGLE:
            self.fates[Feature.THINKING_HISTORY] = Fate.DROPPED
            if seal:
                self.fates[Feature.SIGNATURES] = Fate.DROPPED
            return
        if part.text:
            self._parts.append({"text": part.text, "thought": True})
        if seal:
            self._place_seal()
            self._seal = seal
            if self._parts and _is_plain_text(self._parts[-1]):
                self._parts[-1]["thoughtSignature"], self._seal = seal, None

    def _place_seal(self) -> None:
        """A seal that no text has taken stands alone, as it does in Gemini's own streams."""
        if self._seal is not None:
            self._parts.append({"text": "", "thoughtSignature": self._seal})
            self._seal = None

    def _take_image(self, part: Image) -> None:
        self._parts.append(write_image(part, self._host))

    def _take_audio(self, part: Audio) -> None:
        self._parts.append(write_audio(part))

    def _take_document(self, part: Document) -> None:
        self._parts.append(write_document(part, self._host))

    def _take_call(self, part: ToolCall) -> None:
        self._names[part.id] = part.name
        call: dict[str, Any] = {"name": part.name, "args": _write_arguments(part)}
        if self._host.call_ids and part.id:
            call["id"] = part.id
        written: JsonPart = {"functionCall": call}
        if part.signature:
            written["thoughtSignature"] = part.signature
        self._parts.append(written)

    def _take_result(self, part: ToolResult) -> None:
        name = part.name or self._names.get(part.id)
        if not name:
            raise EnvelopeError(f"There is no call with the id '{part.id}' that this result could belong to.")
        said: dict[str, Any] = {"name": name, "response": _write_response(part)}
        if self._host.call_ids and part.id:
            said["id"] = part.id
        self._parts.append({"functionResponse": said})
        for media in part.content:
            if not isinstance(media, Text):
                _WRITERS[type(media)](self, media)


_WRITERS: Mapping[type, Callable[..., None]] = {
    Text: Contents._take_text,
    Refusal: Contents._take_text,
    Thinking: Contents._take_thinking,
    Image: Contents._take_image,
    Audio: Contents._take_audio,
    Document: Contents._take_document,
    ToolCall: Contents._take_call,
    ToolResult: Contents._take_result,
}


def _follows_results(part: JsonPart) -> bool:
    return "functionResponse" not in part


def _is_plain_text(part: JsonPart) -> bool:
    return "text" in part and "thought" not in part and "thoughtSignature" not in part


def _sign_first_call(parts: list[JsonPart]) -> None:
    for part in parts:
        if "functionCall" in part:
            part.setdefault("thoughtSignature", NO_SEAL)
            return


def _write_arguments(call: ToolCall) -> Raw | dict[str, str]:
    """The arguments as the bytes that they were. Raises EnvelopeError where they are no JSON object."""
    if call.custom:
        return {"input": call.arguments}
    if not call.arguments.strip():
        return {}
    if not _is_object(call.arguments):
        raise EnvelopeError(f"The arguments of the call '{call.id}' are no JSON object.")
    return Raw(call.arguments.encode())


def _write_response(result: ToolResult) -> Raw | dict[str, Any]:
    """A result has to be an object: one that is stays the bytes that it was, anything else becomes the member `result`, and
    what failed the member `error`."""
    text = "\n".join(part.text for part in result.content if isinstance(part, Text))
    structured = _is_object(text)
    if structured and not result.error:
        return Raw(text.encode())
    return {"error" if result.error else "result": Raw(text.encode()) if structured else text}


def _is_object(text: str) -> bool:
    try:
        _OBJECT.decode(text)
    except UNREADABLE:
        return False
    return True
