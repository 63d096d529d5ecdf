import pytest

from proxy.stores.ledger.entries import AttemptEntry
from proxy.stores.ledger.waste import KINDS, judge_waste

OK, LOST = "ok", "lost"


def tried(outcome, *, delivered=False, purpose="answer", content=True):
    return AttemptEntry("a/x", "a", "a#1", 0, 10 if content else None, 20, outcome, delivered=delivered, purpose=purpose)


SERVED = tried(OK, delivered=True)
TABLE = [
    ("answered", [SERVED], ["" ]),
    ("a filtered answer is an answer", [tried("content_filtered", delivered=True)], [""]),
    ("the client left in the middle", [tried("client_gone", delivered=True)], [""]),
    ("cut before the client's eyes", [tried("stream_broken", delivered=True)], ["cut"]),
    (
        "cut, and gone on with",
        [tried("stream_broken", delivered=True), tried(OK, delivered=True, purpose="resume")],
        ["", ""],
    ),
    (
        "cut, and gone on with in vain",
        [tried("stream_broken", delivered=True), tried("server_error", purpose="resume", content=False)],
        ["cut", "failed"],
    ),
    ("cut before it was passed on", [tried("stalled"), SERVED], ["cut", ""]),
    ("failed, then tried again", [tried("server_error", content=False), SERVED], ["failed", ""]),
    ("nobody was there any more", [tried("client_gone", content=False)], ["left"]),
    ("its client asked anew", [tried("superseded")], ["left"]),
    ("its client asked anew in the middle", [tried("superseded", delivered=True)], [""]),
    ("the second copy came too late", [SERVED, tried("outpaced", purpose="hedge")], ["", "hedge"]),
    ("the second copy was quicker", [tried("outpaced"), tried(OK, delivered=True, purpose="hedge")], ["hedge", ""]),
    (
        "a continuation that did not fit",
        [tried("stream_broken", delivered=True), tried("diverged", purpose="resume")],
        ["cut", "check"],
    ),
    (
        "the second copy saved the call",
        [tried("server_error", content=False), tried(OK, delivered=True, purpose="hedge")],
        ["failed", ""],
    ),
    ("not good enough", [tried("unconvincing"), tried(OK, delivered=True, purpose="escalation")], ["check", ""]),
    ("not good, and there is none better", [tried("unconvincing", delivered=True)], [""]),
    ("whole, and nobody was there any more", [tried(OK)], ["left"]),
    ("the proxy died", [tried(LOST, content=False)], ["lost"]),
]  # fmt: skip


@pytest.mark.parametrize(("attempts", "kinds"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_of_what_use_attempts_were(attempts, kinds):
    assert [judge_waste(attempts, number) for number in range(len(attempts))] == kinds
    assert set(kinds) <= set(KINDS)
