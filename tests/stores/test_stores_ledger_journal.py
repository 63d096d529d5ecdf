import os
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.stores.ledger.journal import Journal
from proxy.stores.ledger.segment import Segment, read_frames


def names(folder):
    def name_next():
        name_next.count += 1
        return folder / f"s{name_next.count}"

    name_next.count = 0
    return name_next


def test_a_segment_gives_back_what_it_was_given(tmp_path):
    segment = Segment(tmp_path / "s", 4096)
    assert segment.append(b"one")
    assert segment.append(b"two")
    assert not segment.append(bytes(5000))
    assert [payload for payload, _ in segment.frames(0)] == [b"one", b"two"]
    assert list(read_frames((tmp_path / "s").read_bytes())) == [b"one", b"two"]
    assert repr(segment) == "<Segment s: 2 frames, 22 of 4096 bytes>"
    segment.close(remove=True)
    assert not (tmp_path / "s").exists()
    assert segment.append(b"late"), "harmless"


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.data())
def test_what_is_torn_anywhere_loses_only_its_end(payloads, data):
    segment = Segment(None, 4096)
    ends = [0]
    for payload in payloads:
        segment.append(payload)
        ends.append(segment.end)
    whole = bytes(segment.memory[: segment.end])
    cut = data.draw(st.integers(0, len(whole)))
    kept = sum(end <= cut for end in ends[1:])
    assert list(read_frames(whole[:cut])) == payloads[:kept]
    assert list(read_frames(whole[:cut] + bytes(100))) == payloads[:kept]
    if cut < len(whole):
        damaged = bytearray(whole)
        damaged[cut] ^= 1 + data.draw(st.integers(0, 254))
        assert list(read_frames(bytes(damaged)))[:kept] == payloads[:kept]


def test_rows_pass_through_many_segments_in_order_and_files_go(tmp_path):
    journal = Journal(names(tmp_path), 4096, 8, 1)
    journal.prepare()
    seen = []
    for number in range(1000):
        assert journal.end(f"c{number}", b"%04d" % number * 10)
        journal.prepare()
        if number % 7 == 0:
            payloads, mark = journal.read(5)
            seen += payloads
            journal.release(mark)
        if number % 50 == 0:
            while (found := journal.read(100))[1]:
                seen += found[0]
                journal.release(found[1])
    while (found := journal.read(100))[1]:
        seen += found[0]
        journal.release(found[1])
    assert [int(payload[:4]) for payload in seen] == list(range(1000))
    assert len(list(tmp_path.iterdir())) == 2, "the one in use and the next"
    assert journal.lost == 0
    journal.close(keep=False)
    assert not list(tmp_path.iterdir())


def test_what_is_open_is_carried_along(tmp_path):
    journal = Journal(names(tmp_path), 4096, 8, 1)
    journal.prepare()
    journal.begin("long", b"first attempt")
    journal.begin("long", b"second attempt")
    for number in range(200):
        journal.prepare()
        journal.end(f"c{number}", bytes(100))
        journal.release(journal.read(100)[1])
    assert journal.unfinished == 1
    journal.close(keep=True)
    [kept] = tmp_path.iterdir()
    assert list(read_frames(kept.read_bytes()))[:2] == [b"first attempt", b"second attempt"]


def test_beyond_its_limit_rows_are_counted_as_lost(tmp_path):
    journal = Journal(names(tmp_path), 4096, 2, 1)
    results = []
    for number in range(200):
        journal.prepare()
        results.append(journal.end(f"c{number}", bytes(92)))
    assert results == [True] * 120 + [False] * 80, "two files and one piece of memory"
    assert (journal.appended, journal.lost) == (120, 80)
    assert not journal.durable
    assert repr(journal) == "<Journal 3 segments, 120 appended, 80 lost>"
    journal.close(keep=False)


@pytest.fixture
def small_files():
    """No file may grow beyond a few bytes: what a full disk does, for every user."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_where_no_file_can_be_made_memory_is_used(tmp_path, small_files):
    journal = Journal(names(tmp_path), 4096, 2, 1)
    journal.prepare()
    assert journal.end("c", b"row")
    assert not journal.durable
    assert journal.error == "no file for the journal: File too large"
    assert not list(tmp_path.iterdir())
    assert journal.read(10)[0] == [b"row"]


def test_a_missing_folder_too(tmp_path):
    journal = Journal(names(tmp_path / "none"), 4096, 2, 1)
    journal.prepare()
    assert journal.end("c", b"row")
    assert "No such file" in journal.error
    descriptors = len(os.listdir("/proc/self/fd"))
    journal.prepare()
    assert len(os.listdir("/proc/self/fd")) == descriptors
