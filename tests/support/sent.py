"""What a vendor was sent, read in that vendor's own places: one reader for each format, chosen by the request's path.

Readers are strict on purpose. A picture that stands anywhere but where the vendor looks for it is not there.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from proxy.rehearse.answers import Asked

Body = dict[str, Any]


@dataclass(frozen=True)
class ToolUse:
    """`arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Picture:
    """`data`: base64 of a PNG, or `url`."""

    data: str = ""
    url: str = ""


class Sent(Protocol):
    """`tools`: schemas by name. `choice`: the vendor's own words for a forced tool. `schema`: None where the format has no
    place for one in this request. `results`: (call's id or name, text) in order; `calls` of the history in order. `steps`:
    what the history holds in its order, (`call` or `result`, id or name) and (`text`, "")."""

    def texts(self, body: Body) -> str: ...

    def pictures(self, body: Body) -> list[Picture]: ...

    def tools(self, body: Body) -> dict[str, Any]: ...

    def choice(self, body: Body) -> Any: ...

    def schema(self, body: Body) -> Any: ...

    def reasoning(self, body: Body) -> Any: ...

    def calls(self, body: Body) -> list[ToolUse]: ...

    def results(self, body: Body) -> list[tuple[str, str]]: ...

    def steps(self, body: Body) -> Iterator[tuple[str, str]]: ...


def _parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content or ())


def _picture(url: str) -> Picture:
    head, _, data = url.partition(",")
    return Picture(data=data) if head == "data:image/png;base64" else Picture(url=url)


class Chat:
    """OpenAI's chat, and whoever speaks it."""

    forced: ClassVar[Any] = {"type": "function", "function": {"name": "dim"}}

    def texts(self, body: Body) -> str:
        parts = [part for message in body["messages"] for part in _parts(message.get("content"))]
        return "".join(part["text"] for part in parts if part["type"] in ("text", "input_text"))

    def pictures(self, body: Body) -> list[Picture]:
        parts = [part for message in body["messages"] for part in _parts(message.get("content"))]
        return [_picture(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"]

    def tools(self, body: Body) -> dict[str, Any]:
        return {tool["function"]["name"]: tool["function"]["parameters"] for tool in body.get("tools", ())}

    def choice(self, body: Body) -> Any:
        return body.get("tool_choice")

    def schema(self, body: Body) -> Any:
        return (body.get("response_format") or {}).get("json_schema", {}).get("schema")

    def reasoning(self, body: Body) -> Any:
        return body.get("reasoning_effort")

    def calls(self, body: Body) -> list[ToolUse]:
        made = [call for message in body["messages"] for call in message.get("tool_calls") or ()]
        return [ToolUse(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in made]

    def results(self, body: Body) -> list[tuple[str, str]]:
        said = [message for message in body["messages"] if message["role"] == "tool"]
        return [(m["tool_call_id"], "".join(p["text"] for p in _parts(m["content"]))) for m in said]

    def steps(self, body: Body) -> Iterator[tuple[str, str]]:
        for message in body["messages"]:
            if message["role"] == "tool":
                yield "result", message["tool_call_id"]
                continue
            if message.get("content"):
                yield "text", ""
            for call in message.get("tool_calls") or ():
                yield "call", call["id"]


class Cohere(Chat):
    """Its second version is near to chat; results are documents or parts, and one tool is forced by showing no other."""

    forced: ClassVar[Any] = "REQUIRED"

    def schema(self, body: Body) -> Any:
        return (body.get("response_format") or {}).get("json_schema")

    def reasoning(self, body: Body) -> Any:
        return body.get("thinking")


class Responses:
    """OpenAI's Responses API."""

    forced: ClassVar[Any] = {"type": "function", "name": "dim"}

    def _content(self, body: Body) -> list[dict[str, Any]]:
        return [part for item in body["input"] if "role" in item for part in _parts(item["content"])]

    def texts(self, body: Body) -> str:
        return "".join(part["text"] for part in self._content(body) if "text" in part)

    def pictures(self, body: Body) -> list[Picture]:
        return [_picture(part["image_url"]) for part in self._content(body) if part["type"] == "input_image"]

    def tools(self, body: Body) -> dict[str, Any]:
        return {tool["name"]: tool["parameters"] for tool in body.get("tools", ())}

    def choice(self, body: Body) -> Any:
        return body.get("tool_choice")

    def schema(self, body: Body) -> Any:
        return body.get("text", {}).get("format", {}).get("schema")

    def reasoning(self, body: Body) -> Any:
        return body.get("reasoning", {}).get("effort")

    def calls(self, body: Body) -> list[ToolUse]:
        made = [item for item in body["input"] if item.get("type") == "function_call"]
        return [ToolUse(item["call_id"], item["name"], item["arguments"]) for item in made]

    def results(self, body: Body) -> list[tuple[str, str]]:
        return [(i["call_id"], i["output"]) for i in body["input"] if i.get("type") == "function_call_output"]

    def steps(self, body: Body) -> Iterator[tuple[str, str]]:
        kinds = {"function_call": "call", "function_call_output": "result", "reasoning": "thought"}
        for item in body["input"]:
            yield kinds.get(item.get("type", ""), "text"), item.get("call_id", "")


class Messages:
    """Anthropic's format, at Anthropic and at the clouds."""

    forced: ClassVar[Any] = {"type": "tool", "name": "dim"}

    def _blocks(self, body: Body, kind: str) -> list[dict[str, Any]]:
        blocks = [block for message in body["messages"] for block in _parts(message.get("content"))]
        return [block for block in blocks if block["type"] == kind]

    def texts(self, body: Body) -> str:
        return "".join(block["text"] for block in self._blocks(body, "text"))

    def pictures(self, body: Body) -> list[Picture]:
        sources = [block["source"] for block in self._blocks(body, "image")]
        for source in sources:
            assert source["type"] == "url" or source["media_type"] == "image/png"
        return [Picture(source.get("data", ""), source.get("url", "")) for source in sources]

    def tools(self, body: Body) -> dict[str, Any]:
        return {tool["name"]: tool["input_schema"] for tool in body.get("tools", ())}

    def choice(self, body: Body) -> Any:
        return body.get("tool_choice")

    def schema(self, body: Body) -> Any:
        return (body.get("output_config") or {}).get("format", {}).get("schema")

    def reasoning(self, body: Body) -> Any:
        return body.get("thinking")

    def calls(self, body: Body) -> list[ToolUse]:
        made = self._blocks(body, "tool_use")
        return [ToolUse(block["id"], block["name"], json.dumps(block["input"])) for block in made]

    def results(self, body: Body) -> list[tuple[str, str]]:
        said = self._blocks(body, "tool_result")
        return [(b["tool_use_id"], "".join(part["text"] for part in _parts(b["content"]))) for b in said]

    def steps(self, body: Body) -> Iterator[tuple[str, str]]:
        for block in (block for message in body["messages"] for block in _parts(message["content"])):
            if block["type"] == "tool_use":
                yield "call", block["id"]
            elif block["type"] == "tool_result":
                yield "result", block["tool_use_id"]
            else:
                yield "text" if block["type"] == "text" else "thought", ""


class Gemini:
    """generateContent. Calls have no ids of their own at Vertex, so results are told by the function's name."""

    forced: ClassVar[Any] = {"mode": "ANY", "allowedFunctionNames": ["dim"]}

    def _found(self, body: Body, member: str) -> list[Any]:
        return [part[member] for content in body["contents"] for part in content["parts"] if member in part]

    def texts(self, body: Body) -> str:
        return "".join(self._found(body, "text"))

    def pictures(self, body: Body) -> list[Picture]:
        inline, far = self._found(body, "inlineData"), self._found(body, "fileData")
        assert all(picture["mimeType"] == "image/png" for picture in (*inline, *far))
        return [Picture(data=p["data"]) for p in inline] + [Picture(url=p["fileUri"]) for p in far]

    def tools(self, body: Body) -> dict[str, Any]:
        declared = [each for tool in body.get("tools", ()) for each in tool["functionDeclarations"]]
        return {each["name"]: each["parametersJsonSchema"] for each in declared}

    def choice(self, body: Body) -> Any:
        return body.get("toolConfig", {}).get("functionCallingConfig")

    def schema(self, body: Body) -> Any:
        config = body.get("generationConfig", {})
        assert "responseJsonSchema" not in config or config["responseMimeType"] == "application/json"
        return config.get("responseJsonSchema")

    def reasoning(self, body: Body) -> Any:
        return body.get("generationConfig", {}).get("thinkingConfig")

    def calls(self, body: Body) -> list[ToolUse]:
        made = self._found(body, "functionCall")
        return [ToolUse(call.get("id") or call["name"], call["name"], json.dumps(call["args"])) for call in made]

    def results(self, body: Body) -> list[tuple[str, str]]:
        said = self._found(body, "functionResponse")
        return [(each.get("id") or each["name"], json.dumps(each["response"])) for each in said]

    def steps(self, body: Body) -> Iterator[tuple[str, str]]:
        for part in (part for content in body["contents"] for part in content["parts"]):
            for member, kind in (("functionCall", "call"), ("functionResponse", "result")):
                if member in part:
                    yield kind, part[member].get("id") or part[member]["name"]
            if part.get("text") and not part.get("thought"):
                yield "text", ""


class Converse:
    """Bedrock's own format."""

    forced: ClassVar[Any] = {"tool": {"name": "dim"}}

    def _found(self, body: Body, member: str) -> list[Any]:
        return [block[member] for message in body["messages"] for block in message["content"] if member in block]

    def texts(self, body: Body) -> str:
        return "".join(self._found(body, "text"))

    def pictures(self, body: Body) -> list[Picture]:
        found = self._found(body, "image")
        assert all(picture["format"] == "png" for picture in found)
        return [Picture(data=picture["source"]["bytes"]) for picture in found]

    def tools(self, body: Body) -> dict[str, Any]:
        specs = [tool["toolSpec"] for tool in body.get("toolConfig", {}).get("tools", ())]
        return {spec["name"]: spec["inputSchema"]["json"] for spec in specs}

    def choice(self, body: Body) -> Any:
        return body.get("toolConfig", {}).get("toolChoice")

    def schema(self, body: Body) -> Any:
        form = body.get("outputConfig", {}).get("textFormat")
        return json.loads(form["structure"]["jsonSchema"]["schema"]) if form else None

    def reasoning(self, body: Body) -> Any:
        return body.get("additionalModelRequestFields", {}).get("thinking")

    def calls(self, body: Body) -> list[ToolUse]:
        made = self._found(body, "toolUse")
        return [ToolUse(call["toolUseId"], call["name"], json.dumps(call["input"])) for call in made]

    def results(self, body: Body) -> list[tuple[str, str]]:
        said = self._found(body, "toolResult")
        return [(each["toolUseId"], "".join(part["text"] for part in each["content"])) for each in said]

    def steps(self, body: Body) -> Iterator[tuple[str, str]]:
        for block in (block for message in body["messages"] for block in message["content"]):
            for member, kind in (("toolUse", "call"), ("toolResult", "result")):
                if member in block:
                    yield kind, block[member]["toolUseId"]
            if "text" in block:
                yield "text", ""


_BY_PATH: tuple[tuple[str, Any], ...] = (
    ("/chat/completions", Chat()),
    ("/responses", Responses()),
    ("/messages", Messages()),
    ("awPredict", Messages()),
    ("/invoke", Messages()),
    ("/invoke-with-response-stream", Messages()),
    ("enerateContent", Gemini()),
    ("/converse", Converse()),
    ("/converse-stream", Converse()),
    ("/v2/chat", Cohere()),
)


def read_sent(asked: Asked) -> tuple[Any, Body]:
    """How to read this request, and its body."""
    reader = next(reader for end, reader in _BY_PATH if asked.path.endswith(end))
    return reader, json.loads(asked.data)
