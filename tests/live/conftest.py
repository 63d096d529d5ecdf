"""Some of these tests hold more sockets than a shell usually allows its children; some want a PostgreSQL."""

import resource
from collections.abc import Iterator

import pytest
from support.postgres_server import postgres, postgres_server

__all__ = ["many_files", "postgres", "postgres_server"]

WANTED = 8192


@pytest.fixture(autouse=True, scope="package")
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
