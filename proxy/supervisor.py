"""The life of the process: start, reload, drain, stop.

Start: assemble, open both listeners, say so. A reload (SIGHUP, or the file changed) reads and checks the new configuration
completely and then replaces the routing in one assignment; an invalid one, or none, changes nothing and is shown in
`/health`. Stop (SIGTERM, SIGINT): readiness turns false and every reply is the last of its connection, but for a moment
new connections are still served, since a load balancer has to ask before it can know; then nobody new is let in, calls
under way finish within the drain limit, and the rest is cut off. With nobody there it stops at once; a second signal
does not wait.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import SystemRandom

import structlog

from proxy.assemble import Parts, assemble, judge_outside, keep_incidents, open_ledger, open_shelf, thread_estimator
from proxy.core.errors import ConfigError, ConfigProblem
from proxy.core.records import Sink
from proxy.core.settings import Settings
from proxy.gateway import Gateway
from proxy.pipeline.estimation import Estimator, ThreadEstimator
from proxy.restoring import restore_budgets
from proxy.server.admin import AdminPlane
from proxy.server.guard import is_loopback
from proxy.server.listener import DataPlane
from proxy.stores.ledger.tariff import tariff_of
from proxy.stores.lines import LineWriter
from proxy.stores.log import NAME, LogFormat, LogSink, configure, describe
from proxy.stores.process import raise_descriptor_limit
from proxy.stores.qualms import Qualms
from proxy.transport.client import HttpTransport
from proxy.transport.credentials.http import AiohttpTokenHttp
from proxy.transport.credentials.programs import run_program
from proxy.transport.credentials.refresher import Refresher
from proxy.transport.credentials.surroundings import Surroundings, TokenHttp
from proxy.watchtower import Keepers, Watchtower, watch_over

#: How often the configuration file's modification time is looked at.
WATCH_EVERY = 2.0
#: Modification time, size and inode of a file.
FileStamp = tuple[int, int, int]
GONE: FileStamp = (0, 0, 0)
EXIT_CANNOT_START = 3
#: Seconds for which a stopping proxy still lets new connections in, as long as anybody is there at all.
GRACE = 2.0
#: Seconds that the ledger gets even where the drain limit is over.
LEDGER_GRACE = 0.5
#: How long another thread may keep the event loop waiting; five times as long by default.
SWITCH_EVERY = 0.001
#: After the start, a moment without calls is looked for so often (seconds) and so many times.
QUIET_EVERY = 0.5
QUIET_TRIES = 20


class CannotListen(OSError):
    """One of the two addresses cannot be had; the message names it, its key and the reason."""


def _cannot_listen(error: OSError, key: str, host: str, port: int | None) -> CannotListen:
    shown = f"[{host}]" if ":" in host else host
    # Event loops put words of their own around the reason; a name that cannot be resolved has no errno to look up.
    named = error.errno is None or isinstance(error, socket.gaierror)
    reason = error.strerror or "unknown reason" if named else os.strerror(error.errno or 0)
    return CannotListen(f"cannot listen on {shown}:{port} ({key}): {reason[:1].lower()}{reason[1:]}")


@dataclass(frozen=True, slots=True)
class Log:
    """Where lines go, and whether finished calls are among them."""

    writer: LineWriter
    calls: bool = True


def surroundings(loop: asyncio.AbstractEventLoop, issuers: TokenHttp | None = None) -> Surroundings:
    """What fetching tokens may touch in a real process."""
    return Surroundings(
        loop=loop,
        http=issuers or AiohttpTokenHttp(),
        rng=SystemRandom(),
        wall=time.time,  # noqa: TID251 (this is the injection)
        env=os.environ,
        run=run_program,
    )


class Proxy:
    """One running proxy: two listeners, one gateway. Use from a running loop; `start`, then `stop` once."""

    def __init__(
        self,
        settings: Settings,
        *,
        log: Log | None = None,
        estimator: Estimator | None = None,
        issuers: TokenHttp | None = None,
    ) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._transport = HttpTransport(self._loop)
        self._set_pool_limits(settings)
        sinks: list[Sink] = [LogSink(calls=log.calls), Qualms()] if log is not None else []
        self._ledger = open_ledger(settings)
        if self._ledger is not None:
            sinks.append(self._ledger)
        self._own_estimator: ThreadEstimator | None = None
        if estimator is None:
            estimator = self._own_estimator = thread_estimator(self._loop, settings)
        self._shelf = open_shelf(settings)
        self.parts: Parts = assemble(settings, self._transport, estimator, sinks)
        self.parts.services.shelf = self._shelf
        self._judge = judge_outside(self.parts.services)
        self.gateway: Gateway = self.parts.gateway
        self._incidents = keep_incidents(self.parts.incidents, settings)
        self._data = DataPlane(self.gateway, settings.server, loop=self._loop)
        self._admin = AdminPlane(self.gateway, settings.server) if settings.server.admin_port is not None else None
        self._refresher = Refresher(surroundings(self._loop, issuers))
        self._log = log
        self.gateway.watch(self)
        if self._ledger is not None:
            self.gateway.keep(self._ledger)
        self.watchtower: Watchtower = watch_over(
            self.gateway, Keepers(self._ledger, self.gateway.gate, self.parts.incidents)
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._rejected: tuple[str, FileStamp] | None = None

    def _set_pool_limits(self, settings: Settings) -> None:
        for provider in settings.providers.values():
            self._transport.set_pool_limit(provider.name, provider.max_connections)

    # What the gateway asks of the edges, for metrics.

    def client_connections(self) -> int:
        return self._data.open_connections

    def calls_in_flight(self) -> int:
        return self._data.open_calls

    def upstream_connections(self) -> dict[tuple[str, str], int]:
        counts: dict[tuple[str, str], int] = {}
        for name, size in self._transport.pool_sizes().items():
            counts[name, "idle"] = size.idle
            counts[name, "busy"] = size.open - size.idle
        return counts

    def dropped_log_lines(self) -> int:
        return self._log.writer.dropped if self._log is not None else 0

    def refused_requests(self) -> Mapping[str, int]:
        return self._data.state.refused

    def cut_connections(self) -> Mapping[str, int]:
        return self._data.state.cut

    def handler_failures(self) -> int:
        return self._data.state.failed

    async def start(self) -> tuple[str, int]:
        """Listen. The address is the data plane's, with the port it really got. CannotListen leaves nothing open."""
        await restore_budgets(self.gateway.gate, self._settings, time.time())  # noqa: TID251 (this is the injection)
        if self._ledger is not None:
            self._ledger.start()
        try:
            address = await self._listen()
        except CannotListen:
            await self._close_ledger(self._loop.time())
            raise
        self._refresher.follow(self.gateway.routing.rings.values())
        self.watchtower.use(self._settings)
        self._tasks.append(self._loop.create_task(self.parts.prober.run()))
        self._tasks.append(self._loop.create_task(self.gateway.protection.watch()))
        if self._own_estimator is not None:
            self._tasks.append(self._loop.create_task(self._prepare_estimates(self._own_estimator)))
        return address

    async def _listen(self) -> tuple[str, int]:
        server = self._settings.server
        try:
            address = await self._data.start(server.host, server.port)
        except OSError as error:
            raise _cannot_listen(error, "server.listen", server.host, server.port) from error
        if self._admin is not None:
            try:
                await self._admin.start()
            except OSError as error:
                await self._data.stop(0.0)
                await self._admin.stop()
                raise _cannot_listen(error, "server.admin", server.admin_host, server.admin_port) from error
        return address

    async def _prepare_estimates(self, estimator: ThreadEstimator) -> None:
        """That stops everything for a third of a second: at a moment without calls, if one comes soon."""
        for _ in range(QUIET_TRIES):
            await asyncio.sleep(QUIET_EVERY)
            if not self._data.open_calls:
                break
        await estimator.prepare()
        structlog.get_logger(NAME).info("estimates_ready")

    async def stop(self, drain: float | None = None) -> None:
        """Say that we are leaving, and go on for up to `GRACE` seconds as long as anybody is connected; then let nobody new
        in. Calls still running `drain` seconds from now are cut off, honestly."""
        limit = self._settings.server.drain if drain is None else drain
        deadline = self._loop.time() + limit
        self.gateway.draining = True
        self.parts.drills.stop_all("the proxy stops")
        self._data.drain()
        await self._data.wait_idle(min(limit, GRACE))
        await self._data.stop(max(deadline - self._loop.time(), 0.0))
        if self._admin is not None:
            await self._admin.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.watchtower.aclose()
        await self._refresher.aclose()
        await self.parts.accounting.drained()
        await self._transport.aclose()
        await self._judge.aclose()
        if self._shelf is not None:
            await self._loop.run_in_executor(None, self._shelf.close)
        await self._close_ledger(deadline)
        if self._incidents is not None:
            for incident in self.parts.incidents.running():  # as far as they have come
                self._incidents.write(incident, self.parts.incidents.book.incidents)
            await self._loop.run_in_executor(None, self._incidents.close)

    async def _close_ledger(self, deadline: float) -> None:
        """Let it write what is waiting. What it cannot, the next process finds."""
        if self._ledger is None:
            return
        left = max(deadline - self._loop.time(), LEDGER_GRACE)
        if not await self._loop.run_in_executor(None, self._ledger.close, left):
            state = self._ledger.state()
            structlog.get_logger(NAME).warning("ledger_unwritten", count=state.waiting, reason=state.error)

    def reload(self, load: Callable[[], Settings], stamp: FileStamp = GONE) -> None:
        """Replace the routing, or keep the old one and remember why. `stamp`: of the file that is read; what is wrong with
        the same file is logged once, however often it is read."""
        try:
            settings = load()
            self._check_exposure(settings)
            routing = self.parts.routing(settings)
        except ConfigError as error:
            self._reject(str(error), stamp)
            return
        self._rejected = None
        self.parts.drills.stop_all("the configuration was read anew")
        self._set_pool_limits(settings)
        if self._shelf is None:
            self._shelf = self.parts.services.shelf = open_shelf(settings)
        self.gateway.use(routing)
        self._refresher.follow(routing.rings.values())
        self.watchtower.use(settings)
        if self._ledger is not None:
            self._ledger.use(tariff_of(settings))
        if self.gateway.gate.blank:
            restoring = restore_budgets(self.gateway.gate, settings, time.time())  # noqa: TID251 (this is the injection)
            self._tasks.append(self._loop.create_task(restoring))
        structlog.get_logger(NAME).info("config_loaded", source=settings.source, routes=len(settings.routes))

    def _reject(self, error: str, stamp: FileStamp) -> None:
        self.gateway.config_rejected(error)
        if self._rejected != (error, stamp):
            self._rejected = (error, stamp)
            structlog.get_logger(NAME).error("config_rejected", error=error)

    def _check_exposure(self, settings: Settings) -> None:
        """Without keys only this machine may connect; and where we listen is decided by the configuration of the start."""
        if not settings.keys and settings.key_store is None and not is_loopback(self._settings.server.host):
            message = "there are no keys any more, and the proxy listens where others can connect: restart it"
            raise ConfigError([ConfigProblem(message, settings.source, None, "keys")])
        before = self.gateway.routing.settings.key_store
        if before is not None and before.found and settings.key_store == replace(before, found=False):
            message = f"{before.path} is gone; the keys read last go on"
            raise ConfigError([ConfigProblem(message, settings.source, None, "key_store")])


def read_stamp(path: Path) -> FileStamp:
    """What changes when a file is written or replaced; `GONE` where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return GONE
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


async def _watch_file(path: Path, changed: Callable[[], None], gone: Callable[[], None] = lambda: None) -> None:
    last = read_stamp(path)
    while True:
        await asyncio.sleep(WATCH_EVERY)
        now = read_stamp(path)
        if now != last:
            last = now
            (gone if now == GONE else changed)()


async def _watch_keys(proxy: Proxy, changed: Callable[[], None]) -> None:
    """The file that `undimmed keys` edits, whichever the configuration names now."""
    last: FileStamp | None = None
    while True:
        store = proxy.gateway.routing.settings.key_store
        now = GONE if store is None else read_stamp(Path(store.path))
        if last is not None and now != last:
            changed()
        last = now
        await asyncio.sleep(WATCH_EVERY)


def _reloading(proxy: Proxy, load: Callable[[], Settings], path: Path | None) -> Callable[[], None]:
    def read() -> Settings:
        if path is not None and not path.exists():
            raise ConfigError([ConfigProblem("file is gone; the configuration read last goes on", str(path))])
        return load()

    return lambda: proxy.reload(read, GONE if path is None else read_stamp(path))


def _log_trouble(_: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
    """What the event loop has to say (no descriptor left to accept connections with, an error in a callback) as one line."""
    error = context.get("exception")
    words = describe(error) if isinstance(error, BaseException) else None
    structlog.get_logger(NAME).error("event_loop", error=str(context.get("message")), where=words)


async def _serve(load: Callable[[], Settings], path: Path | None, lines: Log) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_trouble)
    settings = load()
    proxy = Proxy(settings, log=lines)
    host, port = await proxy.start()
    gc.collect()
    gc.freeze()
    log = structlog.get_logger(NAME)
    log.info("listening", address=f"http://{host}:{port}", source=settings.source)
    stop = asyncio.Event()
    presses: list[int] = []

    def on_signal(number: int) -> None:
        presses.append(number)
        if len(presses) > 1:
            hurried.set()
        stop.set()

    hurried = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    reload = _reloading(proxy, load, path)
    loop.add_signal_handler(signal.SIGHUP, reload)
    watchers = [loop.create_task(_watch_keys(proxy, reload))]
    if path is not None:
        watchers.append(loop.create_task(_watch_file(path, reload, reload)))
    await stop.wait()
    log.info("draining", limit_s=settings.server.drain)
    for watcher in watchers:
        watcher.cancel()
    stopping = loop.create_task(proxy.stop())
    hurry = loop.create_task(hurried.wait())
    await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not stopping.done():
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stopping
    log.info("stopped")


def run_proxy(load: Callable[[], Settings], *, path: Path | None, log_format: LogFormat, access_log: bool = True) -> int:
    """Run until a signal. `load` is called once now and again at every reload; ConfigError passes through the first time.
    `access_log`: one line per finished call, besides those for state changes.

    Returns the process's exit status: 0, or 3 if a listener could not be opened.
    """
    import uvloop

    raise_descriptor_limit()
    # Threads that count tokens or write the ledger give the interpreter back to the event loop after so many seconds.
    sys.setswitchinterval(SWITCH_EVERY)
    writer = configure(log_format, sys.stdout)
    try:
        uvloop.run(_serve(load, path, Log(writer, access_log)))
    except OSError as error:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"undimmed: cannot start: {error.strerror or error}\n")
        return EXIT_CANNOT_START
    finally:
        writer.close()
    return 0
