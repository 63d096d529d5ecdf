"""A whole `chat.completion`, written from a `Completion`.

All keys that OpenAI's schema requires are always there. Texts of one choice are joined; reasoning stands in
`reasoning_content`, and where it is sealed in `reasoning_details` besides, for the client to send back.
"""

from typing import Any

import msgspec

from proxy.core.call import Call
from proxy.wire.chat.encoding import spell_citation, spell_usage, uses_functions
from proxy.wire.chat.spelling import FINISH_WORDS, spell_detail, spell_signature, spell_tier
from proxy.wire.dialogue import Refusal, Text, Thinking, ToolCall
from proxy.wire.pieces import Completion, CompletionChoice, Finish

_ENCODE = msgspec.json.Encoder().encode


def write_chat_answer(call: Call, completion: Completion) -> bytes:
    """The client's JSON. The completion's outcome is OK."""
    functions = uses_functions(call)
    answer: dict[str, Any] = {
        "id": completion.id or f"chatcmpl-{call.id}",
        "object": "chat.completion",
        "created": completion.created or int(call.wall),
        "model": completion.model or call.envelope.model,
        "choices": [_spell_choice(choice, index, functions) for index, choice in enumerate(completion.choices)],
    }
    if completion.usage is not None:
        answer["usage"] = spell_usage(completion.usage)
    tier = spell_tier(completion.service_tier)
    if tier is not None:
        answer["service_tier"] = tier
    return _ENCODE(answer)


def _spell_choice(choice: CompletionChoice, index: int, functions: bool) -> dict[str, Any]:
    word = FINISH_WORDS[choice.finish.reason]
    if functions and choice.finish.reason is Finish.TOOL_CALLS:
        word = "function_call"
    return {"index": index, "message": _spell_message(choice, functions), "logprobs": None, "finish_reason": word}


def _spell_message(choice: CompletionChoice, functions: bool) -> dict[str, Any]:
    texts = [part.text for part in choice.parts if isinstance(part, Text)]
    refusal = "".join(part.text for part in choice.parts if isinstance(part, Refusal))
    if not refusal and choice.finish.reason is Finish.REFUSAL:
        refusal = choice.finish.explanation
    calls = [part for part in choice.parts if isinstance(part, ToolCall)]
    content = "".join(texts) if texts or not (calls or refusal) else None
    end = len(content or "")
    message: dict[str, Any] = {
        "role": "assistant",
        "content": content,
        "refusal": refusal or None,
        "annotations": [spell_citation(citation, 0, end) for citation in choice.citations if citation.url],
    }
    thoughts = [part for part in choice.parts if isinstance(part, Thinking)]
    if reasoning := "".join(thought.text for thought in thoughts):
        message["reasoning_content"] = reasoning
    if any(thought.signature or thought.redacted for thought in thoughts):
        message["reasoning_details"] = [spell_detail(thought, index) for index, thought in enumerate(thoughts)]
    if calls and functions:
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments}
    elif calls:
        message["tool_calls"] = [_spell_call(call) for call in calls]
    return message


def _spell_call(call: ToolCall) -> dict[str, Any]:
    spelled: dict[str, Any] = {"id": call.id}
    if call.custom:
        spelled |= {"type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    else:
        spelled |= {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}
    if call.signature:
        spelled["extra_content"] = spell_signature(call.signature)
    return spelled
