"""Two answers, one stream: whatever the format and wherever the cut."""

from itertools import pairwise
from random import Random

import pytest
from support.joint_streams import ENDPOINTS, Heard, call_tool, listen, open_reader, say, write

from proxy.core.endpoints import Endpoint
from proxy.core.outcome import OutcomeKind
from proxy.core.usage import Usage
from proxy.wire.joined import JoinedReader
from proxy.wire.joints.fitness import _JOINTS
from proxy.wire.joints.joint import Bill, Joint
from proxy.wire.joints.seam import Exact, Overlap, Seam
from proxy.wire.pieces import Finish

WORDS = ("When ", "one ", "lamp ", 'goes "dark"', ",\n", "日本の ", "灯り", " 🪔", " stays.")
TEXT = "".join(WORDS)
THOUGHTS = ("Light ", "is ", "light.")
USAGE = Usage(20, 9)


def begin(endpoint: Endpoint, data: bytes) -> tuple[bytes, Joint]:
    """What a client was sent of a stream that broke off after these bytes, and the joint that saw it."""
    reader = open_reader(endpoint)
    sent = reader.feed(data)
    joint = _JOINTS[endpoint]()
    joint.read(sent)
    return sent, joint


def go_on(endpoint: Endpoint, joint: Joint, seam: Seam, data: bytes, size: int = 10**9, bill: Bill | None = None) -> bytes:
    """What the client gets of the next answer, fed in reads of this size."""
    joint.begin(seam, bill or Bill())
    reader = JoinedReader(open_reader(endpoint), joint, isinstance(seam, Overlap))
    out = b"".join([reader.feed(data[at : at + size]) for at in range(0, len(data), size)])
    outcome = reader.end()
    assert outcome.ok, outcome
    return out + reader.terminator


def assert_whole(heard: Heard, text: str = TEXT) -> None:
    assert heard.text == text
    assert heard.ends == 1
    assert len(heard.finishes) == 1
    assert len(heard.names) == 1
    assert len(heard.models) == 1


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("thoughts", [(), THOUGHTS], ids=["", "thinking"])
def test_a_cut_after_any_byte_is_not_seen(endpoint: Endpoint, thoughts: tuple[str, ...]) -> None:
    first = write(endpoint, "a", say(WORDS, thoughts), USAGE)
    second = write(endpoint, "b", say(("Wh", *TEXT[2:]), ("Hm.",) if thoughts else ()), USAGE)
    seen = 0
    for cut in range(0, len(first), 7):
        sent, joint = begin(endpoint, first[:cut])
        if joint.obstacle or not sent:
            continue
        seen += 1
        heard = listen(endpoint, sent + go_on(endpoint, joint, Exact(joint.text), second, 1 + cut % 200))
        if b'"model-a"' in sent:
            assert_whole(heard)
            assert heard.models == {"model-a"}
    assert seen > 50


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("seed", range(40))
def test_any_number_of_answers_make_one(endpoint: Endpoint, seed: int) -> None:
    """Cut, gone on with by either way, cut again, gone on with."""
    rng = Random(seed)
    sent, joint = begin(endpoint, _cut(write(endpoint, "a", say(_split(TEXT, rng)), USAGE), rng))
    for name in "bc":
        text = joint.text
        if joint.obstacle or not sent:
            return
        if rng.random() < 0.5:
            seam: Seam = Exact(text)
            spoken = TEXT
        else:
            seam = Overlap(text, text.rstrip())
            spoken = TEXT[len(text.rstrip()) :]
        data = write(endpoint, name, say(_split(spoken, rng)), USAGE)
        if name == "c":
            sent += go_on(endpoint, joint, seam, data, rng.randint(1, 300))
            break
        joint.begin(seam, Bill())
        out = JoinedReader(open_reader(endpoint), joint, isinstance(seam, Overlap)).feed(_cut(data, rng))
        joint.read(out)
        sent += out
    assert_whole(listen(endpoint, sent))


def _split(text: str, rng: Random) -> list[str]:
    places = sorted({0, len(text), *(rng.randrange(len(text)) for _ in range(rng.randint(0, 12)) if text)})
    return [text[start:end] for start, end in pairwise(places)]


def _cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.randint(len(data) // 4, len(data) * 3 // 4)]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_answer_that_says_something_else_has_diverged(endpoint: Endpoint) -> None:
    first = write(endpoint, "a", say(WORDS))
    for other in (("When ", "two lamps"), ("When",), ()):
        _, joint = begin(endpoint, first[: len(first) // 2])
        joint.begin(Exact(joint.text), Bill())
        reader = JoinedReader(open_reader(endpoint), joint, extends=False)
        assert reader.feed(write(endpoint, "b", say(other), USAGE)) == b""
        outcome = reader.failure or reader.end()
        assert outcome.kind is OutcomeKind.DIVERGED
        assert reader.end().kind is OutcomeKind.DIVERGED
        assert reader.feed(b"data: {}\n\n") == b""


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_failure_of_the_next_answer_is_its_own(endpoint: Endpoint) -> None:
    first = write(endpoint, "a", say(WORDS))
    _, joint = begin(endpoint, first[: len(first) // 2])
    joint.begin(Exact(joint.text), Bill())
    reader = JoinedReader(open_reader(endpoint), joint, extends=False)
    reader.feed(b'data: {"error":{"message":"Overloaded","type":"overloaded_error"},"type":"error"}\n\n')
    assert reader.failure is not None
    assert reader.end() is reader.failure
    assert not reader.begun
    broken = JoinedReader(open_reader(endpoint), joint, extends=False)
    broken.feed(first[:300])
    assert broken.end().kind is OutcomeKind.STREAM_BROKEN


@pytest.mark.parametrize("endpoint", [Endpoint.CHAT, Endpoint.MESSAGES, Endpoint.RESPONSES])
def test_a_call_of_the_next_answer_comes_after_its_text(endpoint: Endpoint) -> None:
    sent, joint = begin(endpoint, _before(write(endpoint, "a", say(WORDS)), b"\xe7\x81\xaf"))
    for seam in (Exact(joint.text), Overlap(joint.text, joint.text)):
        words = (TEXT,) if isinstance(seam, Exact) else (TEXT[joint.size :],)
        heard = listen(endpoint, sent + go_on(endpoint, joint, seam, write(endpoint, "b", call_tool(words), USAGE)))
        assert_whole(heard)
        assert heard.arguments == '{"lamp":1}'


@pytest.mark.parametrize("endpoint", [Endpoint.CHAT, Endpoint.MESSAGES, Endpoint.RESPONSES])
def test_a_call_before_all_text_has_come_is_another_answer(endpoint: Endpoint) -> None:
    _, joint = begin(endpoint, _before(write(endpoint, "a", say(WORDS)), b"\xe7\x81\xaf"))
    joint.begin(Exact(joint.text), Bill())
    reader = JoinedReader(open_reader(endpoint), joint, extends=False)
    assert reader.feed(write(endpoint, "b", call_tool(("When ",)))) == b""
    assert reader.failure is not None
    assert reader.failure.kind is OutcomeKind.DIVERGED


@pytest.mark.parametrize("endpoint", [Endpoint.CHAT, Endpoint.MESSAGES, Endpoint.RESPONSES])
def test_a_call_that_has_begun_can_end_nowhere_else(endpoint: Endpoint) -> None:
    data = write(endpoint, "a", call_tool(("One moment. ",)))
    _, joint = begin(endpoint, _before(data, b"call_1"))
    assert not joint.obstacle
    _, joint = begin(endpoint, data[: data.index(b"\n\n", data.index(b"call_1")) + 2])
    assert joint.obstacle


@pytest.mark.parametrize("endpoint", [Endpoint.CHAT, Endpoint.MESSAGES, Endpoint.RESPONSES])
def test_reasoning_of_the_next_answer_is_hidden(endpoint: Endpoint) -> None:
    """Cut while it thought: the answer is thought anew, unseen. Cut later: it is another's thought."""
    first = write(endpoint, "a", say(WORDS, THOUGHTS))
    second = write(endpoint, "b", say(WORDS, ("Other ", "thoughts.")), USAGE)
    for mark, thought in ((b'"is "', "Light "), (b"stays", "Light is light.")):
        sent, joint = begin(endpoint, _before(first, mark))
        heard = listen(endpoint, sent + go_on(endpoint, joint, Exact(joint.text), second))
        assert_whole(heard)
        assert heard.thought == thought


def _before(data: bytes, mark: bytes) -> bytes:
    """The stream up to the event that holds this."""
    return data[: data.rindex(b"\n\n", 0, data.index(mark)) + 2]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_usage_is_that_of_the_whole(endpoint: Endpoint) -> None:
    """Input of the first answer where it is known, output of what the client has."""
    sent, joint = begin(endpoint, _before(write(endpoint, "a", say(WORDS)), b"stays"))
    rest = write(endpoint, "b", say((" stays.",)), Usage(33, 4))
    names = ("prompt_tokens", "completion_tokens") if "chat" in endpoint or "compl" in endpoint else ()
    names = names or ("input_tokens", "output_tokens")
    for bill, expected in ((Bill(None, 13), (20, 17)), (Bill(25, 13), (25, 17)), (Bill(25, 0), (25, 4)), (Bill(), (33, 4))):
        seam = Overlap(joint.text, joint.text)
        usage = listen(endpoint, sent + go_on(endpoint, joint, seam, rest, bill=bill)).usage
        if endpoint is Endpoint.MESSAGES and bill.input is not None:
            expected = (usage["input_tokens"], expected[1])  # as it stood in message_start
            assert expected[0] != 33
        assert (usage[names[0]], usage[names[1]]) == expected
        assert usage.get("total_tokens", sum(expected)) == sum(expected)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_target_that_has_nothing_to_add_has_ended_the_answer(endpoint: Endpoint) -> None:
    sent, joint = begin(endpoint, _before(write(endpoint, "a", say((*WORDS, "~"))), b"~"))
    nothing = write(endpoint, "b", say(()), Usage(33, 0))
    if endpoint is Endpoint.RESPONSES:
        return  # such an answer has no message at all, and nothing tells it from a broken one
    assert_whole(listen(endpoint, sent + go_on(endpoint, joint, Overlap(joint.text, joint.text), nothing)))
    joint.begin(Exact(joint.text), Bill())
    reader = JoinedReader(open_reader(endpoint), joint, extends=False)
    reader.feed(nothing)
    assert not reader.end().ok


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_answer_that_was_cut_short_says_so(endpoint: Endpoint) -> None:
    sent, joint = begin(endpoint, _before(write(endpoint, "a", say(WORDS)), b"stays"))
    rest = write(endpoint, "b", say((TEXT,), finish=Finish.LENGTH), USAGE)
    heard = listen(endpoint, sent + go_on(endpoint, joint, Exact(joint.text), rest))
    assert heard.finishes[0] in ("length", "max_tokens", "incomplete")


def test_the_books_see_the_next_answer_as_it_was() -> None:
    """A joined reader tells its provider's own usage, model and texts, and what of its connection was lost."""
    _, joint = begin(Endpoint.CHAT, _before(write(Endpoint.CHAT, "a", say(WORDS)), b"stays"))
    joint.begin(Exact(joint.text), Bill())
    reader = JoinedReader(open_reader(Endpoint.CHAT), joint, extends=False)
    whole = write(Endpoint.CHAT, "b", say(WORDS), USAGE)
    reader.feed(whole[: whole.index(b"[DONE]") + 3])
    reader.forgo()
    assert reader.end().ok
    assert reader.texts() == [TEXT]
    assert reader.usage == USAGE
    assert reader.model == "model-b"
