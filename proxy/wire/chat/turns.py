"""The messages of a chat request, read into turns.

Theory of operation. One pass; each message becomes a turn of its own, except results of tools: all that answer one
assistant turn are gathered in one user turn right behind it, in the order of the calls, wherever they stood. The
deprecated `function_call` and role `function` become calls and results of tools with ids of our making.

Reasoning of earlier turns comes from `reasoning_details` where there are any, since only those carry seals, else from
`reasoning_content`, else from `reasoning`.
"""

from collections.abc import Sequence

import msgspec

from proxy.core.features import Feature
from proxy.wire.chat.parts import read_content, read_mark
from proxy.wire.chat.shapes import AskedCall, CalledFunction, Message, ReasoningDetail
from proxy.wire.chat.spelling import SEAL_VENDORS, read_signature
from proxy.wire.complaints import make_fault, make_missing, make_unsupported
from proxy.wire.dialogue import Document, Image, Part, Refusal, Role, Text, Thinking, ToolCall, ToolResult, Turn

ROLES = ("system", "assistant", "user", "function", "tool", "developer")


def read_turns(messages: Sequence[Message]) -> tuple[list[Turn], set[Feature]]:
    """The turns, and the features that they use. Raises EnvelopeError."""
    reader = _TurnReader()
    for number, message in enumerate(messages):
        reader.read(message, f"messages[{number}]", number)
    return reader.finish(), reader.features


class _TurnReader:
    """`_calls`: every call so far by its id. `_open`: the ids that the last assistant turn asked for, in order.
    `_after`: where the turn of their results belongs."""

    def __init__(self) -> None:
        self.features: set[Feature] = set()
        self._turns: list[Turn] = []
        self._calls: dict[str, ToolCall] = {}
        self._open: list[str] = []
        self._results: Turn | None = None
        self._after = 0

    def read(self, message: Message, where: str, number: int) -> None:
        role = message.role
        if role == "user":
            self._add("user", message, read_content(message.content, where, self.features))
        elif role == "assistant":
            self._read_assistant(message, where, number)
        elif role in ("system", "developer"):
            self._read_system(message, where)
        elif role == "tool":
            if message.tool_call_id is None:
                raise make_missing(f"{where}.tool_call_id")
            self._read_result(message, message.tool_call_id, where)
        elif role == "function":
            self._read_result(message, self._find_function(message.name or "") or f"call_{number}", where)
        else:
            raise make_unsupported(f"{where}.role", role, ROLES)

    def finish(self) -> list[Turn]:
        turns = self._turns
        if turns and turns[-1].role == "assistant" and not self._open:
            self.features.add(Feature.PREFILL)
        self._close_results()
        return turns

    def _add(self, role: Role, message: Message, parts: list[Part]) -> None:
        if message.name:
            self.features.add(Feature.NAMES)
        if message.cache_control is not None and parts:
            last = parts[-1]
            if isinstance(last, Text | Image | Document | ToolCall | ToolResult) and last.cache is None:
                last.cache = read_mark((message.cache_control,), self.features)
        self._turns.append(Turn(role, parts, message.name or None))

    def _read_system(self, message: Message, where: str) -> None:
        if any(turn.role != "system" for turn in self._turns):
            self.features.add(Feature.LATER_SYSTEM)
        self._add("system", message, read_content(message.content, where, self.features))

    def _read_assistant(self, message: Message, where: str, number: int) -> None:
        self._close_results()
        parts = _read_thinking(message)
        parts += read_content(message.content, where, self.features)
        if message.refusal:
            parts.append(Refusal(message.refusal))
            self.features.add(Feature.REFUSALS)
        if message.audio is not None:
            self.features.add(Feature.STATE)  # the spoken answer itself stays in one vendor's account
        calls = [
            _read_call(call, f"{where}.tool_calls[{index}]", self.features)
            for index, call in enumerate(message.tool_calls or ())
        ]
        if message.function_call is not None and not calls:
            calls = [ToolCall(f"call_{number}", message.function_call.name, _read_arguments(message.function_call))]
        if len(calls) > 1:
            self.features.add(Feature.PARALLEL_TOOLS)
        self._note_seals(parts, calls)
        self._add("assistant", message, [*parts, *calls])
        self._open = [call.id for call in calls]
        self._calls.update((call.id, call) for call in calls)
        self._after = len(self._turns)

    def _note_seals(self, parts: list[Part], calls: list[ToolCall]) -> None:
        thoughts = [part for part in parts if isinstance(part, Thinking)]
        if any(thought.text for thought in thoughts):
            self.features.add(Feature.THINKING_HISTORY)
        if any(thought.signature or thought.redacted for thought in thoughts) or any(call.signature for call in calls):
            self.features.add(Feature.SIGNATURES)

    def _read_result(self, message: Message, id_: str, where: str) -> None:
        content: list[Text | Image | Document] = []
        for part in read_content(message.content, where, self.features):
            if not isinstance(part, Text | Image | Document):
                raise make_fault(f"{where}.content", "a tool's result may hold text, images and files")
            if not isinstance(part, Text):
                self.features.add(Feature.TOOL_RESULT_MEDIA)
            content.append(part)
        call = self._calls.get(id_)
        name = call.name if call is not None else message.name or ""
        mark = read_mark((message.cache_control,), self.features)
        result = ToolResult(id_, name, content, custom=call is not None and call.custom, cache=mark)
        if self._results is None:
            self._results = Turn("user", [])
            self._turns.insert(self._after if self._open else len(self._turns), self._results)
        self._results.parts.append(result)

    def _find_function(self, name: str) -> str | None:
        """The call that a `function` message answers: it is told by its name alone."""
        return next((id_ for id_ in self._open if self._calls[id_].name == name), None)

    def _close_results(self) -> None:
        if self._results is not None:
            order = {id_: place for place, id_ in enumerate(self._open)}
            self._results.parts.sort(key=lambda part: order.get(part.id, len(order)) if isinstance(part, ToolResult) else 0)
        self._results = None
        self._open = []


def _read_call(call: AskedCall, place: str, features: set[Feature]) -> ToolCall:
    mark = read_mark((call.cache_control,), features)
    if call.function is not None:
        arguments = _read_arguments(call.function)
        return ToolCall(call.id, call.function.name, arguments, signature=read_signature(call.extra_content), cache=mark)
    if call.custom is not None:
        features.add(Feature.CUSTOM_TOOLS)
        signature = read_signature(call.extra_content)
        return ToolCall(call.id, call.custom.name, call.custom.input, custom=True, signature=signature, cache=mark)
    raise make_missing(f"{place}.function")


def _read_arguments(function: CalledFunction) -> str:
    arguments = function.arguments
    return msgspec.json.encode(arguments).decode() if isinstance(arguments, dict) else arguments or ""


def _read_thinking(message: Message) -> list[Part]:
    thoughts = [_read_detail(detail) for detail in _merge_fragments(message.reasoning_details or ())]
    found: list[Part] = [thought for thought in thoughts if thought is not None]
    if any(thought is not None and thought.text for thought in thoughts):
        return found
    # Sealed data only, or nothing; the text, if any, stands beside it.
    text = message.reasoning_content or message.reasoning
    return [Thinking(text), *found] if text else found


def _merge_fragments(details: Sequence[ReasoningDetail]) -> list[ReasoningDetail]:
    """Clients that collect a stream may send back its fragments: those of one block have the same type and index."""
    merged: list[ReasoningDetail] = []
    for detail in details:
        last = merged[-1] if merged else None
        if last is None or detail.index is None or (detail.type, detail.index) != (last.type, last.index) or detail.data:
            merged.append(detail)
            continue
        last.text = (last.text or "") + (detail.text or "")
        last.summary = (last.summary or "") + (detail.summary or "")
        last.signature = detail.signature or last.signature
        last.format = detail.format or last.format
    return merged


def _read_detail(detail: ReasoningDetail) -> Thinking | None:
    vendor = SEAL_VENDORS.get(detail.format or "", "")
    if detail.data:
        return Thinking(redacted=detail.data, vendor=vendor)
    text = detail.text or detail.summary or ""
    if not text and not detail.signature:
        return None
    return Thinking(text, signature=detail.signature or None, vendor=vendor)
