"""Answers kept in a file: found again, bounded, private, and never in anybody's way."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from proxy.core.staleness import Kept
from proxy.stores.shelf import MAX_ANSWER, SqliteShelf


def kept(body: bytes = b"{}", wall: float = 100.0) -> Kept:
    return Kept(b"application/json", body, b"", wall, "a/m", 5)


def find(shelf: SqliteShelf, key: bytes, since: float = 0.0) -> Kept | None:
    return asyncio.run(shelf.find(key, since))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


def test_found_again_by_another_process_too(path: Path) -> None:
    shelf = SqliteShelf(path, 10_000)
    shelf.keep(b"k", kept(b"one"))
    shelf.keep(b"k", kept(b"two", 101.0))
    shelf.close()
    later = SqliteShelf(path, 10_000)
    assert find(later, b"k") == kept(b"two", 101.0)
    assert find(later, b"k", since=102.0) is None
    assert find(later, b"other") is None
    later.close()


def test_only_its_owner_can_read_it(path: Path) -> None:
    shelf = SqliteShelf(path, 10_000)
    shelf.keep(b"k", kept())
    shelf.close()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_the_oldest_go_first(path: Path) -> None:
    shelf = SqliteShelf(path, 3_000)
    for n in range(20):
        shelf.keep(b"%d" % n, kept(b"x" * 500, float(n)))
    assert [n for n in range(20) if find(shelf, b"%d" % n) is not None] == list(range(15, 20))
    shelf.close()
    again = SqliteShelf(path, 1_000)
    again.keep(b"new", kept(b"x" * 500, 50.0))
    assert [n for n in range(20) if find(again, b"%d" % n) is not None] == []
    assert find(again, b"new") is not None
    again.close()


def test_what_is_too_large_is_not_kept(path: Path) -> None:
    shelf = SqliteShelf(path, 100 * MAX_ANSWER)
    shelf.keep(b"k", kept(b"x" * (MAX_ANSWER + 1)))
    assert find(shelf, b"k") is None
    shelf.close()


@pytest.mark.parametrize("trouble", ["no such folder", "damaged", "a folder"])
def test_a_file_that_cannot_be_used_only_means_that_nothing_is_found(tmp_path: Path, trouble: str) -> None:
    path = tmp_path / "cache.db"
    if trouble == "no such folder":
        path = tmp_path / "missing" / "cache.db"
    elif trouble == "damaged":
        path.write_bytes(b"no database at all" * 100)
    else:
        path.mkdir()
    shelf = SqliteShelf(path, 10_000)
    shelf.keep(b"k", kept())
    assert find(shelf, b"k") is None
    shelf.keep(b"k", kept())
    shelf.close()
