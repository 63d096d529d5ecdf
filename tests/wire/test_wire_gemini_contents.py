import json

import pytest
from gemini_bodies import assistant, system, user, write
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.facts import UNKNOWN
from proxy.core.features import Fate, Feature
from proxy.wire.dialogue import (
    ANTHROPIC,
    GOOGLE,
    Audio,
    Dialogue,
    Document,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from proxy.wire.gemini.contents import NO_SEAL
from proxy.wire.gemini.format import VERTEX_FORMAT
from proxy.wire.openai_envelope import EnvelopeError


def parts_of(*parts: Part) -> list[dict[str, object]]:
    """What becomes of these parts of a user's turn."""
    parts_: list[dict[str, object]] = write([user(*parts)])[0]["contents"][0]["parts"]
    return parts_


def history(*parts: Part | str, model: str = "gemini-3-pro-preview") -> list[dict[str, object]]:
    """What becomes of these parts of an earlier answer."""
    parts_: list[dict[str, object]] = write([user("q"), assistant(*parts), user("go on")], model)[0]["contents"][1]["parts"]
    return parts_


def test_roles_merge_and_instructions_stand_apart() -> None:
    turns = [
        system("Be brief.", ""),
        system("Be kind."),
        user("a"),
        user("b"),
        assistant("c"),
        system("Now rhyme."),
        user("d"),
    ]
    body, fates = write(turns)
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        {"role": "model", "parts": [{"text": "c"}]},
        {"role": "user", "parts": [{"text": "<system>\nNow rhyme.\n</system>"}, {"text": "d"}]},
    ]
    assert fates == {}


def test_instructions_alone_are_what_is_to_be_answered() -> None:
    body, fates = write([system("Say hello.")])
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]}
    assert fates == {Feature.LATER_SYSTEM: Fate.APPROXIMATED}


def test_empty_texts_and_turns_are_left_out() -> None:
    assert write([user("a"), assistant(""), user("", "b")])[0]["contents"] == [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}
    ]


def test_calls_and_results_go_by_name_and_stand_together() -> None:
    call = ToolCall("call_1", "get", '{"n": 1.10, "n2":1e400}')
    dry = ToolResult("call_2", "", [Text("warm"), Text("dry")])
    turns = [
        user("q"),
        assistant("Looking.", call, ToolCall("call_2", "look", "")),
        system("Hurry."),
        user(ToolResult("call_1", "", [Text('{"temp": 1.10}')]), dry, "and?"),
    ]
    body, _ = write(turns, "gemini-2.5-flash")
    assert body["contents"][1]["parts"] == [
        {"text": "Looking."},
        {"functionCall": {"name": "get", "args": {"n": 1.10, "n2": float("inf")}, "id": "call_1"}},
        {"functionCall": {"name": "look", "args": {}, "id": "call_2"}},
    ]
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"name": "get", "response": {"temp": 1.10}, "id": "call_1"}},
        {"functionResponse": {"name": "look", "response": {"result": "warm\ndry"}, "id": "call_2"}},
        {"text": "<system>\nHurry.\n</system>"},
        {"text": "and?"},
    ]
    raw = VERTEX_FORMAT.write(Dialogue(turns), "gemini-2.5-flash", UNKNOWN).body
    assert b'"args":{"n": 1.10, "n2":1e400}}' in raw
    assert b'"id"' not in raw


@pytest.mark.parametrize(
    ("content", "error", "response"),
    [
        ('{"a":1}', False, {"a": 1}),
        ("[1]", False, {"result": "[1]"}),
        ("", False, {"result": ""}),
        ("no such city", True, {"error": "no such city"}),
        ('{"code":5}', True, {"error": {"code": 5}}),
    ],
)
def test_results_are_objects(content: str, error: bool, response: object) -> None:
    result = ToolResult("c", "", [Text(content)], error)
    body, _ = write([user("q"), assistant(ToolCall("c", "f", "{}")), user(result)])
    assert body["contents"][2]["parts"] == [{"functionResponse": {"name": "f", "response": response, "id": "c"}}]


def test_a_result_names_its_function_or_an_earlier_call() -> None:
    assert parts_of(ToolResult("", "f", [Text("x")])) == [{"functionResponse": {"name": "f", "response": {"result": "x"}}}]
    with pytest.raises(EnvelopeError, match="nowhere"):
        write([user(ToolResult("nowhere", "", [Text("x")]))])


def test_the_latest_call_with_an_id_is_the_one_that_is_meant() -> None:
    turns = [user("q")]
    for name in ("f", "g"):
        turns += [assistant(ToolCall("call_0", name, "{}")), user(ToolResult("call_0", "", [Text("x")]))]
    contents = write(turns)[0]["contents"]
    assert [contents[at]["parts"][0]["functionResponse"]["name"] for at in (2, 4)] == ["f", "g"]


def test_pictures_in_a_result_stand_beside_it() -> None:
    result = ToolResult("", "shot", [Text("done"), Image(data="QUJD", media_type="image/png")])
    assert parts_of(Text("first"), result) == [
        {"functionResponse": {"name": "shot", "response": {"result": "done"}}},
        {"text": "first"},
        {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
    ]


@pytest.mark.parametrize("arguments", ["[1]", "{", "5", '{"a":}', "x"])
def test_arguments_that_are_no_object_cannot_be_sent(arguments: str) -> None:
    with pytest.raises(EnvelopeError, match="call_9"):
        write([user("q"), assistant(ToolCall("call_9", "f", arguments))])


def test_what_a_custom_tool_was_told_is_kept_in_the_history() -> None:
    assert history(ToolCall("c", "f", "free text", custom=True, signature="AAAA")) == [
        {"functionCall": {"name": "f", "args": {"input": "free text"}, "id": "c"}, "thoughtSignature": "AAAA"}
    ]


def test_media_inline() -> None:
    assert parts_of(
        Image(data="QUJD", media_type="image/webp"),
        Image(data="QUJD"),
        Audio("QUJD", "wav"),
        Document(data="QUJD", media_type="application/pdf", name="a.pdf"),
        Document(data="QUJD"),
        Document(text="body", name="Title", context="Context"),
    ) == [
        {"inlineData": {"mimeType": "image/webp", "data": "QUJD"}},
        {"inlineData": {"mimeType": "image/jpeg", "data": "QUJD"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "QUJD"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "QUJD"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "QUJD"}},
        {"text": "Title\nContext\nbody"},
    ]


@pytest.mark.parametrize(
    ("url", "media_type"),
    [
        ("gs://bucket/a.PNG", "image/png"),
        ("https://www.youtube.com/watch?v=abc", "video/mp4"),
        ("https://generativelanguage.googleapis.com/v1beta/files/abc", "image/jpeg"),
    ],
)
def test_googles_own_places_are_read_everywhere(url: str, media_type: str) -> None:
    assert parts_of(Image(url=url)) == [{"fileData": {"mimeType": media_type, "fileUri": url}}]


def test_only_vertex_fetches() -> None:
    picture, paper = Image(url="https://x.example/a.webp?size=5#top"), Document(url="https://x.example/paper")
    for part in (picture, paper, Image(url="https://youtube.com.evil.example/x")):
        with pytest.raises(EnvelopeError, match="does not fetch"):
            write([user(part)])
    body, _ = write([user(picture, paper, Image(url="https://x.example/a", media_type="image/gif"))], vendor=VERTEX_FORMAT)
    assert [part["fileData"]["mimeType"] for part in body["contents"][0]["parts"]] == [
        "image/webp",
        "application/pdf",
        "image/gif",
    ]


def test_files_of_another_account_cannot_be_read() -> None:
    for part in (Image(file_id="file-1"), Document(file_id="file-1")):
        with pytest.raises(EnvelopeError, match="another vendor"):
            write([user(part)], vendor=VERTEX_FORMAT)


def test_seals_go_back_on_the_part_they_came_with() -> None:
    assert history(Thinking("plan…", vendor=GOOGLE), "Paris", Thinking(redacted="AAAA", vendor=GOOGLE)) == [
        {"text": "plan…", "thought": True},
        {"text": "Paris", "thoughtSignature": "AAAA"},
    ]
    # A client that keeps reasoning apart from text gives it back first.
    assert history(Thinking("plan…", "AAAA", vendor=GOOGLE), "Paris") == [
        {"text": "plan…", "thought": True},
        {"text": "Paris", "thoughtSignature": "AAAA"},
    ]
    assert history(Thinking("plan…", "AAAA", vendor=GOOGLE)) == [
        {"text": "plan…", "thought": True},
        {"text": "", "thoughtSignature": "AAAA"},
    ]
    twice = (Thinking(redacted="AAAA", vendor=GOOGLE), Thinking(redacted="BBBB", vendor=GOOGLE), "x", Refusal("no"))
    assert history(*twice) == [
        {"text": "", "thoughtSignature": "AAAA"},
        {"text": "x", "thoughtSignature": "BBBB"},
        {"text": "no"},
    ]


def test_gemini_3_wants_a_seal_on_the_first_call_of_a_turn() -> None:
    two = (ToolCall("1", "f", "{}"), ToolCall("2", "f", "{}"))
    assert [part.get("thoughtSignature") for part in history(*two)] == [NO_SEAL, None]
    assert [part.get("thoughtSignature") for part in history(ToolCall("1", "f", "{}", signature="AAAA"), two[1])] == [
        "AAAA",
        None,
    ]
    assert [part.get("thoughtSignature") for part in history(*two, model="gemini-2.5-pro")] == [None, None]


def test_thoughts_of_others_are_left_out_and_said_to_be() -> None:
    for thought in (Thinking("hm", "sig", vendor=ANTHROPIC), Thinking(redacted="data", vendor=ANTHROPIC)):
        body, fates = write([user("q"), assistant(thought, "a"), user("b")])
        assert body["contents"][1]["parts"] == [{"text": "a"}]
        assert fates == {Feature.THINKING_HISTORY: Fate.DROPPED, Feature.SIGNATURES: Fate.DROPPED}
    _, fates = write([user("q"), assistant(Thinking("hm"), "a"), user("b")])
    assert fates == {Feature.THINKING_HISTORY: Fate.DROPPED}


ARGUMENTS = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=3).map(json.dumps)
SEALS = st.sampled_from(["AAAA", "BBBBCCCC"])
ANSWERS = st.lists(
    st.builds(Text, st.text(max_size=10))
    | st.builds(Thinking, st.text(max_size=5), SEALS | st.none(), vendor=st.sampled_from([GOOGLE, ANTHROPIC, ""]))
    | st.builds(ToolCall, st.sampled_from(["1", "2"]), st.just("f"), ARGUMENTS, signature=SEALS | st.none()),
    max_size=5,
)


@given(st.lists(ANSWERS, min_size=1, max_size=4))
def test_no_seal_and_no_word_gets_lost(answers: list[list[Part]]) -> None:
    turns: list[Turn] = []
    for answer in answers:
        turns += [user("q"), Turn("assistant", answer)]
    body, _ = write(turns)
    written = [part for content in body["contents"] for part in content["parts"] if content["role"] == "model"]
    given_ = [part for answer in answers for part in answer]
    seals = [part["thoughtSignature"] for part in written if part.get("thoughtSignature", NO_SEAL) != NO_SEAL]
    kept = [part.signature for part in given_ if isinstance(part, ToolCall) and part.signature]
    kept += [part.signature for part in given_ if isinstance(part, Thinking) and part.signature and part.vendor == GOOGLE]
    assert sorted(seals) == sorted(kept)
    texts = [part["text"] for part in written if part.get("text") and "thought" not in part]
    assert texts == [part.text for part in given_ if isinstance(part, Text) and part.text]
    calls = [part["functionCall"]["args"] for part in written if "functionCall" in part]
    assert calls == [json.loads(part.arguments) for part in given_ if isinstance(part, ToolCall)]
