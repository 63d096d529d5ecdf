"""Turns as messages of Cohere's chat: results of calls in messages of their own, a text beside calls as `tool_plan`.

What a model says before it calls tools comes from Cohere as `tool_plan`; clients of other formats get it as text, and it
goes back where it came from. Reasoning goes back as text to models that reason; Cohere seals nothing and opens no seal of
others. Images inside a result are said by the user after the results. Source: Cohere's SDK.
"""

from typing import Any

from proxy.core.features import Fate, Feature
from proxy.wire.dialogue import Dialogue, Image, Part, Refusal, Text, Thinking, ToolCall, ToolResult, Turn
from proxy.wire.openai_envelope import EnvelopeError

Message = dict[str, Any]


def write_messages(dialogue: Dialogue, reasons: bool, fates: dict[Feature, Fate]) -> list[Message]:
    """`reasons`: the model takes reasoning back. Raises EnvelopeError for parts that cannot be said."""
    messages: list[Message] = []
    for turn in dialogue.turns:
        if turn.role == "assistant":
            messages += _write_answer(turn, reasons, fates)
        elif turn.role == "system":
            text = "\n\n".join(part.text for part in turn.parts if isinstance(part, Text) and part.text)
            messages += [{"role": "system", "content": text}] if text else []
        else:
            messages += _write_question(turn)
    return messages


def _write_answer(turn: Turn, reasons: bool, fates: dict[Feature, Fate]) -> list[Message]:
    said: list[Message] = []
    texts: list[str] = []
    calls: list[Message] = []
    for part in turn.parts:
        if isinstance(part, Text | Refusal):
            if part.text:
                texts.append(part.text)
                said.append({"type": "text", "text": part.text})
        elif isinstance(part, ToolCall):
            function = {"name": part.name, "arguments": part.arguments or "{}"}
            calls.append({"id": part.id, "type": "function", "function": function})
        elif isinstance(part, Thinking) and reasons and part.text:
            said.append({"type": "thinking", "thinking": part.text})
        elif not isinstance(part, Thinking):
            raise _make_error()
        else:
            fates[Feature.THINKING_HISTORY] = Fate.DROPPED
    if not calls:
        return [{"role": "assistant", "content": said}] if said else []
    message: Message = {"role": "assistant", "tool_calls": calls}
    thoughts = [piece for piece in said if piece["type"] == "thinking"]
    if thoughts:
        message["content"] = thoughts
    if texts:
        message["tool_plan"] = "\n\n".join(texts)
    return [message]


def _write_question(turn: Turn) -> list[Message]:
    messages: list[Message] = []
    content: list[Message] = []
    for part in turn.parts:
        if isinstance(part, ToolResult):
            texts = [inner.text for inner in part.content if isinstance(inner, Text)]
            content += [_write_content(inner) for inner in part.content if not isinstance(inner, Text)]
            text = ("Error: " if part.error else "") + "\n".join(texts)
            messages.append({"role": "tool", "tool_call_id": part.id, "content": text})
        elif not isinstance(part, Text) or part.text:
            content.append(_write_content(part))
    if len(content) == 1 and content[0]["type"] == "text":
        messages.append({"role": "user", "content": content[0]["text"]})
    elif content:
        messages.append({"role": "user", "content": content})
    return messages


def _write_content(part: Part) -> Message:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        url = part.url if part.data is None else f"data:{part.media_type};base64,{part.data}"
        if url is not None:
            return {"type": "image_url", "image_url": {"url": url, **({"detail": part.detail} if part.detail else {})}}
    raise _make_error()


def _make_error() -> EnvelopeError:
    return EnvelopeError("This model takes text and images only.", "messages", "invalid_value")
