"""What fetching a token may touch: HTTP towards issuers, files, programs, the environment and the wall clock.

All of it can hang, so all of it is bounded here: a request by its limit, an answer by its size, a program by both. Whatever
goes wrong becomes `Denied` with words that can be shown; nothing of what was sent, read or printed is ever quoted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Protocol
from urllib.parse import urlsplit

from proxy.core.exchange import HeaderList
from proxy.wire.token_answers import Denial, Grant, Verdict

#: Seconds for an answer of a token endpoint, and of a metadata server, which is next door or not there.
TOKEN_LIMIT = 10.0
METADATA_LIMIT = 3.0
MAX_FILE = 256 * 1024


class Denied(Exception):
    """There is no token; `denial` says why."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.text)
        self.denial = denial


class Unreachable(Exception):
    """No answer, or none that is HTTP; the text goes on after the issuer's name."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One request to an issuer. `limit` in seconds, from the name look-up to the answer's last byte."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    limit: float = TOKEN_LIMIT

    @property
    def issuer(self) -> str:
        """Its name for people."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """An answer, whole."""

    status: int
    headers: HeaderList = ()
    body: bytes = field(default=b"", repr=False)


class TokenHttp(Protocol):
    """HTTP towards issuers. Redirects are answers like any other, and no proxy is taken from the environment."""

    async def ask(self, request: TokenRequest) -> TokenResponse:
        """Raises Unreachable. Need not keep the time: whoever calls does."""
        ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Printed:
    """A program's exit status and what it printed, up to a limit; its error output is let go."""

    status: int
    output: bytes = field(repr=False)


#: Runs a program. Raises OSError where it cannot be started, TimeoutError where it does not end.
Run = Callable[[Sequence[str]], Awaitable[Printed]]
Read = Callable[[str], bytes]
#: Status, headers, body and the Unix time of the request to a verdict.
Judge = Callable[[int, HeaderList, bytes, float], Verdict]


def read_file(path: str) -> bytes:
    """The start of a file. Raises OSError."""
    with Path(path).open("rb") as stream:
        return stream.read(MAX_FILE)


async def run_nothing(argv: Sequence[str]) -> Printed:
    """Where no programs are to be run."""
    raise PermissionError(1, "programs are not run here", argv[0])


@dataclass(slots=True)
class Surroundings:
    """`wall` gives Unix time, for what issuers say in it; `read` may block, and is called in a thread."""

    loop: asyncio.AbstractEventLoop
    http: TokenHttp
    rng: Random
    wall: Callable[[], float]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    run: Run = run_nothing
    read: Read = read_file

    async def ask(self, request: TokenRequest, judge: Judge) -> Grant:
        """The token in the answer to a request. Raises Denied."""
        asked = self.wall()
        response = await self.answer(request)
        verdict = judge(response.status, response.headers, response.body, asked)
        if isinstance(verdict, Denial):
            raise Denied(replace(verdict, text=f"{request.issuer} {verdict.text}"))
        return verdict

    async def answer(self, request: TokenRequest) -> TokenResponse:
        """The answer to a request, in time. Raises Denied."""
        try:
            async with asyncio.timeout(request.limit):
                return await self.http.ask(request)
        except TimeoutError:
            raise denied(f"{request.issuer} did not answer within {request.limit:g} s") from None
        except Unreachable as error:
            raise denied(f"{request.issuer} {error}") from error

    async def text(self, path: str) -> str:
        """The text of a file without the space around it. Raises Denied."""
        try:
            raw = await self.loop.run_in_executor(None, self.read, path)
            return raw.decode().strip()
        except OSError as error:
            raise denied(f"{path} cannot be read: {(error.strerror or type(error).__name__).lower()}") from error
        except UnicodeDecodeError as error:
            raise denied(f"{path} is not text") from error

    def variable(self, name: str) -> str:
        """An environment variable that the platform sets. Raises Denied."""
        value = self.env.get(name, "")
        if not value:
            raise denied(f"the environment variable {name} is not set", final=True)
        return value


def denied(text: str, final: bool = False) -> Denied:
    """An error with these words."""
    return Denied(Denial(text, final))
