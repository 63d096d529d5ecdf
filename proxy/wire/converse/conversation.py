"""Turns as Converse wants them: instructions apart, the user first, and roles taking turns.

Converse's rules, which most models behind it enforce: no two turns of one role in a row, results of calls before anything
else of their turn, no blank text, a text beside every document, no blanks at the end of an answer that is to be continued.
What a turn loses by them is nothing a model would read; what it loses beyond them is noted in the aim.

Reasoning of earlier turns goes back only to Claude, and only where it was written here and sealed: other models refuse it,
and seals of other vendors are not ours to send.
"""

from dataclasses import dataclass, field
from typing import Any

from proxy.core.features import Feature
from proxy.wire.converse.aim import Aim, Family
from proxy.wire.converse.blocks import Block, make_cache_point, write_audio, write_document, write_image
from proxy.wire.converse.tools import clean_id, write_call
from proxy.wire.dialogue import (
    ANTHROPIC,
    BEDROCK,
    Audio,
    CacheMark,
    Dialogue,
    Document,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)

#: Said by the user where a conversation does not begin with one, and beside a document that comes without a word.
OPENING = "Begin."
BESIDE_DOCUMENT = "See the document."
#: Asked of models that do not go on by themselves with an answer that was begun for them.
CONTINUE = "Go on exactly where you stopped, without an introduction and without saying anything twice."
#: A failed call must have some result.
NO_RESULT = "error"


@dataclass(slots=True)
class Conversation:
    system: list[Block] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def open_call(self) -> bool:
        """The model is in the middle of a turn with calls whose reasoning cannot be shown to it, or has begun its answer:
        Claude does not think then."""
        for message in reversed(self.messages):
            content = message["content"]
            if message["role"] == "assistant":
                return "reasoningContent" not in content[0]
            if not any("toolResult" in block for block in content):
                return False
        return False


def write_conversation(dialogue: Dialogue, aim: Aim, flatten: bool) -> Conversation:
    """`flatten`: calls and their results become text. Raises EnvelopeError for parts that cannot be said."""
    writer = _Writer(aim, flatten)
    for turn in dialogue.turns:
        writer.take(turn)
    return writer.finish()


class _Writer:
    def __init__(self, aim: Aim, flatten: bool) -> None:
        self._aim = aim
        self._flatten = flatten
        self._names: set[str] = set()
        self._done = Conversation()

    def take(self, turn: Turn) -> None:
        if turn.role != "system":
            self._add(turn.role, [block for part in turn.parts for block in self._write(part)])
            return
        blocks = [block for part in turn.parts if isinstance(part, Text) for block in self._write(part)]
        messages = self._done.messages
        if not messages:
            self._done.system += blocks
        elif self._aim.facts.later_system and messages[-1]["role"] == "user":
            self._add("system", blocks)
        else:
            self._add("user", [_wrap(block) for block in blocks])

    def finish(self) -> Conversation:
        messages = self._done.messages
        if not messages or messages[0]["role"] == "assistant":
            messages.insert(0, {"role": "user", "content": [{"text": OPENING}]})
        for message in messages:
            kinds = {kind for block in message["content"] for kind in block}
            if message["role"] == "user" and "document" in kinds and "text" not in kinds:
                message["content"].append({"text": BESIDE_DOCUMENT})
        if messages[-1]["role"] == "assistant":
            self._end(messages[-1]["content"])
        return self._done

    def _end(self, content: list[Block]) -> None:
        """What a last turn of the assistant has to be to be continued."""
        content[:] = [block for block in content if "reasoningContent" not in block]
        if not content:
            self._done.messages.pop()
        elif "text" in content[-1]:
            content[-1] = {"text": content[-1]["text"].rstrip()}
            if self._aim.facts.prefill is False:
                self._aim.approximate(Feature.PREFILL)
                self._add("user", [{"text": CONTINUE}])

    def _add(self, role: str, blocks: list[Block]) -> None:
        if not blocks:
            return
        messages = self._done.messages
        if not messages or messages[-1]["role"] != role:
            messages.append({"role": role, "content": []})
        content = messages[-1]["content"]
        results, rest = _split_results(blocks)
        place = len(_split_results(content)[0])
        content[place:place] = results
        content += rest

    def _write(self, part: Part) -> list[Block]:
        if isinstance(part, Text):
            return self._write_text(part.text, part.cache)
        if isinstance(part, Refusal):
            return self._write_text(part.text)
        if isinstance(part, Image):
            return [write_image(part), *make_cache_point(part.cache, self._aim)]
        if isinstance(part, Audio):
            return [write_audio(part)]
        if isinstance(part, Document):
            return [write_document(part, self._names), *make_cache_point(part.cache, self._aim)]
        if isinstance(part, Thinking):
            return self._write_thinking(part)
        return self._write_call(part) if isinstance(part, ToolCall) else self._write_result(part)

    def _write_text(self, text: str, cache: CacheMark | None = None) -> list[Block]:
        return [{"text": text}, *make_cache_point(cache, self._aim)] if text.strip() else []

    def _write_thinking(self, part: Thinking) -> list[Block]:
        if self._aim.family is Family.CLAUDE:
            if part.redacted and part.vendor == BEDROCK:
                return [{"reasoningContent": {"redactedContent": part.redacted}}]
            if part.signature and part.vendor == ANTHROPIC:
                return [{"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature}}}]
        if part.signature or part.redacted:
            self._aim.drop(Feature.SIGNATURES)
        self._aim.drop(Feature.THINKING_HISTORY)
        return []

    def _write_call(self, part: ToolCall) -> list[Block]:
        block = {"text": f"[Called {part.name} with {part.arguments or '{}'}]"} if self._flatten else write_call(part)
        return [block, *make_cache_point(part.cache, self._aim)]

    def _write_result(self, part: ToolResult) -> list[Block]:
        content = [block for inner in part.content for block in self._write(inner) if "cachePoint" not in block]
        if self._flatten:
            failed = "failed" if part.error else "returned"
            blocks = [{"text": f"[{part.name or 'The call'} {failed}:]"}, *content]
        else:
            result: Block = {"toolUseId": clean_id(part.id), "content": content}
            if part.error:
                result["status"] = "error"
                result["content"] = content or [{"text": NO_RESULT}]
            blocks = [{"toolResult": result}]
        return [*blocks, *make_cache_point(part.cache, self._aim)]


def _wrap(block: Block) -> Block:
    """Instructions in the middle of a conversation, for models that know them only at its start."""
    return {"text": f"<system>\n{block['text']}\n</system>"} if "text" in block else block


def _split_results(blocks: list[Block]) -> tuple[list[Block], list[Block]]:
    """Results of calls, and everything else, each with the cache points that follow it."""
    sides: tuple[list[Block], list[Block]] = ([], [])
    side = sides[1]
    for block in blocks:
        if "cachePoint" not in block:
            side = sides[0] if "toolResult" in block else sides[1]
        side.append(block)
    return sides
