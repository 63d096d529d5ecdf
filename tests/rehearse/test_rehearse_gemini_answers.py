import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from google import genai
from google.genai import errors, types

from proxy.core.usage import Usage
from proxy.rehearse.answers import TEXT, Reply
from proxy.rehearse.behaviour import Style
from proxy.rehearse.gemini_answers import ARGUMENTS, SEAL, Asked, ask, blocked, compose, error_event
from proxy.rehearse.google_errors import GOOGLE_ERRORS
from proxy.wire.dialogue import Text, Thinking, ToolCall
from proxy.wire.gemini.answer import read_completion
from proxy.wire.gemini.stream import GeminiDecoder
from proxy.wire.pieces import Finish, Finished, Piece, Spent

PATH = "/v1beta/models/gemini-3-flash:"


def stream_of(reply: Reply) -> bytes:
    return reply.opening + b"".join(reply.pieces) + reply.finish + reply.usage


def decode(stream: bytes) -> tuple[GeminiDecoder, list[Piece]]:
    decoder = GeminiDecoder()
    return decoder, decoder.feed(stream) + decoder.finish()


def test_requests_are_read_from_path_and_body() -> None:
    body = b'{"generationConfig":{"candidateCount":2,"maxOutputTokens":9},"contents":[]}'
    asked = ask(PATH + "streamGenerateContent?alt=sse", body)
    assert asked == Asked("gemini-3-flash", "streamGenerateContent", 2, 9, 1, len(body) // 4)
    assert asked.streams
    assert ask(PATH + "batchEmbedContents", b'{"requests":[{},{}]}').texts == 2
    for body in (b"", b"[]", b"{"):
        assert ask("/v1beta/models", body) == Asked("models", "")


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("choices", [1, 2])
def test_whole_and_streamed_answers_say_the_same(style: Style, choices: int) -> None:
    whole = read_completion(compose(Asked("m", "generateContent", choices), "r", 12, style).whole)
    reply = compose(Asked("m", "streamGenerateContent", choices), "r", 12, style)
    decoder, pieces = decode(stream_of(reply))
    assert decoder.failure is None
    assert whole.outcome.ok
    assert whole.usage == Usage(1, 12 * choices, reasoning=6 * choices if style is Style.REASONING else 0)
    assert [piece.usage for piece in pieces if isinstance(piece, Spent)][-1] == whole.usage
    assert len([piece for piece in pieces if isinstance(piece, Finished)]) == len(whole.choices) == choices
    assert reply.output == 12 * choices == len(reply.pieces) * reply.tokens_per_piece
    parts = whole.choices[0].parts
    if style is Style.TOOL:
        (call,) = parts
        assert isinstance(call, ToolCall)
        assert (json.loads(call.arguments), call.signature) == (ARGUMENTS, SEAL)
    else:
        said = "".join(part.text for part in parts if isinstance(part, Text | Thinking))
        assert said == " ".join(TEXT.split()[:12])
        assert parts[-1] == Thinking(redacted=SEAL, vendor="google")


def test_a_limit_and_a_cut() -> None:
    reply = compose(Asked("m", "streamGenerateContent", limit=3), "r", 12)
    assert decode(stream_of(reply))[1][-1] == Finished(Finish.LENGTH)
    decoder, pieces = decode(b"".join(reply.pieces))
    assert decoder.failure is None
    assert not any(isinstance(piece, Finished) for piece in pieces)


def test_what_goes_wrong() -> None:
    assert decode(error_event())[0].failure is not None
    assert decode(blocked(Asked("m", "streamGenerateContent"), "r"))[0].failure is not None
    assert not read_completion(blocked(Asked("m", "generateContent"), "r")).outcome.ok


Answer = Callable[[str, bytes], tuple[int, bytes, bytes]]


@asynccontextmanager
async def google(answer: Answer) -> AsyncIterator[genai.client.AsyncClient]:
    """Google's own client, in front of a server that answers so: (path, body) -> status, content type, body."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        status, kind, body = answer(head.split(b" ")[1].decode(), await reader.readexactly(length))
        writer.write(b"HTTP/1.1 %d x\r\ncontent-type: %b\r\ncontent-length: %d\r\n" % (status, kind, len(body)))
        writer.write(b"connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with httpx.AsyncClient() as http:
            options = types.HttpOptions(base_url=url, api_version="v1beta", httpx_async_client=http)
            yield genai.Client(api_key="k", vertexai=False, http_options=options).aio
    finally:
        server.close()
        await server.wait_closed()


def simulated(style: Style) -> Answer:
    def answer(path: str, body: bytes) -> tuple[int, bytes, bytes]:
        asked = ask(path, body)
        reply = compose(asked, "r1", 6, style)
        return (200, b"text/event-stream", stream_of(reply)) if asked.streams else (200, b"application/json", reply.whole)

    return answer


@pytest.mark.live
@pytest.mark.parametrize("style", Style)
def test_googles_sdk_reads_it(style: Style) -> None:
    async def body() -> None:
        async with google(simulated(style)) as client:
            whole = await client.models.generate_content(model="gemini-3-flash", contents="hi")
            stream = await client.models.generate_content_stream(model="gemini-3-flash", contents="hi")
            chunks = [chunk async for chunk in stream]
            assert whole.candidates
            assert whole.candidates[0].finish_reason is types.FinishReason.STOP
            assert chunks[-1].usage_metadata == whole.usage_metadata
            assert chunks[-1].candidates
            assert chunks[-1].candidates[0].finish_reason is types.FinishReason.STOP
            if style is Style.TOOL:
                assert whole.function_calls
                assert whole.function_calls[0].args == ARGUMENTS
                return
            assert "".join(part.text or "" for chunk in chunks for part in chunk.parts or ()) == " ".join(TEXT.split()[:6])
            assert whole.parts
            assert whole.parts[-1].thought_signature

    asyncio.run(body())


@pytest.mark.live
def test_googles_sdk_reads_embeddings_and_errors() -> None:
    async def body() -> None:
        async with google(simulated(Style.TEXT)) as client:
            found = await client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"])  # type: ignore[arg-type]
            assert found.embeddings
            assert [len(row.values or ()) for row in found.embeddings] == [16, 16]
        status, _, error = GOOGLE_ERRORS["gemini_minute"]
        async with google(lambda path, body: (status, b"application/json", error)) as client:
            with pytest.raises(errors.ClientError) as raised:
                await client.models.generate_content(model="m", contents="hi")
            assert (raised.value.code, raised.value.status) == (429, "RESOURCE_EXHAUSTED")

    asyncio.run(body())


def test_lists_and_single_embeddings() -> None:
    listed = json.loads(compose(ask("/v1beta/models", b""), "r", 1).whole)["models"]
    assert types.Model.model_validate({"name": listed[0]["name"]}).name == "models/lamp-1"
    assert json.loads(compose(ask("/v1beta/models/gemini-x", b""), "r", 1).whole)["models"][0]["name"] == "models/gemini-x"
    assert len(json.loads(compose(ask(PATH + "embedContent", b"{}"), "r", 1).whole)["embedding"]["values"]) == 16
