"""The life of the process: start, reload, drain, stop.

Start: assemble, open both listeners, say so. A reload (SIGHUP, or the file changed) reads and checks the new configuration
completely and then replaces the routing in one assignment; an invalid one changes nothing and is shown in `/health`. Stop
(SIGTERM, SIGINT): no new connections, readiness turns false, calls under way finish within the drain limit, then the rest is
cut off; a second signal does not wait.
"""

import asyncio
import contextlib
import gc
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from proxy.assemble import Parts, assemble, thread_estimator
from proxy.core.errors import ConfigError
from proxy.core.records import Sink
from proxy.core.settings import Settings
from proxy.gateway import Gateway
from proxy.pipeline.estimation import Estimator
from proxy.server.admin import AdminPlane
from proxy.server.listener import DataPlane
from proxy.stores.lines import LineWriter
from proxy.stores.log import LogFormat, LogSink, configure
from proxy.transport.client import HttpTransport

#: How often the configuration file's modification time is looked at.
WATCH_EVERY = 2.0
EXIT_CANNOT_START = 3


@dataclass(frozen=True, slots=True)
class Log:
    """Where lines go, and whether finished calls are among them."""

    writer: LineWriter
    calls: bool = True


class Proxy:
    """One running proxy: two listeners, one gateway. Use from a running loop; `start`, then `stop` once."""

    def __init__(self, settings: Settings, *, log: Log | None = None, estimator: Estimator | None = None) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._transport = HttpTransport(self._loop)
        self._set_pool_limits(settings)
        sinks: list[Sink] = [LogSink(calls=log.calls)] if log is not None else []
        counting = estimator or thread_estimator(self._loop, settings)
        self.parts: Parts = assemble(settings, self._transport, counting, sinks)
        self.gateway: Gateway = self.parts.gateway
        self._data = DataPlane(self.gateway, settings.server, loop=self._loop)
        self._admin = AdminPlane(self.gateway, settings.server) if settings.server.admin_port is not None else None
        self._log = log
        self.gateway.watch(self)
        self._tasks: list[asyncio.Task[None]] = []

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
        """Listen. The address is the data plane's, with the port it really got."""
        server = self._settings.server
        address = await self._data.start(server.host, server.port)
        if self._admin is not None:
            await self._admin.start()
        self._tasks.append(self._loop.create_task(self.parts.prober.run()))
        self._tasks.append(self._loop.create_task(self.gateway.watch_lag()))
        return address

    async def stop(self, drain: float | None = None) -> None:
        """Drain, then stop everything. Calls still running after `drain` seconds are cut off, honestly."""
        self.gateway.draining = True
        await self._data.stop(self._settings.server.drain if drain is None else drain)
        if self._admin is not None:
            await self._admin.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.parts.accounting.drained()
        await self._transport.aclose()

    def reload(self, load: Callable[[], Settings]) -> None:
        """Replace the routing, or keep the old one and remember why."""
        try:
            settings = load()
            routing = self.parts.routing(settings)
        except ConfigError as error:
            self.gateway.config_rejected(str(error))
            structlog.get_logger("undimmed").error("config_rejected", error=str(error))
            return
        self._set_pool_limits(settings)
        self.gateway.use(routing)
        structlog.get_logger("undimmed").info("config_loaded", source=settings.source, routes=len(settings.routes))


async def _watch_file(path: Path, changed: Callable[[], None]) -> None:
    def stamp() -> tuple[int, int, int]:
        try:
            stat = path.stat()
        except OSError:
            return (0, 0, 0)
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)

    last = stamp()
    while True:
        await asyncio.sleep(WATCH_EVERY)
        now = stamp()
        if now not in (last, (0, 0, 0)):
            last = now
            changed()


async def _serve(load: Callable[[], Settings], path: Path | None, lines: Log) -> None:
    loop = asyncio.get_running_loop()
    settings = load()
    proxy = Proxy(settings, log=lines)
    host, port = await proxy.start()
    gc.collect()
    gc.freeze()
    log = structlog.get_logger("undimmed")
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
    loop.add_signal_handler(signal.SIGHUP, proxy.reload, load)
    watcher = loop.create_task(_watch_file(path, lambda: proxy.reload(load))) if path is not None else None
    await stop.wait()
    log.info("draining", limit_s=settings.server.drain)
    if watcher is not None:
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


def raise_descriptor_limit() -> int:
    """Each call needs two sockets, and the usual soft limit is 1,024: take what the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS names a hard limit that it does not grant
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def run_proxy(load: Callable[[], Settings], *, path: Path | None, log_format: LogFormat, access_log: bool = True) -> int:
    """Run until a signal. `load` is called once now and again at every reload; ConfigError passes through the first time.
    `access_log`: one line per finished call, besides those for state changes.

    Returns the process's exit status: 0, or 3 if a listener could not be opened.
    """
    import uvloop

    raise_descriptor_limit()
    writer = configure(log_format, sys.stdout)
    try:
        uvloop.run(_serve(load, path, Log(writer, access_log)))
    except OSError as error:
        sys.stderr.write(f"undimmed: cannot start: {error.strerror or error}\n")
        return EXIT_CANNOT_START
    finally:
        writer.close()
    return 0
