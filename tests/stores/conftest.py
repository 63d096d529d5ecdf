"""A PostgreSQL for the tests of the ledger, made when the first of them wants it."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest
from support.postgres_server import PostgresServer, find_binaries


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql, or name its bin folder in UNDIMMED_POSTGRES_BIN")
    server = PostgresServer(binaries)
    yield server
    server.remove()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    """The server, running and with no ledger in it."""

    async def clean() -> None:
        connection = await asyncpg.connect(postgres_server.url)
        await connection.execute("SET client_min_messages TO error; DROP SCHEMA IF EXISTS undimmed CASCADE")
        await connection.close()

    asyncio.run(clean())
    return postgres_server
