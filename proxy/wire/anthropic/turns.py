"""The turns of a dialogue as `system` and `messages`.

What Anthropic wants and other formats do not: instructions at the top only (or, of some models, in system turns that follow
the user), the first turn the user's, one turn after the other with all tool results first, and no turn without content.
Reasoning goes back only under Anthropic's own seal. A last turn of the assistant is continued by models that do that;
others are asked to.
"""

from collections.abc import Sequence

from proxy.core.facts import ModelFacts
from proxy.core.features import Fate, Feature
from proxy.wire.anthropic.parts import BlockOut, is_ours, write_parts
from proxy.wire.dialogue import Dialogue, Text, Thinking, ToolCall, Turn
from proxy.wire.openai_envelope import EnvelopeError

MessageOut = dict[str, object]

_OPENING = "(The conversation begins with your own words.)"
_CONTINUE = "Continue exactly where you stopped, without repeating anything and without any introduction."


class TurnWriter:
    """Writes the turns of one dialogue. `system` and `messages` are what it made of them."""

    def __init__(self, dialogue: Dialogue, facts: ModelFacts, fates: dict[Feature, Fate]) -> None:
        self._facts = facts
        self._fates = fates
        self.system: list[BlockOut] = []
        self.messages: list[tuple[str, list[BlockOut]]] = []
        self._folded: list[BlockOut] = []
        leading, rest = _split(dialogue.turns)
        if not rest and leading:
            # Instructions and nothing else: the last of them is what is asked.
            rest = [Turn("user", leading[-1].parts)]
            leading = leading[:-1]
        for turn in leading:
            self.system += write_parts(turn.parts)
        for turn in rest:
            self._write(turn)
        self._unfold()
        if not self.messages:
            raise EnvelopeError("messages: at least one message is required", "messages")
        if self.messages[0][0] != "user":
            self.messages.insert(0, ("user", [{"type": "text", "text": _OPENING}]))

    def end(self, thinks: bool) -> None:
        """Settle what a last turn of the assistant means. `thinks`: this request thinks first."""
        role, content = self.messages[-1]
        if role != "assistant":
            return
        # Without thinking a last turn must hold none; with it the turn would be ours to begin.
        content[:] = [block for block in content if block["type"] not in ("thinking", "redacted_thinking")]
        if content and content[-1]["type"] == "text":
            content[-1]["text"] = content[-1]["text"].rstrip()
        if not content:
            self.messages.pop()
        elif content[-1]["type"] == "text" and (thinks or self._facts.prefill is False):
            self._fates[Feature.PREFILL] = Fate.APPROXIMATED
            self.messages.append(("user", [{"type": "text", "text": _CONTINUE}]))

    def _write(self, turn: Turn) -> None:
        if turn.role == "system":
            self._write_instructions(turn)
            return
        if turn.role == "assistant":
            self._note_thinking(turn)
            self._append("assistant", write_parts(turn.parts))
            return
        blocks = write_parts(turn.parts)
        results = [block for block in blocks if block["type"] == "tool_result"]
        others = [block for block in blocks if block["type"] != "tool_result"]
        self._append("user", [*results, *self._folded, *others])
        self._folded = []

    def _write_instructions(self, turn: Turn) -> None:
        blocks = [block for block in write_parts(turn.parts) if block["type"] == "text"]
        if self._facts.later_system and self.messages and self.messages[-1][0] != "assistant":
            self._fates.setdefault(Feature.LATER_SYSTEM, Fate.CARRIED)
            self._append("system", blocks)
            return
        self._fates[Feature.LATER_SYSTEM] = Fate.APPROXIMATED
        self._folded += [{**block, "text": f"<system>\n{block['text']}\n</system>"} for block in blocks]

    def _unfold(self) -> None:
        """Instructions that no user turn follows."""
        if self._folded:
            self._append("user", self._folded)
            self._folded = []

    def _append(self, role: str, blocks: list[BlockOut]) -> None:
        if not blocks:
            return
        if self.messages and self.messages[-1][0] == role:
            content = self.messages[-1][1]
            content += blocks
            content.sort(key=lambda block: role == "user" and block["type"] != "tool_result")
        else:
            self.messages.append((role, blocks))

    def _note_thinking(self, turn: Turn) -> None:
        for part in turn.parts:
            if isinstance(part, Thinking) and not is_ours(part):
                if part.text:
                    self._fates[Feature.THINKING_HISTORY] = Fate.DROPPED
                if part.signature or part.redacted:
                    self._fates[Feature.SIGNATURES] = Fate.DROPPED
            elif isinstance(part, ToolCall) and part.signature:
                self._fates[Feature.SIGNATURES] = Fate.DROPPED


def write_messages(messages: Sequence[tuple[str, list[BlockOut]]]) -> list[MessageOut]:
    """`messages` as they are sent; a turn that is one plain text is that string."""
    return [{"role": role, "content": _flatten(content)} for role, content in messages]


def write_system(blocks: list[BlockOut]) -> list[BlockOut] | str:
    return _flatten(blocks)


def breaks_off_thinking(messages: Sequence[tuple[str, list[BlockOut]]]) -> bool:
    """Whether the last turn of the assistant calls tools without having thought, as one that another vendor wrote: with
    a budget for thinking Anthropic refuses to go on from there."""
    for role, content in reversed(messages):
        if role == "assistant":
            calls = any(block["type"] == "tool_use" for block in content)
            return calls and content[0]["type"] not in ("thinking", "redacted_thinking")
    return False


def _flatten(blocks: list[BlockOut]) -> list[BlockOut] | str:
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        text: str = blocks[0]["text"]
        return text
    return blocks


def _split(turns: Sequence[Turn]) -> tuple[Sequence[Turn], Sequence[Turn]]:
    """The instructions before anything else that says something, and everything from there on."""
    said = [turn for turn in turns if any(not isinstance(part, Text) or part.text.strip() for part in turn.parts)]
    at = next((place for place, turn in enumerate(said) if turn.role != "system"), len(said))
    return said[:at], said[at:]
