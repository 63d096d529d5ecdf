"""Streams that are cut after content, and go on in another answer."""

from dataclasses import replace
from json import dumps, loads
from typing import Any

import pytest
from pipeline_stage import DONE, JSON, USAGE, Canned, Script, Stage, act, chunk, error_of, in_order, stream, whole
from support.simulation import RETRY, provider, settings

from proxy.core.continuity import Resume
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import FailureKind, TransportError
from proxy.core.outcome import OutcomeKind
from proxy.core.records import Purpose
from proxy.core.settings import RetrySettings, Settings, Target, Timeouts
from proxy.core.usage import UsageSource
from proxy.pipeline.resumption import MAX_UNWILLING, UNWILLING_FOR, Unwilling
from proxy.providers.model_facts import facts_of
from proxy.rehearse.client import SimulatedClient, Wish

CUT = TransportError(FailureKind.BROKEN, "reset")
WORDS = ("When ", "one ", "lamp ", "goes ", "dark")
TEXT = "".join(WORDS)
REFUSED = whole({"error": {"message": "This model does not support assistant message prefill."}}, 400)


def resuming(
    mode: Resume = Resume.SPLICE,
    tiers: Any = (("a/m",), ("b/m",), ("c/m",)),
    preset: str = "vllm",
    retry: RetrySettings = RETRY,
    **more: Any,
) -> Settings:
    """`preset` of every provider: one that goes on with an answer."""
    names = [(place if isinstance(place, str) else place.id).partition("/")[0] for tier in tiers for place in tier]
    made = settings(tiers, providers={name: provider(name, preset=preset) for name in names}, retry=retry, **more)
    return replace(made, routes=tuple(replace(route, resume=mode) for route in made.routes))


def said(words: tuple[str, ...], name: str = "1", cut: bool = False, gap: float = 0.01) -> Canned:
    """An answer of these words; `cut`: and not of its end."""
    told: dict[str, Any] = {"id": f"chatcmpl-{name}", "model": f"m-{name}"}
    pieces = [chunk({"role": "assistant", "content": ""}, **told), *(chunk({"content": word}, **told) for word in words)]
    if cut:
        return stream(*((gap, piece) for piece in pieces), error=CUT)
    return stream(*((gap, piece) for piece in (*pieces, chunk({}, "stop", **told), USAGE, DONE)))


def events_of(client: SimulatedClient) -> list[dict[str, Any]]:
    lines = bytes(client.downstream.body).split(b"\n")
    return [loads(line[6:]) for line in lines if line.startswith(b"data: {")]


def text_of(client: SimulatedClient) -> str:
    choices = [choice for event in events_of(client) for choice in event.get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def closing(client: SimulatedClient) -> dict[str, Any]:
    value: dict[str, Any] = loads(bytes(client.downstream.body).rsplit(b": undimmed ", 1)[1].split(b"\n", 1)[0])
    return value


def sent(stage: Stage, number: int = -1) -> dict[str, Any]:
    value: dict[str, Any] = loads(stage.transport.sent[number].body)
    return value


def play(
    *answers: Canned, configured: Settings | None = None, fields: dict[str, Any] | None = None, **wish: Any
) -> tuple[SimulatedClient, Stage]:
    """One streamed call, answered by these in turn."""
    seen: list[tuple[SimulatedClient, Stage]] = []

    async def body(stage: Stage) -> None:
        wished = Wish("c", **wish)
        seen.append((await stage.ask(wished, body=wished.body(**(fields or {}))), stage))

    act(in_order(*answers), body, configured or resuming())
    return seen[0]


def tried(stage: Stage) -> list[tuple[str, Purpose, OutcomeKind, bool]]:
    (record,) = stage.records
    return [(attempt.target, attempt.purpose, attempt.kind, attempt.delivered) for attempt in record.attempts]


def assert_whole(client: SimulatedClient, text: str = TEXT) -> None:
    body = bytes(client.downstream.body)
    assert text_of(client) == text
    assert {event["id"] for event in events_of(client)} == {"chatcmpl-1"}
    assert {event["model"] for event in events_of(client)} == {"m-1"}
    assert body.endswith(DONE)
    assert body.count(DONE) == 1
    finishes = [choice["finish_reason"] for event in events_of(client) for choice in event["choices"]]
    assert [finish for finish in finishes if finish] == ["stop"]
    assert client.downstream.finished_at is not None


def assert_honest(client: SimulatedClient, stage: Stage) -> None:
    """The error of the cut, nothing that looks like an end, and a connection that breaks."""
    body = bytes(client.downstream.body)
    assert b"[DONE]" not in body
    assert b'"stop"' not in body
    assert client.downstream.aborted_at is not None
    assert error_of(client)["code"] == "provider_stream_broken"
    assert stage.records[0].outcome is OutcomeKind.STREAM_BROKEN


def test_a_cut_stream_goes_on_in_an_answer_that_begins_the_same() -> None:
    client, stage = play(said(WORDS[:3], cut=True), said(WORDS, "2"))
    assert_whole(client)
    assert closing(client)["parts"] == [{"target": "a/m", "characters": 14}, {"target": "b/m", "characters": 9}]
    assert stage.records[0].outcome is OutcomeKind.OK
    assert tried(stage) == [
        ("a/m", Purpose.ANSWER, OutcomeKind.STREAM_BROKEN, True),
        ("b/m", Purpose.RESUME, OutcomeKind.OK, True),
    ]
    first, second = stage.records[0].attempts
    assert first.usage is not None
    assert first.usage.source is UsageSource.ESTIMATE
    assert second.usage is not None
    assert (second.usage.source, second.usage.output) == (UsageSource.PROVIDER, 3)
    assert loads(stage.transport.sent[0].body) == loads(stage.transport.sent[1].body)
    used = {"input": 17, "cached": 0, "output": 6, "reasoning": 0, "source": "mixed"}
    assert closing(client)["tokens"] == used  # of both; the first one's are estimated


def test_off_is_off() -> None:
    client, stage = play(said(WORDS[:3], cut=True), said(WORDS, "2"), configured=resuming(Resume.OFF))
    assert_honest(client, stage)
    assert len(stage.transport.sent) == 1


def test_a_stream_that_is_whole_is_told_nothing_of_parts() -> None:
    client, _ = play(said(WORDS))
    assert_whole(client)
    assert "parts" not in closing(client)


def test_an_answer_that_diverges_gives_way_to_the_next() -> None:
    client, stage = play(said(WORDS[:3], cut=True), said(("When two lamps go dark",), "2"), said(WORDS, "3"))
    assert_whole(client)
    assert [attempt[2] for attempt in tried(stage)] == [OutcomeKind.STREAM_BROKEN, OutcomeKind.DIVERGED, OutcomeKind.OK]
    diverged = stage.records[0].attempts[1]
    assert not diverged.delivered
    assert diverged.possibly_billed
    assert [part["target"] for part in closing(client)["parts"]] == ["a/m", "c/m"]


def test_when_all_diverge_the_cut_is_told() -> None:
    client, stage = play(said(WORDS[:3], cut=True), said(("No.",), "2"))
    assert_honest(client, stage)
    assert len(stage.transport.sent) == 3  # two resumes at most
    assert text_of(client) == "When one lamp "


def test_both_answers_cut_and_a_third_that_is_whole() -> None:
    client, stage = play(said(WORDS[:2], cut=True), said(WORDS[:4], "2", cut=True), said(WORDS, "3"))
    assert_whole(client)
    assert closing(client)["parts"] == [
        {"target": "a/m", "characters": 9},
        {"target": "b/m", "characters": 10},
        {"target": "c/m", "characters": 4},
    ]
    assert [attempt[3] for attempt in tried(stage)] == [True, True, True]


def test_two_resumes_are_the_most() -> None:
    client, stage = play(*(said(WORDS[:n], str(n), cut=True) for n in (1, 2, 3, 4)))
    assert client.downstream.aborted_at is not None
    assert len(stage.transport.sent) == 3


def test_what_fails_before_its_content_goes_elsewhere() -> None:
    refused = Canned(503, JSON, ((0.0, b'{"error":{"message":"no"}}'),))
    client, stage = play(said(WORDS[:3], cut=True), refused, said(WORDS, "3"))
    assert_whole(client)
    assert [attempt[0] for attempt in tried(stage)] == ["a/m", "b/m", "c/m"]


def test_the_same_target_is_asked_again_where_there_is_no_other() -> None:
    client, stage = play(said(WORDS[:3], cut=True), said(WORDS, "2"), configured=resuming(tiers=(("a/m",),)))
    assert_whole(client)
    assert [attempt[0] for attempt in tried(stage)] == ["a/m", "a/m"]


def test_attempts_before_the_first_word_do_not_count() -> None:
    gone = Canned(503, JSON, ((0.0, b'{"error":{"message":"no"}}'),))
    tiers = (("a/m",), ("b/m",), ("c/m",), ("d/m",))
    client, stage = play(gone, gone, said(WORDS[:3], cut=True), said(WORDS, "2"), configured=resuming(tiers=tiers))
    assert_whole(client)
    assert [attempt[1] for attempt in tried(stage)] == [Purpose.ANSWER] * 3 + [Purpose.RESUME]


# Going on.


def test_a_target_that_can_goes_on_from_what_was_sent() -> None:
    client, stage = play(
        said(WORDS[:3], cut=True),
        said(("goes ", "dark"), "2"),
        configured=resuming(Resume.CONTINUE),
        fields={"max_tokens": 50},
    )
    assert_whole(client)
    asked = sent(stage)
    assert asked["messages"][-1] == {"role": "assistant", "content": "When one lamp"}
    assert asked["continue_final_message"] is True
    assert asked["add_generation_prompt"] is False
    assert asked["max_tokens"] == 47
    assert closing(client)["parts"][1] == {"target": "b/m", "characters": 9}


@pytest.mark.parametrize(
    ("preset", "marks"),
    [("mistral", {"prefix": True}), ("llamacpp", {}), ("sglang", {})],
    ids=["mistral", "llamacpp", "sglang"],
)
def test_each_server_is_told_in_its_own_way(preset: str, marks: dict[str, object]) -> None:
    configured = resuming(Resume.CONTINUE, preset=preset)
    client, stage = play(said(WORDS[:3], cut=True), said((" goes ", "dark"), "2"), configured=configured)
    assert_whole(client)
    assert sent(stage)["messages"][-1] == {"role": "assistant", "content": "When one lamp", **marks}
    assert ("continue_final_message" in sent(stage)) is (preset == "sglang")


def test_usage_that_a_client_asked_for_is_that_of_the_whole() -> None:
    """14 characters went before: four tokens, that the second target read and the client got."""
    configured = resuming(Resume.CONTINUE)
    client, stage = play(said(WORDS[:3], cut=True), said(("goes ", "dark"), "2"), configured=configured, wants_usage=True)
    told = events_of(client)[-1]["usage"]
    assert (told["prompt_tokens"], told["completion_tokens"], told["total_tokens"]) == (3, 7, 10)
    usage = stage.records[0].attempts[1].usage
    assert usage is not None
    assert (usage.input, usage.output) == (7, 3)


def test_nobody_goes_on_where_nobody_can() -> None:
    configured = resuming(Resume.CONTINUE, preset="custom")
    client, stage = play(said(WORDS[:3], cut=True), said(WORDS, "2"), configured=configured)
    assert_honest(client, stage)
    assert len(stage.transport.sent) == 1


def test_auto_splices_first_and_goes_on_when_that_diverges() -> None:
    configured = resuming(Resume.AUTO)
    client, stage = play(said(WORDS[:3], cut=True), said(("No.",), "2"), said(("goes ", "dark"), "3"), configured=configured)
    assert_whole(client)
    assert "continue_final_message" not in sent(stage, 1)
    assert sent(stage, 2)["continue_final_message"] is True
    assert [attempt[0] for attempt in tried(stage)] == ["a/m", "b/m", "c/m"]


def test_auto_turns_to_the_one_that_diverged_where_there_is_no_other() -> None:
    configured = resuming(Resume.AUTO, tiers=(("a/m",), ("b/m",)))
    client, stage = play(said(WORDS[:3], cut=True), said(("No.",), "2"), said(("goes ", "dark"), "3"), configured=configured)
    assert_whole(client)
    assert [attempt[0] for attempt in tried(stage)] == ["a/m", "b/m", "b/m"]


def test_auto_keeps_splicing_where_nobody_can_go_on() -> None:
    configured = resuming(Resume.AUTO, preset="custom")
    client, _ = play(said(WORDS[:3], cut=True), said(("No.",), "2"), said(WORDS, "3"), configured=configured)
    assert_whole(client)


def test_a_refusal_to_go_on_is_nobodys_error_and_is_remembered() -> None:
    """The second call does not ask it any more, and nothing of the 400 is ever shown or counted."""
    answers = [said(WORDS[:3], cut=True), REFUSED, said(("goes ", "dark"), "3")]
    answers += [said(WORDS[:3], cut=True), said(("goes ", "dark"), "3")]

    async def body(stage: Stage) -> None:
        for _ in range(2):
            assert_whole(await stage.ask(Wish("c")))
        first, second = stage.records
        assert [(a.target, a.kind) for a in first.attempts][1] == ("b/m", OutcomeKind.UNSUPPORTED)
        assert [a.target for a in second.attempts] == ["a/m", "c/m"]

    act(in_order(*answers), body, resuming(Resume.CONTINUE))


def test_when_everybody_refuses_to_go_on_the_cut_is_told() -> None:
    client, stage = play(said(WORDS[:3], cut=True), REFUSED, configured=resuming(Resume.CONTINUE))
    assert_honest(client, stage)
    assert b"prefill" not in bytes(client.downstream.body)
    assert len(stage.transport.sent) == 3


def test_a_rejected_splice_is_not_shown_either() -> None:
    client, stage = play(said(WORDS[:3], cut=True), REFUSED)
    assert_honest(client, stage)
    assert error_of(client)["type"] == "server_error"


def test_white_space_is_nothing_to_go_on_from() -> None:
    client, stage = play(said(("\n",), cut=True), said(("\n", *WORDS), "2"), configured=resuming(Resume.CONTINUE))
    assert_whole(client, "\n" + TEXT)
    assert "continue_final_message" not in sent(stage)


def test_what_is_too_long_for_a_target_is_no_refusal_to_go_on() -> None:
    """The failure table has its own row for it: only larger contexts are asked then."""
    too_long = whole({"error": {"message": "Too long.", "code": "context_length_exceeded"}}, 400)
    client, stage = play(said(WORDS[:3], cut=True), too_long, configured=resuming(Resume.CONTINUE))
    assert_honest(client, stage)
    assert [attempt[2] for attempt in tried(stage)] == [OutcomeKind.STREAM_BROKEN, OutcomeKind.CONTEXT_TOO_LONG]


# What cannot go on.


TOOL = {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "light", "arguments": '{"a'}}]}


def test_a_call_that_has_begun_is_never_asked_for_again() -> None:
    begun = stream((0.1, chunk({"role": "assistant", "content": "One moment"})), (0.1, chunk(TOOL)), error=CUT)
    for mode in (Resume.SPLICE, Resume.AUTO):
        client, stage = play(begun, said(WORDS), configured=resuming(mode))
        assert_honest(client, stage)
        assert len(stage.transport.sent) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"logprobs": True},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}},
        {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
        {"store": True},
        {"web_search_options": {}, "tools": [{"type": "web_search"}]},
        {"tools": [{"type": "web_search"}]},
    ],
    ids=lambda fields: "-".join(fields),
)
def test_only_text_is_gone_on_with(fields: dict[str, Any]) -> None:
    client, stage = play(said(WORDS[:3], cut=True), said(WORDS, "2"), fields=fields)
    assert_honest(client, stage)
    assert len(stage.transport.sent) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1, "logprobs": False, "store": False, "response_format": {"type": "text"}},
        {"tools": [{"type": "function", "function": {"name": "light"}}]},
    ],
)
def test_what_only_looks_like_more_is_text(fields: dict[str, Any]) -> None:
    client, _ = play(said(WORDS[:3], cut=True), said(WORDS, "2"), fields=fields)
    assert_whole(client)


def test_a_stream_that_had_ended_is_not_gone_on_with() -> None:
    """The finish was told, and an error came after it."""
    ended = said(WORDS)
    broken = stream(*ended.pieces[:-2], (0.01, b'data: {"error":{"message":"late"}}\n\n'))
    client, stage = play(broken, said(WORDS, "2"))
    assert client.downstream.aborted_at is not None
    assert len(stage.transport.sent) == 1


# Time, and leaving.


def test_a_client_that_leaves_between_two_answers_cancels_the_second() -> None:
    client, stage = play(said(WORDS[:3], cut=True), said(WORDS, "2", gap=0.5), leaves=1.0)
    assert client.verdict == "left"
    assert stage.transport.exchanges[1].ended == "aborted"
    assert stage.records[0].outcome is OutcomeKind.CLIENT_GONE
    assert tried(stage)[1][2] is OutcomeKind.CLIENT_GONE


def test_a_target_may_take_its_time_to_repeat_what_the_client_has() -> None:
    """Longer than the limit on the first content; but not silent."""
    words = tuple(f"word{n} " for n in range(40))
    configured = resuming(timeouts=Timeouts(connect=1.0, first_content=2.0, idle=1.0, total=60.0))
    client, stage = play(said(words[:39], cut=True, gap=0.2), said(words, "2", gap=0.2), configured=configured)
    assert_whole(client, "".join(words))
    first_content = stage.records[0].attempts[1].first_content_at
    assert first_content is not None
    assert first_content < stage.records[0].attempts[1].started_at + 1.0


@pytest.mark.parametrize(
    ("silent", "kind"),
    [
        (Canned(wait=None), OutcomeKind.FIRST_CONTENT_TIMEOUT),
        (stream((0.1, chunk({"content": "When "})), hang=True), OutcomeKind.IDLE_TIMEOUT),
    ],
)
def test_a_silent_target_is_given_up(silent: Canned, kind: OutcomeKind) -> None:
    client, stage = play(said(WORDS[:3], cut=True), silent, said(WORDS, "3"))
    assert_whole(client)
    assert tried(stage)[1][2] is kind


def test_the_deadline_is_one_for_all_answers() -> None:
    configured = resuming(timeouts=Timeouts(connect=1.0, first_content=2.0, idle=1.0, total=3.0))
    client, stage = play(said(WORDS[:3], cut=True), said(WORDS * 20, "2", gap=0.9), configured=configured)
    assert client.downstream.ended_at == pytest.approx(3.0, abs=0.1)
    assert client.downstream.aborted_at is not None
    assert stage.records[0].attempts[-1].kind in (OutcomeKind.DEADLINE_EXCEEDED, OutcomeKind.DIVERGED)


def test_the_clients_limit_on_the_first_byte_is_kept_by_then() -> None:
    configured = resuming()
    answers = (said(WORDS[:3], cut=True), said(WORDS, "2", gap=0.4))

    async def body(stage: Stage) -> None:
        assert_whole(await stage.ask(Wish("c"), headers={"x-stainless-read-timeout": "1"}))

    act(in_order(*answers), body, configured)


def test_silence_between_two_answers_is_broken_by_comments() -> None:
    client, _ = play(
        said(WORDS[:3], cut=True), said(WORDS, "2", gap=0.4), configured=resuming(heartbeat=0.5), wants_usage=True
    )
    assert_whole(client)
    assert b": undimmed waiting" in bytes(client.downstream.body)


# Others' words.


def test_what_was_only_thought_is_thought_again_unseen() -> None:
    thought = chunk({"reasoning_content": "Hm"}, id="chatcmpl-1", model="m-1")
    again = said(WORDS, "2")
    thinking = stream((0.1, chunk({"reasoning_content": "Well"}, id="chatcmpl-2")), *again.pieces)
    for mode in (Resume.SPLICE, Resume.CONTINUE):
        client, stage = play(stream((0.1, thought), error=CUT), thinking, configured=resuming(mode))
        assert_whole(client)
        assert b"Well" not in bytes(client.downstream.body)
        assert "continue_final_message" not in sent(stage)


def test_an_error_in_the_stream_is_a_cut_too() -> None:
    words = said(WORDS[:3], cut=True)
    overloaded = b'data: {"error":{"message":"Overloaded","type":"overloaded_error"}}\n\n'
    client, _ = play(stream(*words.pieces, (0.01, overloaded)), said(WORDS, "2"))
    assert_whole(client)


def test_a_filter_is_no_cut() -> None:
    words = said(WORDS[:3], cut=True)
    filtered = b'data: {"error":{"message":"Filtered","code":"content_filter"}}\n\n'
    client, stage = play(stream(*words.pieces, (0.01, filtered)), said(WORDS, "2"))
    assert client.downstream.aborted_at is not None
    assert len(stage.transport.sent) == 1


def test_every_cut_counts_against_its_target() -> None:
    async def body(stage: Stage) -> None:
        for _ in range(6):
            await stage.ask(Wish("c"))
        assert [a.target for a in stage.records[-1].attempts] == ["b/m"]  # five in a row opened the first one's breaker

    def script(request: Any) -> Canned:
        return said(WORDS[:3], cut=True) if request.pool == "a" else said(WORDS, "2")

    configured: Settings = resuming(tiers=(("a/m",), ("b/m",)))
    answer: Script = script
    act(answer, body, configured)


def test_legacy_completions_go_on_from_their_prompt() -> None:
    def told(text: str, name: str, finish: str | None = None) -> bytes:
        choices = [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish}]
        return f"data: {dumps({'id': name, 'model': 'm', 'choices': choices})}\n\n".encode()

    first = stream((0.1, told("When one ", "cmpl-1")), (0.1, told("lamp ", "cmpl-1")), error=CUT)
    second = stream((0.1, told(" goes dark", "cmpl-2")), (0.1, told("", "cmpl-2", "stop")), (0.0, DONE))
    configured = resuming(Resume.CONTINUE)
    client, stage = play(first, second, configured=configured, endpoint=Endpoint.COMPLETIONS)
    assert "".join(event["choices"][0]["text"] for event in events_of(client)) == "When one lamp goes dark"
    assert {event["id"] for event in events_of(client)} == {"cmpl-1"}
    assert sent(stage)["prompt"] == "Keep the light on.When one lamp"


def test_a_long_answer_is_read_in_bursts() -> None:
    words = tuple(f"word{n} " * 40 for n in range(400))
    client, stage = play(said(words[:399], cut=True), said(words, "2"))
    assert_whole(client, "".join(words))
    assert stage.records[0].outcome is OutcomeKind.OK


def test_what_is_too_long_to_be_kept_ends_with_its_cut() -> None:
    words = ("x" * 600_000, "y" * 600_000, "z")
    client, stage = play(said(words[:2], cut=True), said(words, "2"))
    assert_honest(client, stage)


# With the rest of the house.


def test_a_resumed_answer_can_be_kept_for_bad_times() -> None:
    """What remembers a stream for repeating it, and what remembers it for going on, do not get in each other's way."""
    configured = resuming()
    configured = replace(configured, routes=tuple(replace(route, stale=60.0) for route in configured.routes))
    client, _ = play(said(WORDS[:3], cut=True), said(WORDS, "2"), configured=configured)
    assert_whole(client)


def test_a_target_whose_format_has_no_words_for_the_request_is_not_asked_to_go_on() -> None:
    """Its first target takes what another vendor's format cannot say."""
    claude = replace(provider("b", preset="anthropic"), kind="anthropic")
    sonnet = Target("b", "claude-sonnet-4-5", facts=facts_of("claude-sonnet-4-5"))
    made = resuming(Resume.CONTINUE, tiers=(("a/m",), (sonnet,)))
    configured = replace(made, providers={**made.providers, "b": claude})
    odd = {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": 7}}]}]}
    client, stage = play(said(WORDS[:3], cut=True), said(WORDS, "2"), configured=configured, fields=odd)
    assert [request.pool for request in stage.transport.sent] == ["a", "a"]  # the one that can goes on itself
    assert client.downstream.ended_at is not None


def test_the_one_that_diverged_is_not_asked_to_go_on_beyond_its_budget() -> None:
    configured = resuming(Resume.AUTO, tiers=(("a/m",), ("b/m",)), retry=replace(RETRY, budget_floor=0, budget_ratio=0.0))
    client, stage = play(said(WORDS[:3], cut=True), said(("No.",), "2"), said(("goes ", "dark"), "3"), configured=configured)
    assert_honest(client, stage)
    assert len(stage.transport.sent) == 2


def test_only_so_many_refusals_are_remembered() -> None:
    unwilling = Unwilling()
    for number in range(MAX_UNWILLING + 1):
        unwilling.note(f"p/m{number}", Endpoint.CHAT, 0.0)
    assert not unwilling.knows("p/m0", Endpoint.CHAT, 1.0)
    assert unwilling.knows("p/m1", Endpoint.CHAT, 1.0)
    assert not unwilling.knows("p/m1", Endpoint.MESSAGES, 1.0)
    assert not unwilling.knows("p/m1", Endpoint.CHAT, UNWILLING_FOR)
