"""Joints of streams of OpenAI's older formats: chat completions, and completions.

Every chunk of such a stream names its id, time and model; those of the first answer stay. The role stands in the first chunk
only. Content is a text, or (Mistral) a list of parts, which becomes a text behind the seam.
"""

from abc import abstractmethod
from typing import Any

from proxy.wire.joints.joint import ENCODE, Joint, read_count
from proxy.wire.openai_chat import list_parts

#: What all chunks of one answer share.
_SHARED = ("id", "created", "model", "system_fingerprint", "service_tier", "provider")
_REASONING = ("reasoning_content", "reasoning", "reasoning_details")
#: What another answer could not end.
_OBSTACLES = ("tool_calls", "function_call", "audio", "refusal", "annotations")


class ChunkJoint(Joint):
    """What both formats have in common. `_head`: what all chunks of the first answer share."""

    __slots__ = ("_head",)

    def __init__(self) -> None:
        super().__init__()
        self._head: dict[str, Any] = {}

    def _note(self, event: dict[str, Any]) -> None:
        choices = event.get("choices") or ()
        if not self._head and choices:
            self._head = {key: event[key] for key in _SHARED if key in event}
        for choice in choices:
            if choice.get("index"):
                self.obstacle = "more than one choice"
            elif choice.get("logprobs"):
                self.obstacle = "log probabilities"
            else:
                self._note_choice(choice)
            if choice.get("finish_reason"):
                self.obstacle = self.obstacle or "the end"

    def _take_over(self) -> None:
        pass  # the head is all that matters, and it is the first answer's for good

    def _rewrite(self, event: dict[str, Any]) -> bytes:
        usage = event.get("usage")
        if isinstance(usage, dict):
            self._correct(usage)
        choices = event.get("choices")
        if choices and not self._renew(choices[0], bool(choices[0].get("finish_reason"))):
            return b""
        return self._write(event) if choices or usage else b""

    @abstractmethod
    def _note_choice(self, choice: dict[str, Any]) -> None:
        """Take in what a choice brought the client."""

    @abstractmethod
    def _renew(self, choice: dict[str, Any], last: bool) -> bool:
        """Leave in a choice what is new; whether there is anything."""

    def _write(self, event: dict[str, Any]) -> bytes:
        for key in _SHARED:
            event.pop(key, None)
        return b"data: " + ENCODE(self._head | event) + b"\n\n"

    def _correct(self, usage: dict[str, Any]) -> None:
        read, written = self.bill.correct(read_count(usage, "prompt_tokens"), read_count(usage, "completion_tokens"))
        usage.update(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)


class ChatJoint(ChunkJoint):
    """Of `chat.completion.chunk`."""

    __slots__ = ()

    def _note_choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta") or {}
        self._add(_read_content(delta.get("content")))
        self.obstacle = self.obstacle or next((key for key in _OBSTACLES if delta.get(key)), "")

    def _renew(self, choice: dict[str, Any], last: bool) -> bool:
        delta = choice["delta"] = choice.get("delta") or {}
        for key in ("role", *_REASONING):
            delta.pop(key, None)
        new = self._advance(_read_content(delta.pop("content", None)))
        if last or any(delta.get(key) for key in _OBSTACLES):
            new += self._pass()
        if new:
            delta["content"] = new
        return last or any(delta.values())


class CompletionJoint(ChunkJoint):
    """Of `text_completion`."""

    __slots__ = ()

    def _note_choice(self, choice: dict[str, Any]) -> None:
        self._add(choice.get("text") or "")

    def _renew(self, choice: dict[str, Any], last: bool) -> bool:
        choice["text"] = self._advance(choice.get("text") or "") + (self._pass() if last else "")
        return last or bool(choice["text"])


def _read_content(content: Any) -> str:
    """The text of a delta's content, without reasoning that stands beside it."""
    if isinstance(content, str):
        return content
    parts = list_parts(content) if isinstance(content, list) else ()
    return "".join(text for kind, text in parts if kind == "content")
