"""The cells of the matrix: what is asked, what the client has to get, and what the vendor has to have been sent.

Each gives the word for what became of its feature: `carried`, `approximated` (the answer is one to the same question, and
`x-undimmed-dropped` says how it was put), `dropped`, or `refused`. Everything else that is not as it should be fails.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from e2e.matrix.asking import IMAGE, IMAGE_URL, LAMPS, SCHEMA, TOOLS, WORDS, Ask, Got
from e2e.matrix.stage import PIECES, SOUND, Scene, until
from support.sent import Picture
from support.simulation import replace

from proxy.core.outcome import OutcomeKind
from proxy.rehearse.anthropic_answers import SIGNATURE as CLAUDE_SEAL
from proxy.rehearse.bedrock_answers import SIGNATURE as BEDROCK_SEAL
from proxy.rehearse.behaviour import Mode, Style
from proxy.rehearse.cohere_answers import PREAMBLE
from proxy.rehearse.gemini_answers import SEAL as GOOGLE_SEAL
from proxy.rehearse.responses_answers import SEAL as OPENAI_SEAL
from proxy.wire.seals import split_id

CARRIED, APPROXIMATED, DROPPED, REFUSED = "carried", "approximated", "dropped", "refused"
SAID = "When one lamp goes dark another"
THOUGHT, SAID_AFTER = "When one lamp", " goes dark another"
Cell = Callable[[Scene], Awaitable[str]]


async def ask(scene: Scene, wish: Ask, model: str = "", streamed: bool = False) -> Got:
    return await (scene.client.streamed if streamed else scene.client.whole)(model or scene.alone, wish)


def word_of(got: Got, *features: str) -> str:
    """What the proxy says became of these features; it must not say anything about others."""
    named = {name.partition(";")[0]: name.partition(";")[2] or DROPPED for name in got.dropped}
    assert set(named) <= set(features), got.dropped
    return DROPPED if DROPPED in named.values() else APPROXIMATED if named else CARRIED


def check_counts(scene: Scene, got: Got, output: int = PIECES) -> None:
    extra = PREAMBLE if scene.vendor.kind == "cohere" else 0
    assert (got.input, got.output) == (scene.given() + extra, output)


async def plain(scene: Scene) -> str:
    await scene.play(SOUND)
    got = await ask(scene, Ask())
    assert (got.text, got.thoughts, got.calls, got.finish) == (SAID, "", [], "stop")
    assert got.served_by == scene.vendor.target
    check_counts(scene, got)
    reader, body = scene.sent()
    assert reader.texts(body) == WORDS
    return word_of(got)


async def streamed(scene: Scene) -> str:
    await scene.play(SOUND)
    got = await ask(scene, Ask(), streamed=True)
    assert (got.text, got.shown, got.calls, got.finish) == (SAID, SAID, [], "stop")
    check_counts(scene, got)
    return word_of(got)


async def tools(scene: Scene) -> str:
    await scene.play(replace(SOUND, style=Style.TOOL))
    word = await _call(scene, ["light"])
    wish = Ask(tools=True, forced="dim")
    got = await ask(scene, wish)
    reader, body = scene.sent()
    assert reader.choice(body) == reader.forced
    shown = ["dim"] if reader.forced == "REQUIRED" else list(TOOLS)
    assert list(reader.tools(body)) == shown
    assert word_of(got, "tools.strict") in (CARRIED, DROPPED)
    return word


async def parallel_tools(scene: Scene) -> str:
    await scene.play(replace(SOUND, style=Style.PARALLEL))
    return await _call(scene, list(TOOLS))


async def _call(scene: Scene, names: list[str]) -> str:
    """The model calls these tools; the client gives their results, and the vendor has to see them in their places."""
    word = CARRIED
    for stream in (False, True):
        got = await ask(scene, Ask(tools=True), streamed=stream)
        reader, body = scene.sent()
        assert reader.tools(body) == dict.fromkeys(TOOLS, LAMPS)
        assert (got.text, got.finish) == ("", "calls")
        assert [call.name for call in got.calls] == names
        assert all(json.loads(call.arguments)["lamps"] for call in got.calls)
        assert len({call.id for call in got.calls} - {""}) == len(names)
        check_counts(scene, got)
        results = {call.id: f"{call.name} is done" for call in got.calls}
        after = await ask(scene, Ask(tools=True, turns=((got.turn, results),)), streamed=stream)
        check_history(scene, got)
        if not stream:  # streams don't show their headers to users of the helpers
            word = word_of(after, "tools.strict", "tools.parallel")
    return APPROXIMATED if word == DROPPED else word  # without strictness, still the same tools


def check_history(scene: Scene, got: Got) -> None:
    """Calls and results stand in the vendor's places, in order, and belong together."""
    reader, body = scene.sent()
    calls, results = reader.calls(body), reader.results(body)
    assert [call.name for call in calls] == [call.name for call in got.calls]
    assert [json.loads(call.arguments) for call in calls] == [json.loads(call.arguments) for call in got.calls]
    assert [place for place, _ in results] == [call.id for call in calls]
    if scene.vendor.name == "vertex-gemini":
        assert [call.id for call in calls] == [call.name for call in calls]
    else:
        assert [call.id for call in calls] == [split_id(call.id)[0] for call in got.calls]
    if not scene.is_gemini:  # which gives none of its own
        assert all(scene.vendor.name in call.id for call in calls)
    assert (GOOGLE_SEAL in json.dumps(body)) is scene.is_gemini
    assert all(f"{call.name} is done" in text for call, (_, text) in zip(calls, results, strict=True))
    assert "::sig:" not in json.dumps(body)
    assert "undimmed" not in json.dumps(body)


async def image(scene: Scene) -> str:
    return await _see(scene, Ask(image=IMAGE), Picture(data=IMAGE), "images")


async def image_url(scene: Scene) -> str:
    return await _see(scene, Ask(image_url=IMAGE_URL), Picture(url=IMAGE_URL), "images.url")


async def _see(scene: Scene, wish: Ask, picture: Picture, feature: str) -> str:
    await scene.play(SOUND)
    try:
        got = await ask(scene, wish)
    except scene.client.errors.BadRequestError as error:
        return await _refuse(scene, wish, error, feature)
    reader, body = scene.sent()
    assert got.text == SAID
    assert reader.pictures(body) == [picture]
    return word_of(got, feature)


async def _refuse(scene: Scene, wish: Ask, error: Any, feature: str) -> str:
    """An honest no names the feature, costs the vendor nothing, and is not heard where another can do it."""
    before = scene.provider.provider.served
    assert f"cannot carry {feature}" in str(error.body)
    assert error.response.headers["x-should-retry"] == "false"
    got = await ask(scene, wish, scene.spared)
    assert (got.text, got.served_by) == (SAID, "spare/m")
    reader, body = scene.sent("spare")
    assert [bool(picture.url) for picture in reader.pictures(body)] == [bool(wish.image_url)]
    assert scene.provider.provider.served == before
    return REFUSED


async def json_schema(scene: Scene) -> str:
    await scene.play(SOUND)
    got = await ask(scene, Ask(schema=True))
    reader, body = scene.sent()
    word = word_of(got, "response_format.json_schema")
    if word == CARRIED:
        assert reader.schema(body) == SCHEMA
    else:
        assert '"rooms"' in json.dumps(body).replace('\\"', '"')
    assert got.text == SAID
    return word


async def reasoning(scene: Scene) -> str:
    await scene.play(replace(SOUND, style=Style.REASONING))
    word = CARRIED
    for stream in (False, True):
        got = await ask(scene, Ask(reasoning=True), streamed=stream)
        reader, body = scene.sent()
        assert reader.reasoning(body)
        assert (got.text, got.thoughts, got.finish) == (SAID_AFTER, THOUGHT, "stop")
        check_counts(scene, got)
        word = word if stream else word_of(got, "reasoning.budget")
        again = await ask(scene, Ask(reasoning=True, turns=((got.turn, {}),)), streamed=stream)
        assert again.text == SAID_AFTER
        reader, body = scene.sent()
        assert SAID_AFTER.strip() in reader.texts(body)
        assert "undimmed" not in json.dumps(body)
        check_seal(scene, body)
    return word


def check_seal(scene: Scene, body: dict[str, Any]) -> None:
    """What the vendor sealed comes back to it, whatever client kept it; chat at OpenAI seals nothing."""
    seals = {"anthropic": CLAUDE_SEAL, "vertex-claude": CLAUDE_SEAL, "gemini": GOOGLE_SEAL, "vertex-gemini": GOOGLE_SEAL}
    seals["bedrock"] = CLAUDE_SEAL if scene.client.name == "messages" else BEDROCK_SEAL
    if scene.client.name == "responses":
        seals |= {"openai": OPENAI_SEAL, "azure": OPENAI_SEAL}
    assert seals.get(scene.vendor.name, "") in json.dumps(body)


async def error(scene: Scene) -> str:
    """A mistake of the client's comes back in the vendor's words; an outage is a failure of a server, or nobody's."""
    errors = scene.client.errors
    for stream in (False, True):
        await scene.play(replace(SOUND, mode=Mode.STATUS, failure=scene.vendor.bad_request))
        told = await _fail(scene, errors.APIStatusError, stream)
        assert isinstance(told, errors.BadRequestError | errors.UnprocessableEntityError)
        assert scene.vendor.words in str(told.body)
        down = replace(SOUND, mode=Mode.STATUS, failure=scene.vendor.outage)
        await scene.play(down)
        told = await _fail(scene, errors.InternalServerError, stream)
        assert told.status_code in (500, 502, 503, 529)
        assert told.response.headers["x-should-retry"] == "false"
        got = await ask(scene, Ask(), scene.spared, stream)
        assert got.text == SAID
    return CARRIED


async def _fail(scene: Scene, kind: type[Exception], stream: bool) -> Any:
    with pytest.raises(kind) as caught:
        await ask(scene, Ask(), streamed=stream)
    return caught.value


async def cut(scene: Scene) -> str:
    """The vendor's connection ends after three words: they are seen, then an error, and no end."""
    for ending in (Mode.CUT, Mode.MISSING_FINISH, Mode.ERROR_EVENT):
        # What comes at once is judged at once; the words have to be on their way before it ends.
        await scene.play(replace(SOUND, mode=ending, after=3, gap=0.01, failure=scene.vendor.outage))
        seen: list[tuple[str, str]] = []
        with pytest.raises(scene.client.errors.APIError) as caught:
            await _read_all(scene, seen)
        assert "attempts" in str(caught.value.body)
        text = "".join(text for text, _ in seen)
        assert text
        assert SAID.startswith(text)
        assert not any(finish for _, finish in seen)
    return CARRIED


async def _read_all(scene: Scene, seen: list[tuple[str, str]]) -> None:
    async for step in scene.client.read(scene.spared):
        seen.append(step)


async def disconnect(scene: Scene) -> str:
    """The client leaves in the middle of a long answer: the vendor is let go at once, and nobody is blamed."""
    before = scene.attempts(OutcomeKind.CLIENT_GONE)
    await scene.play(replace(SOUND, chunks=2000, gap=0.005))
    steps = scene.client.read(scene.alone)
    async for text, _ in steps:
        if text:
            break
    assert scene.provider.provider.in_flight == 1
    await steps.aclose()  # type: ignore[attr-defined]
    await until(lambda: not scene.provider.provider.in_flight and not scene.provider.connections, limit=1.0)
    await until(lambda: scene.attempts(OutcomeKind.CLIENT_GONE) == before + 1, limit=1.0)
    await scene.play(SOUND)
    assert (await ask(scene, Ask())).text == SAID
    return CARRIED


#: By column.
CELLS: dict[str, Cell] = {
    "plain": plain,
    "streamed": streamed,
    "tools": tools,
    "parallel tools": parallel_tools,
    "image": image,
    "image by URL": image_url,
    "JSON schema": json_schema,
    "reasoning": reasoning,
    "error": error,
    "cut": cut,
    "disconnect": disconnect,
}
