"""HTTP towards issuers of tokens, over aiohttp's client: seldom used, so comfort counts for more than speed.

A connection is made for each request and closed after it. Nothing is taken from the environment, cookies are not kept,
redirects are not followed: a token request goes to the configured address and nowhere else. Names are resolved by the same
book as providers' names, so that an issuer whose name server is down is still found where it was.
"""

import asyncio
import socket
import ssl

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from proxy import __version__
from proxy.transport.credentials.surroundings import TokenRequest, TokenResponse, Unreachable
from proxy.transport.dialing import default_tls, explain
from proxy.transport.limits import TransportLimits
from proxy.transport.resolution import AddressBook, Resolve, system_resolver

MAX_BODY = 256 * 1024
_HEADERS = {"user-agent": f"undimmed/{__version__}", "accept": "application/json", "accept-encoding": "identity"}


class _BookResolver(AbstractResolver):
    """aiohttp's idea of a resolver, on our book."""

    def __init__(self, book: AddressBook) -> None:
        self._book = book

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._book.find(host, port)
        ]

    async def close(self) -> None:
        self._book.close()


class AiohttpTokenHttp:
    """Implements `TokenHttp`. Costs nothing before the first request. `tls` and `resolve`: None for the system's;
    `limit`: of an answer, in bytes."""

    def __init__(self, tls: ssl.SSLContext | None = None, resolve: Resolve | None = None, limit: int = MAX_BODY) -> None:
        self._tls = tls
        self._resolve = resolve
        self._limit = limit
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, request: TokenRequest) -> TokenResponse:
        if self._session is None:
            self._session = self._open()
        try:
            async with self._session.request(
                request.method, request.url, headers=list(request.headers), data=request.body or None, allow_redirects=False
            ) as response:
                headers = [(name.lower(), value) for name, value in response.raw_headers]
                return TokenResponse(response.status, headers, await _read(response, self._limit))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(_words(error)) from error

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        book = AddressBook(loop, self._resolve or system_resolver(loop), TransportLimits())
        connector = aiohttp.TCPConnector(
            ssl=self._tls or default_tls(), resolver=_BookResolver(book), use_dns_cache=False, force_close=True
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # whoever asks keeps the time
            headers=_HEADERS,
            auto_decompress=False,
            trust_env=False,
        )


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, unless it has no end."""
    body = bytearray()
    while chunk := await response.content.read(limit):
        body += chunk
        if len(body) > limit:
            raise Unreachable(f"answered with more than {limit // 1024} KiB")
    return bytes(body)


def _words(error: Exception) -> str:
    """Why there is no answer. Texts of our own: a library's may quote what was sent."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"cannot be reached: {explain(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot be reached: {explain(error.os_error)}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "closed the connection without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "broke off its answer"
    if isinstance(error, aiohttp.ClientResponseError):
        return "answered something that is not HTTP"
    if isinstance(error, aiohttp.InvalidURL):
        return "is not an address"
    if isinstance(error, OSError):
        return f"cannot be reached: {explain(error)}"
    return f"gave no answer ({type(error).__name__})"
