"""The clients of the matrix: official SDKs, unchanged but for their base URL and without retries of their own.

Each offers the same: `whole`, `streamed` (by the SDK's own helper), and `read`, which goes through a stream piece by piece
and tells what was seen of it, for those that do not end well.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

import anthropic
import openai
from e2e.matrix.asking import IMAGE_URL, LAMPS, SCHEMA, TOOLS, WORDS, Ask, Got, read_dropped
from support.sent import ToolUse

MAX_TOKENS = 4000
BUDGET = 1024


class Client(Protocol):
    """`errors`: the module with the SDK's exceptions."""

    name: str
    errors: Any

    async def whole(self, model: str, ask: Ask) -> Got: ...

    async def streamed(self, model: str, ask: Ask) -> Got: ...

    def read(self, model: str) -> AsyncIterator[tuple[str, str]]:
        """(text, finish) of each event of a plain stream, as far as it goes."""
        ...


@dataclass
class ChatClient:
    """OpenAI's SDK, Chat Completions."""

    sdk: openai.AsyncOpenAI
    name: str = "chat"
    errors: Any = openai

    def write(self, model: str, ask: Ask) -> dict[str, Any]:
        messages: list[Any] = [{"role": "user", "content": self._content(ask)}]
        for turn, results in ask.turns:
            messages.append(turn)
            messages += [{"role": "tool", "tool_call_id": call, "content": text} for call, text in results.items()]
            messages += [] if results else [{"role": "user", "content": WORDS}]
        wish: dict[str, Any] = {"model": model, "messages": messages}
        if ask.tools:
            wish["tools"] = [
                {"type": "function", "function": {"name": name, "description": f"To {name}.", "parameters": LAMPS}}
                for name in TOOLS
            ]
        if ask.forced:
            wish["tool_choice"] = {"type": "function", "function": {"name": ask.forced}}
        if ask.schema:
            named = {"name": "place", "strict": True, "schema": SCHEMA}
            wish["response_format"] = {"type": "json_schema", "json_schema": named}
        if ask.reasoning:
            wish["reasoning_effort"] = "low"
        return wish

    def _content(self, ask: Ask) -> Any:
        url = f"data:image/png;base64,{ask.image}" if ask.image else ask.image_url
        return [{"type": "text", "text": WORDS}, {"type": "image_url", "image_url": {"url": url}}] if url else WORDS

    async def whole(self, model: str, ask: Ask) -> Got:
        raw = await self.sdk.chat.completions.with_raw_response.create(**self.write(model, ask))
        return self._got(raw.parse(), raw.headers)

    async def streamed(self, model: str, ask: Ask) -> Got:
        wish = self.write(model, ask)
        for tool in wish.get("tools", ()):
            tool["function"]["strict"] = True  # the helper takes no others
        shown = thoughts = ""
        async with self.sdk.chat.completions.stream(**wish, stream_options={"include_usage": True}) as stream:
            async for event in stream:
                if event.type == "content.delta":
                    shown += event.delta
                elif event.type == "chunk":
                    for choice in event.chunk.choices:
                        thoughts += (choice.delta.model_extra or {}).get("reasoning_content") or ""
            got = self._got(await stream.get_final_completion(), None)
        got.shown, got.thoughts = shown, thoughts
        return got

    async def read(self, model: str) -> AsyncIterator[tuple[str, str]]:
        async with await self.sdk.chat.completions.create(**self.write(model, Ask()), stream=True) as stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    yield choice.delta.content or "", choice.finish_reason or ""

    def _got(self, answer: Any, headers: Any) -> Got:
        (choice,) = answer.choices
        message = choice.message
        return Got(
            text=message.content or "",
            thoughts=(message.model_extra or {}).get("reasoning_content") or "",
            calls=[ToolUse(c.id, c.function.name, c.function.arguments) for c in message.tool_calls or ()],
            finish={"stop": "stop", "tool_calls": "calls"}.get(choice.finish_reason, choice.finish_reason),
            input=answer.usage.prompt_tokens,
            output=answer.usage.completion_tokens,
            turn=message.model_dump(exclude_none=True, exclude={"parsed"}, warnings=False),
            dropped=read_dropped(headers.get("x-undimmed-dropped") if headers else None),
            served_by=headers["x-undimmed-target"] if headers else "",
        )


@dataclass
class ResponsesClient:
    """OpenAI's SDK, the Responses API, keeping its own history."""

    sdk: openai.AsyncOpenAI
    name: str = "responses"
    errors: Any = openai

    def write(self, model: str, ask: Ask) -> dict[str, Any]:
        items: list[Any] = [{"role": "user", "content": self._content(ask)}]
        for turn, results in ask.turns:
            items += turn
            items += [{"type": "function_call_output", "call_id": call, "output": text} for call, text in results.items()]
            items += [] if results else [{"role": "user", "content": WORDS}]
        wish: dict[str, Any] = {"model": model, "input": items, "include": ["reasoning.encrypted_content"]}
        if ask.tools:
            wish["tools"] = [
                {"type": "function", "name": name, "description": f"To {name}.", "parameters": LAMPS, "strict": True}
                for name in TOOLS
            ]
        if ask.forced:
            wish["tool_choice"] = {"type": "function", "name": ask.forced}
        if ask.schema:
            wish["text"] = {"format": {"type": "json_schema", "name": "place", "strict": True, "schema": SCHEMA}}
        if ask.reasoning:
            wish["reasoning"] = {"effort": "low"}
        return wish

    def _content(self, ask: Ask) -> Any:
        url = f"data:image/png;base64,{ask.image}" if ask.image else ask.image_url
        image = {"type": "input_image", "image_url": url, "detail": "auto"}
        return [{"type": "input_text", "text": WORDS}, image] if url else WORDS

    async def whole(self, model: str, ask: Ask) -> Got:
        raw = await self.sdk.responses.with_raw_response.create(**self.write(model, ask))
        return self._got(raw.parse(), raw.headers)

    async def streamed(self, model: str, ask: Ask) -> Got:
        shown = thoughts = ""
        async with self.sdk.responses.stream(**self.write(model, ask)) as stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    shown += event.delta
                elif event.type in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
                    thoughts += event.delta
            got = self._got(await stream.get_final_response(), None)
        got.shown = shown
        assert thoughts == got.thoughts
        return got

    async def read(self, model: str) -> AsyncIterator[tuple[str, str]]:
        async with await self.sdk.responses.create(**self.write(model, Ask()), stream=True) as stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    yield event.delta, ""
                elif event.type in ("response.completed", "response.incomplete"):
                    yield "", event.response.status or ""

    def _got(self, answer: Any, headers: Any) -> Got:
        calls = [ToolUse(i.call_id, i.name, i.arguments) for i in answer.output if i.type == "function_call"]
        thoughts = [
            part.text
            for item in answer.output
            if item.type == "reasoning"
            for part in (*item.summary, *(item.content or ()))
        ]
        return Got(
            text=answer.output_text,
            thoughts="".join(thoughts),
            calls=calls,
            finish=("calls" if calls else "stop") if answer.status == "completed" else answer.status,
            input=answer.usage.input_tokens,
            output=answer.usage.output_tokens,
            turn=[
                item.model_dump(exclude_none=True, exclude={"parsed_arguments"}, warnings=False) for item in answer.output
            ],
            dropped=read_dropped(headers.get("x-undimmed-dropped") if headers else None),
            served_by=headers["x-undimmed-target"] if headers else "",
        )


@dataclass
class MessagesClient:
    """Anthropic's SDK."""

    sdk: anthropic.AsyncAnthropic
    name: str = "messages"
    errors: Any = anthropic

    def write(self, model: str, ask: Ask) -> dict[str, Any]:
        messages: list[Any] = [{"role": "user", "content": self._content(ask)}]
        for turn, results in ask.turns:
            messages.append({"role": "assistant", "content": turn})
            blocks = [{"type": "tool_result", "tool_use_id": call, "content": text} for call, text in results.items()]
            messages.append({"role": "user", "content": blocks or WORDS})
        wish: dict[str, Any] = {"model": model, "max_tokens": MAX_TOKENS, "messages": messages}
        if ask.tools:
            wish["tools"] = [{"name": name, "description": f"To {name}.", "input_schema": LAMPS} for name in TOOLS]
        if ask.forced:
            wish["tool_choice"] = {"type": "tool", "name": ask.forced}
        if ask.schema:
            wish["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        if ask.reasoning:
            wish["thinking"] = {"type": "enabled", "budget_tokens": BUDGET}
        return wish

    def _content(self, ask: Ask) -> Any:
        source: dict[str, str] = {"type": "url", "url": IMAGE_URL}
        if ask.image:
            source = {"type": "base64", "media_type": "image/png", "data": ask.image}
        if not (ask.image or ask.image_url):
            return WORDS
        return [{"type": "text", "text": WORDS}, {"type": "image", "source": source}]

    async def whole(self, model: str, ask: Ask) -> Got:
        raw = await self.sdk.messages.with_raw_response.create(**self.write(model, ask))
        return self._got(await raw.parse(), raw.headers)

    async def streamed(self, model: str, ask: Ask) -> Got:
        shown = thoughts = ""
        async with self.sdk.messages.stream(**self.write(model, ask)) as stream:
            async for event in stream:
                if event.type == "text":
                    shown += event.text
                elif event.type == "thinking":
                    thoughts += event.thinking
            got = self._got(await stream.get_final_message(), None)
        got.shown = shown
        assert thoughts == got.thoughts
        return got

    async def read(self, model: str) -> AsyncIterator[tuple[str, str]]:
        async with await self.sdk.messages.create(**self.write(model, Ask()), stream=True) as stream:
            async for event in stream:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    yield event.delta.text, ""
                elif event.type == "message_delta":
                    yield "", event.delta.stop_reason or ""

    def _got(self, answer: Any, headers: Any) -> Got:
        blocks = {
            kind: [block for block in answer.content if block.type == kind] for kind in ("text", "thinking", "tool_use")
        }
        return Got(
            text="".join(block.text for block in blocks["text"]),
            thoughts="".join(block.thinking for block in blocks["thinking"]),
            calls=[ToolUse(block.id, block.name, json.dumps(block.input)) for block in blocks["tool_use"]],
            finish={"end_turn": "stop", "tool_use": "calls"}.get(answer.stop_reason, answer.stop_reason),
            input=answer.usage.input_tokens,
            output=answer.usage.output_tokens,
            turn=[block.model_dump(exclude_none=True, warnings=False) for block in answer.content],
            dropped=read_dropped(headers.get("x-undimmed-dropped") if headers else None),
            served_by=headers["x-undimmed-target"] if headers else "",
        )
