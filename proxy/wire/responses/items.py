"""The input of a Responses request, read into turns.

The API's history is a flat list: messages, calls, results and reasoning follow each other. Turns are made of it so that a
vendor with turns can continue: what the assistant did in a row is one turn, and the results of its calls are one turn of
the user right behind it, in the order of the calls, wherever in the list they stood. Calls and results belong together by
`call_id`; `id` is only a vendor's name for the item.

Records of what a vendor's own tools did (a web search, a code run) are told by the message that followed them, so another
vendor can go on without them; they are named in `unknown`. Items that ask for something only their vendor can go on with
need that vendor: `HOSTED_TOOLS`, or `STATE` where it is held in its account. Items that bring tools (`additional_tools`,
what a search for tools found) add them to the request's.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from proxy.core.features import Feature
from proxy.wire import seals
from proxy.wire.dialogue import OPENAI, Dialogue, Document, Image, Part, Text, Thinking, ToolCall, ToolResult, Turn
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.responses.content import Fields, read_content, read_text
from proxy.wire.responses.tools import join_name, read_tools

#: What vendors' own tools did: finished, and told by what follows.
RECORDS = frozenset(
    (
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_list_tools",
        "mcp_call",
        "tool_search_call",
    )
)
#: What stands for something in one vendor's account.
HELD = frozenset(("item_reference", "compaction", "compaction_trigger"))

_ROLES = frozenset(("user", "assistant", "system", "developer"))


class HistoryReader:
    """Builds the turns of one request. `features` and `unknown` are the dialogue's, noted into."""

    __slots__ = ("_calls", "_dialogue", "_orphans", "_results", "_turns")

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._turns: list[Turn] = []
        #: Of each call: the number of its turn, and its name.
        self._calls: dict[str, tuple[int, str]] = {}
        #: Of each turn with calls: the results by call.
        self._results: dict[int, dict[str, ToolResult]] = {}
        self._orphans: list[tuple[str, ToolResult]] = []

    def read(self, instructions: object, items: object) -> list[Turn]:
        """Raises EnvelopeError for what no vendor could be asked."""
        if instructions is not None and not isinstance(instructions, str):
            raise EnvelopeError("Invalid type for 'instructions': expected a string.", "instructions", "invalid_type")
        if instructions:
            self._turns.append(Turn("system", [Text(instructions)]))
        if isinstance(items, str):
            self._turns.append(Turn("user", [Text(items)]))
        elif isinstance(items, list):
            for at, item in enumerate(items):
                self._read_item(item, f"input[{at}]")
        elif items is not None:
            message = "Invalid type for 'input': expected a string or an array of items."
            raise EnvelopeError(message, "input", "invalid_type")
        return self._assemble()

    def _read_item(self, item: object, where: str) -> None:
        if not isinstance(item, dict):
            raise EnvelopeError(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
        features, kind = self._dialogue.features, item.get("type")
        if kind is None:
            # Short forms have no type: a message has a role, a reference only an id.
            kind = "message" if "role" in item else "item_reference"
        kind = kind if isinstance(kind, str) else ""
        read = _READERS.get(kind)
        if read is not None:
            read(self, item, where)
        elif kind in RECORDS:
            name = f"input.{kind}"
            if name not in self._dialogue.unknown:
                self._dialogue.unknown.append(name)
        else:
            feature = Feature.STATE if kind in HELD else Feature.HOSTED_TOOLS
            features.add(feature)
            self._dialogue.places.setdefault(feature, where)

    def _read_message(self, item: Fields, where: str) -> None:
        role = item.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            place = f"{where}.role"
            known = "'assistant', 'system', 'developer', and 'user'"
            raise EnvelopeError(f"Invalid value: '{role}'. Supported values are: {known}.", place, "invalid_value")
        parts = read_content(item.get("content"), f"{where}.content", self._dialogue.features)
        if not parts:
            return
        if role == "assistant":
            self._assistant().parts += parts
        elif role == "user":
            self._turns.append(Turn("user", parts))
        else:
            if any(turn.role != "system" for turn in self._turns):
                self._dialogue.features.add(Feature.LATER_SYSTEM)
            self._turns.append(Turn("system", parts))

    def _read_call(self, item: Fields, where: str) -> None:
        custom = item.get("type") == "custom_tool_call"
        self._dialogue.features.add(Feature.CUSTOM_TOOLS if custom else Feature.TOOLS)
        call_id, name = _require(item, where, "call_id"), _require(item, where, "name")
        arguments = item.get("input" if custom else "arguments")
        if isinstance(arguments, dict):  # some clients parse them and forget to write them again
            arguments = msgspec.json.encode(arguments).decode()
        bare, signature = seals.split_id(call_id)
        turn = self._assistant()
        if any(isinstance(part, ToolCall) for part in turn.parts):
            self._dialogue.features.add(Feature.PARALLEL_TOOLS)
        if signature is not None:
            self._dialogue.features.add(Feature.SIGNATURES)
        namespace = read_text(item.get("namespace"))
        if namespace:
            name = join_name(namespace, name)
        turn.parts.append(ToolCall(bare, name, read_text(arguments), custom, signature))
        self._calls[bare] = (len(self._turns) - 1, name)

    def _read_result(self, item: Fields, where: str) -> None:
        call_id, _ = seals.split_id(_require(item, where, "call_id"))
        content: list[Text | Image | Document] = []
        for part in read_content(item.get("output"), f"{where}.output", self._dialogue.features):
            if isinstance(part, Text | Image | Document):
                content.append(part)
        if not all(isinstance(part, Text) for part in content):
            self._dialogue.features.add(Feature.TOOL_RESULT_MEDIA)
        turn, name = self._calls.get(call_id, (-1, ""))
        result = ToolResult(call_id, name, content, custom=item.get("type") == "custom_tool_call_output")
        if turn < 0:
            self._orphans.append((where, result))
            self._turns.append(Turn("user", [result]))
        else:
            self._results.setdefault(turn, {})[call_id] = result

    def _read_reasoning(self, item: Fields, where: str) -> None:
        features = self._dialogue.features
        thinking = Thinking(_read_reasoning_text(item))
        sealed = item.get("encrypted_content")
        if isinstance(sealed, str) and sealed:
            own = seals.unwrap(sealed)
            if own is None:
                thinking.signature, thinking.vendor = sealed, OPENAI
            elif own.kind == "redacted":
                thinking = Thinking(redacted=own.payload, vendor=own.vendor)
            else:
                thinking.signature, thinking.vendor = own.payload, own.vendor
            features.add(Feature.SIGNATURES)
        if thinking.text:
            features.add(Feature.THINKING_HISTORY)
        if thinking.text or thinking.vendor:
            self._assistant().parts.append(thinking)

    def _read_tools(self, item: Fields, where: str) -> None:
        self._dialogue.tools += read_tools(item.get("tools"), self._dialogue.features, f"{where}.tools")

    def _assistant(self) -> Turn:
        """The assistant's turn that is being read. A result ends it, though it stands elsewhere in the end."""
        if self._turns and self._turns[-1].role == "assistant" and len(self._turns) - 1 not in self._results:
            return self._turns[-1]
        turn = Turn("assistant", [])
        self._turns.append(turn)
        return turn

    def _assemble(self) -> list[Turn]:
        features = self._dialogue.features
        if self._orphans and Feature.STATE not in features:
            _, result = self._orphans[0]
            raise EnvelopeError(f"No tool call found for function call output with call_id {result.id}.", "input")
        turns: list[Turn] = []
        pending: list[Part] = []
        for at, turn in enumerate(self._turns):
            if pending and turn.role == "user":
                turn.parts = [*pending, *turn.parts]
                pending = []
            elif pending:
                turns.append(Turn("user", pending))
                pending = []
            turns.append(turn)
            found = self._results.get(at, {})
            pending += [found[part.id] for part in turn.parts if isinstance(part, ToolCall) and part.id in found]
        if pending:
            turns.append(Turn("user", pending))
        if turns and turns[-1].role == "assistant":
            features.add(Feature.PREFILL)
        return turns


def _require(item: Fields, where: str, key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        place = f"{where}.{key}"
        raise EnvelopeError(f"Missing required parameter: '{place}'.", place, "missing_required_parameter")
    return value


def _read_reasoning_text(item: Fields) -> str:
    """The reasoning itself where the vendor shows it, else its summary, paragraph by paragraph."""
    for key, joint in (("content", ""), ("summary", "\n\n")):
        parts: Any = item.get(key)
        rows = parts if isinstance(parts, list) else []
        texts = [read_text(row.get("text")) for row in rows if isinstance(row, dict)]
        if any(texts):
            return joint.join(texts)
    return ""


_READERS: Mapping[str, Callable[[HistoryReader, Fields, str], None]] = {
    "message": HistoryReader._read_message,
    "function_call": HistoryReader._read_call,
    "custom_tool_call": HistoryReader._read_call,
    "function_call_output": HistoryReader._read_result,
    "custom_tool_call_output": HistoryReader._read_result,
    "reasoning": HistoryReader._read_reasoning,
    "additional_tools": HistoryReader._read_tools,
    "tool_search_output": HistoryReader._read_tools,
}
