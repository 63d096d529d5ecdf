import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from google import genai
from google.genai import errors, types

from proxy.core.outcome import OutcomeKind as Kind
from proxy.core.usage import Usage
from proxy.rehearse.answers import Asked, Reply, ask, read_head, say_word
from proxy.rehearse.behaviour import Style
from proxy.rehearse.calls import CALLING
from proxy.rehearse.gemini_answers import ARGUMENTS, SEAL, block, compose, error_event
from proxy.rehearse.google_errors import GOOGLE_ERRORS
from proxy.rehearse.speakers import find_speaker
from proxy.wire.dialogue import Text, Thinking, ToolCall
from proxy.wire.gemini.answer import read_completion
from proxy.wire.gemini.stream import GeminiDecoder
from proxy.wire.pieces import Finish, Finished, Piece, Spent

MODELS = "/v1beta/models/gemini-3-flash:"


def asked(verb: str, choices: int = 1, limit: int | None = None) -> Asked:
    body = {"generationConfig": {"candidateCount": choices, "maxOutputTokens": limit}}
    return ask("POST", MODELS + verb, "k", json.dumps(body).encode())


def stream_of(reply: Reply) -> bytes:
    return reply.opening + b"".join(reply.pieces) + reply.finish + reply.usage


def decode(stream: bytes) -> tuple[GeminiDecoder, list[Piece]]:
    decoder = GeminiDecoder()
    return decoder, decoder.feed(stream) + decoder.finish()


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("choices", [1, 2])
def test_whole_and_streamed_answers_say_the_same(style: Style, choices: int) -> None:
    whole = read_completion(compose(asked("generateContent", choices), "r", 12, style).whole)
    reply = compose(asked("streamGenerateContent", choices), "r", 12, style)
    decoder, pieces = decode(stream_of(reply))
    assert decoder.failure is None
    assert whole.outcome.ok
    assert whole.usage == Usage(
        asked("x", choices).input_tokens, 12 * choices, reasoning=6 * choices if style is Style.REASONING else 0
    )
    assert [piece.usage for piece in pieces if isinstance(piece, Spent)][-1] == whole.usage
    assert len([piece for piece in pieces if isinstance(piece, Finished)]) == len(whole.choices) == choices
    assert reply.output == 12 * choices == len(reply.pieces) * reply.tokens_per_piece
    parts = whole.choices[0].parts
    if style in CALLING:
        calls = [part for part in parts if isinstance(part, ToolCall)]
        assert len(calls) == len(parts) == (2 if style is Style.PARALLEL else 1)
        assert [json.loads(call.arguments) for call in calls] == [ARGUMENTS] * len(calls)
        assert [call.signature for call in calls] == [SEAL, None][: len(calls)]
    else:
        said = "".join(part.text for part in parts if isinstance(part, Text | Thinking))
        assert said == "".join(say_word(place, style) for place in range(12))
        assert parts[-1] == Thinking(redacted=SEAL, vendor="google")


def test_a_limit_and_a_cut() -> None:
    reply = compose(asked("streamGenerateContent", limit=3), "r", 12)
    assert decode(stream_of(reply))[1][-1] == Finished(Finish.LENGTH)
    decoder, pieces = decode(b"".join(reply.pieces))
    assert decoder.failure is None
    assert not any(isinstance(piece, Finished) for piece in pieces)


def test_what_goes_wrong() -> None:
    for name, kind in (("gemini_overloaded", Kind.OVERLOADED), ("openai_server_error", Kind.SERVER_ERROR)):
        failure = decode(error_event(name))[0].failure
        assert failure is not None
        assert failure.kind is kind
    for judged in (
        decode(block(asked("streamGenerateContent"), "r"))[0].failure,
        read_completion(block(asked("generateContent"), "r")).outcome,
    ):
        assert judged is not None
        assert judged.kind is Kind.CONTENT_FILTERED


def test_the_path_tells_who_speaks() -> None:
    for verb in ("generateContent", "streamGenerateContent", "embedContent", "batchEmbedContents"):
        speaker = find_speaker(asked(verb))
        assert speaker is not None
        assert (speaker.name, speaker.terminator) == ("gemini", b"")
    for verb in ("rawPredict", "streamRawPredict"):
        speaker = find_speaker(asked(verb))
        assert speaker is not None
        assert speaker.name == "anthropic"
    head = b"POST /v1beta/models/m:generateContent?alt=sse HTTP/1.1\r\nx-goog-api-key: k-1\r\n\r\n"
    assert read_head(head, b"").key == "k-1"


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
        request = ask("POST", path.partition("?")[0], "k", body)
        reply = compose(request, "r1", 6, style)
        return (200, b"text/event-stream", stream_of(reply)) if request.streams else (200, b"application/json", reply.whole)

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
            if style in CALLING:
                assert whole.function_calls
                assert all(call.args == ARGUMENTS for call in whole.function_calls)
                return
            said = "".join(part.text or "" for chunk in chunks for part in chunk.parts or ())
            assert said == "".join(say_word(place, style) for place in range(6))
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


def test_one_embedding() -> None:
    assert (
        len(json.loads(compose(ask("POST", MODELS + "embedContent", "k", b"{}"), "r", 1).whole)["embedding"]["values"]) == 16
    )
