"""A connection to PostgreSQL for a thread that knows no event loop: asked in turn, never waited for without end.

asyncpg speaks in coroutines, so each link has a loop of its own, which runs only while something is asked. Everything that
can go wrong (no server, a refusal, a lost connection, silence) becomes `Down` with words that hold no password, no address
in full and no value of a row. After that the link is of no more use.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from proxy.stores.ledger.contract import Down

if TYPE_CHECKING:
    from asyncpg import Connection

#: The schema that all tables stand in.
SCHEMA = "undimmed"
EXTRA = "a postgresql:// ledger needs asyncpg: pip install 'undimmed[postgres]'"
#: Seconds to connect, and for one transaction.
CONNECTING = 5.0
ANSWERING = 40.0
#: Seconds between calls of `meanwhile`.
TICK = 0.1
#: Classes of SQLSTATE whose messages speak of the server and of names, never of values.
_SAYABLE = frozenset(("08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "F0", "XX"))

_T = TypeVar("_T")


def name_of(url: str) -> str:
    """What may be said of a database: its name, of all that its URL holds."""
    return urlsplit(url).path.lstrip("/") or "the default database"


def installed() -> bool:
    """Is the driver there?"""
    try:
        import asyncpg  # noqa: F401
    except ImportError:
        return False
    return True


def number_places(sql: str) -> str:
    """`?` as PostgreSQL wants them: `$1`, `$2`…"""
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


class Link:
    """Connected. Raises Down."""

    def __init__(self, url: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        if not installed():
            raise Down(EXTRA)
        self.name = name_of(url)
        self._meanwhile = meanwhile
        self._runner = asyncio.Runner()
        self._connection: Connection | None = None
        try:
            self._connection = self._ask(_connect(url), CONNECTING)
        except BaseException:
            self.close()
            raise

    def run(self, work: "Callable[[Connection], Awaitable[_T]]", seconds: float | None = None) -> _T:
        """What this work comes to, or Down after so many seconds (`ANSWERING`). Other exceptions of its own pass through."""
        if self._connection is None:
            raise Down("the connection is closed")
        return self._ask(work(self._connection), ANSWERING if seconds is None else seconds)

    def _ask(self, work: Awaitable[_T], seconds: float) -> _T:
        try:
            return self._runner.run(self._attend(work, seconds))
        except Exception as error:
            words = _words(error)
            if words is None:
                raise
            raise Down(words) from None  # what stands in the original is not for logs

    async def _attend(self, work: Awaitable[_T], seconds: float) -> _T:
        task = asyncio.ensure_future(work)
        until = time.perf_counter() + seconds
        try:
            while not (await asyncio.wait({task}, timeout=TICK))[0]:
                self._meanwhile()
                if time.perf_counter() > until:
                    raise TimeoutError
        except BaseException:
            # The server is not told: asyncpg would wait for it to answer that. The connection goes instead.
            if self._connection is not None:
                self._connection.terminate()
            task.cancel()
            with contextlib.suppress(BaseException):
                await task
            raise
        return task.result()

    def close(self) -> None:
        """At once. Never raises."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                self._runner.run(_leave(connection))
        self._runner.close()


async def _connect(url: str) -> "Connection":
    import asyncpg

    # No statement is kept by name: between us and the server may be a pooler that shares sessions.
    return await asyncpg.connect(url, statement_cache_size=0, server_settings={"application_name": "undimmed"})


async def _leave(connection: "Connection") -> None:
    connection.terminate()


def _words(error: Exception) -> str | None:
    """What is wrong with the server, never a value or a secret; None: it is another's error."""
    import asyncpg

    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return str(error.args[0]) if state[:2] in _SAYABLE and error.args else f"{type(error).__name__} ({state})"
    if isinstance(error, asyncpg.ClientConfigurationError):
        return "the URL is not one of PostgreSQL"
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError):
        return "the connection was lost"
    if isinstance(error, TimeoutError):
        return "the server does not answer"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with it: {error.reason or 'failed'}"
    if isinstance(error, ConnectionError) and "SSL" in str(error):
        return "the server speaks no TLS, which the URL asks for"
    if isinstance(error, OSError):
        return error.strerror or "the server cannot be reached"
    return None
