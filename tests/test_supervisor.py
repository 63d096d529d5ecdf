"""The life of the proxy on real sockets: start, reload, drain, stop; in this process and as `python -m proxy run`."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from support.live import SERVER, Stack, running
from support.simulation import BREAKER, InlineEstimator, replace, settings

from proxy.core.errors import ConfigError, ConfigProblem
from proxy.core.settings import LedgerSettings, ServerSettings, Settings
from proxy.core.usage import Usage, UsageSource
from proxy.pipeline.estimation import EstimateJob, ThreadEstimator
from proxy.rehearse.behaviour import Behaviour, Mode, constant
from proxy.rehearse.server import LoopbackProvider
from proxy.rehearse.virtual_loop import run as run_virtually
from proxy.stores.ledger.contract import Span
from proxy.stores.ledger.place import open_reader
from proxy.stores.lines import LineWriter
from proxy.supervisor import WATCH_EVERY, CannotListen, Log, Proxy, _watch_file

pytestmark = pytest.mark.live

ROOT = Path(__file__).parent.parent
QUICK = Behaviour(latency=constant(0.0), chunks=3, gap=0.0)
#: A stream of a tenth of a second, and one that nobody waits for.
SHORT = Behaviour(latency=constant(0.0), chunks=10, gap=0.01)
ENDLESS = Behaviour(latency=constant(0.0), chunks=5000, gap=0.02)
ONE = settings((("a/m",),), breaker=replace(BREAKER, consecutive=1, open_for=600.0))
END = b"0\r\n\r\n"


class Caller:
    """One connection that asks once. `got` is everything that came so far; the head included."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.got = b""

    @classmethod
    async def post(cls, port: int, model: str = "lamp", stream: bool = True) -> "Caller":
        body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        return await cls.send(port, head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)

    @classmethod
    async def get(cls, port: int, path: str) -> "Caller":
        return await cls.send(port, f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n".encode())

    @classmethod
    async def send(cls, port: int, data: bytes) -> "Caller":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        return cls(reader, writer)

    async def until(self, mark: bytes) -> None:
        while mark not in self.got:
            data = await self._reader.read(65536)
            assert data, f"ended before {mark!r}: {self.got!r}"
            self.got += data

    async def rest(self) -> None:
        """To the end of the connection, however it ends."""
        try:
            while data := await self._reader.read(65536):
                self.got += data
        except ConnectionError:
            return

    async def whole(self) -> "Caller":
        await self.until(END)
        await self.close()
        return self

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return

    @property
    def status(self) -> int:
        return int(self.got[9:12])

    def json(self) -> dict[str, object]:
        value: dict[str, object] = json.loads(self.got.partition(b"\r\n\r\n")[2])
        return value


def never(job: EstimateJob) -> Usage:
    raise AssertionError("nothing to estimate")


async def ask(port: int, model: str = "lamp") -> int:
    """The status of one whole answer."""
    caller = await Caller.post(port, model, stream=False)
    await caller.until(b"\r\n\r\n")
    await caller.close()
    return caller.status


async def health(port: int, path: str = "/health") -> dict[str, object]:
    caller = await Caller.get(port, path)
    await caller.rest()
    await caller.close()
    return caller.json()


def live(body: Callable[[Stack], Awaitable[None]], behaviour: Behaviour = QUICK, made: Settings = ONE) -> None:
    async def main() -> None:
        async with running({name: behaviour for name in made.providers}, made) as stack:
            await body(stack)

    asyncio.run(main())


class TestStopping:
    def test_a_stream_under_way_finishes_within_the_drain_limit(self) -> None:
        async def body(stack: Stack) -> None:
            caller = await Caller.post(stack.port)
            await caller.until(b"content")
            stopping = asyncio.get_running_loop().create_task(stack.proxy.stop(5.0))
            await caller.until(END)
            assert b"data: [DONE]\n\n" in caller.got
            await caller.rest()
            await caller.close()
            await stopping
            assert stack.proxy.calls_in_flight() == 0

        live(body, SHORT)

    def test_after_the_limit_it_is_cut_and_does_not_look_whole(self) -> None:
        async def body(stack: Stack) -> None:
            caller = await Caller.post(stack.port)
            await caller.until(b"content")
            await stack.proxy.stop(0.05)
            await caller.rest()
            await caller.close()
            assert b"[DONE]" not in caller.got
            assert b'"finish_reason":"' not in caller.got
            assert not caller.got.endswith(END), "broken off, so that the client can tell"
            while stack.providers["a"].provider.in_flight:
                await asyncio.sleep(0.001)

        live(body, ENDLESS)

    def test_records_of_cut_calls_still_reach_the_sinks(self) -> None:
        """Their estimates are waited for, however long they take."""

        class Late:
            def submit(self, job: EstimateJob, done: Callable[[Usage], None]) -> None:
                usage = Usage(1, 2, source=UsageSource.ESTIMATE)
                asyncio.get_running_loop().call_later(0.05, done, usage)

        async def body(stack: Stack) -> None:
            stack.proxy.parts.accounting._estimator = Late()
            caller = await Caller.post(stack.port)
            await caller.until(b"content")
            await stack.proxy.stop(0.0)
            await caller.rest()
            await caller.close()
            assert stack.proxy.parts.accounting.open == 0
            line = stack.proxy.gateway.tally.lines["lamp", "a/m"]
            assert line.possibly_billed == 1
            assert line.tokens

        live(body, ENDLESS)

    def test_an_idle_proxy_stops_at_once_and_leaves_no_task(self) -> None:
        async def body(stack: Stack) -> None:
            assert await ask(stack.port) == 200
            await stack.proxy.stop(30.0)
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            names = [repr(task.get_coro()) for task in others if "proxy.supervisor" in repr(task) or "probes" in repr(task)]
            assert names == []

        live(body)


class TestLedger:
    """Calls are written down for good, and how that goes is shown."""

    def test_calls_are_in_it_when_the_proxy_has_stopped(self, tmp_path: Path) -> None:
        path = tmp_path / "undimmed.db"

        async def body(stack: Stack) -> None:
            for _ in range(3):
                assert await ask(stack.port) == 200
            assert await ask(stack.port, "nothing") == 404
            cut = await Caller.post(stack.port)
            await cut.until(b"content")
            stack.proxy.reload(lambda: stack.proxy.gateway.routing.settings)
            view = (await health(stack.port))["ledger"]
            assert isinstance(view, dict)
            assert (view["state"], view["durable"], view["error"], view["rows"]["lost"]) == ("ok", True, None, 0)
            page = await Caller.get(stack.port, "/metrics")
            await page.rest()
            await page.close()
            assert b"undimmed_ledger_ok 1\n" in page.got
            assert b'undimmed_ledger_rows_total{result="lost"} 0\n' in page.got
            await stack.proxy.stop(0.05)
            await cut.rest()
            await cut.close()

        slow = Behaviour(latency=constant(0.0), chunks=30, gap=0.01)
        live(body, slow, replace(ONE, ledger=LedgerSettings(str(path))))
        with open_reader(LedgerSettings(str(path))) as reader:
            assert list(reader.verify()) == []
            found = [(call["status"], call["outcome"], len(attempts)) for call, attempts in reader.calls(Span())]
        assert sorted(found) == [(200, "ok", 1)] * 3 + [(404, "bad_request", 0), (499, "shutdown", 1)]
        assert list(tmp_path.glob("*.spill-*")) == []

    def test_what_cannot_be_written_fails_nobody_and_is_left_for_the_next(self, tmp_path: Path) -> None:
        path = tmp_path / "undimmed.db"
        path.write_bytes(b"no database" * 1000)

        async def body(stack: Stack) -> None:
            assert await ask(stack.port) == 200
            while (view := (await health(stack.port))["ledger"]) and view["state"] == "ok":  # type: ignore[index]
                await asyncio.sleep(0.01)
            assert view["error"] == "file is not a database"  # type: ignore[index]
            assert (await health(stack.port))["status"] == "ok"
            await stack.proxy.stop(0.0)

        made = replace(ONE, ledger=LedgerSettings(str(path)))
        live(body, QUICK, made)
        assert len(list(tmp_path.glob("*.spill-*"))) == 1
        path.unlink()

        async def nothing(stack: Stack) -> None:
            return

        live(nothing, QUICK, made)
        with open_reader(LedgerSettings(str(path))) as reader:
            assert reader.counts() == (1, 1)

    def test_a_proxy_that_cannot_listen_leaves_no_journal(self, tmp_path: Path) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            taken = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
            server = replace(SERVER, port=taken.sockets[0].getsockname()[1])
            made = replace(ONE, server=server, ledger=LedgerSettings(str(tmp_path / "undimmed.db")))
            with pytest.raises(CannotListen):
                await Proxy(made, estimator=InlineEstimator(loop)).start()
            taken.close()
            await taken.wait_closed()

        asyncio.run(main())
        assert list(tmp_path.glob("*.spill-*")) == []

    def test_without_one_nothing_is_shown(self) -> None:
        async def body(stack: Stack) -> None:
            assert (await health(stack.port))["ledger"] is None

        live(body)


class TestReload:
    def test_a_new_route_is_there_and_the_old_one_finishes_its_calls(self) -> None:
        async def body(stack: Stack) -> None:
            running_on = stack.proxy.gateway.routing.settings
            caller = await Caller.post(stack.port)
            await caller.until(b"content")
            route = replace(running_on.routes[0], name="torch", models=("torch",))
            stack.proxy.reload(lambda: replace(running_on, routes=(route,), source="second"))
            assert await ask(stack.port, "torch") == 200
            assert await ask(stack.port, "lamp") == 404
            await caller.whole()
            assert b"data: [DONE]\n\n" in caller.got
            config = (await health(stack.port))["config"]
            assert isinstance(config, dict)
            assert (config["state"], config["source"]) == ("ok", "second")

        live(body, SHORT)

    def test_an_invalid_one_changes_nothing_and_is_shown(self) -> None:
        def invalid() -> Settings:
            raise ConfigError([ConfigProblem("there is no such thing", "undimmed.yaml", 7, "routes[0].modle")])

        async def body(stack: Stack) -> None:
            before = stack.proxy.gateway.routing
            stack.proxy.reload(invalid)
            assert stack.proxy.gateway.routing is before
            assert await ask(stack.port) == 200
            view = await health(stack.port)
            config = view["config"]
            assert isinstance(config, dict)
            assert config["state"] == "rejected"
            assert config["error"] == "undimmed.yaml:7: routes[0].modle: there is no such thing"
            assert (await health(stack.port, "/health/ready"))["status"] == "ready"
            stack.proxy.reload(lambda: before.settings)
            config = (await health(stack.port))["config"]
            assert isinstance(config, dict)
            assert (config["state"], config["error"]) == ("ok", None)

        live(body)

    def test_one_that_fails_late_changes_nothing_either(self) -> None:
        """What only shows when the providers are bound."""

        async def body(stack: Stack) -> None:
            before = stack.proxy.gateway.routing
            provider = replace(before.settings.providers["a"], headers={"host": "x"})
            stack.proxy.reload(lambda: replace(before.settings, providers={"a": provider}))
            assert stack.proxy.gateway.routing is before
            assert stack.proxy.gateway.survey()["config"]["state"] == "rejected"  # type: ignore[index]
            assert await ask(stack.port) == 200

        live(body)

    def test_an_open_breaker_survives(self) -> None:
        async def body(stack: Stack) -> None:
            await ask(stack.port)
            made = stack.proxy.gateway.routing.settings
            route = replace(made.routes[0], name="torch", models=("torch",))
            stack.proxy.reload(lambda: replace(made, routes=(route,)))
            seen = stack.calls("a")
            assert await ask(stack.port, "torch") == 503
            assert stack.calls("a") == seen
            view = await health(stack.port)
            assert view["status"] == "down"

        live(body, Behaviour(Mode.STATUS, constant(0.0)))

    def test_pool_limits_follow(self) -> None:
        async def body(stack: Stack) -> None:
            made = stack.proxy.gateway.routing.settings
            limited = replace(made.providers["a"], max_connections=1)
            stack.proxy.reload(lambda: replace(made, providers={"a": limited}))
            first = await Caller.post(stack.port)
            await first.until(b"content")
            assert await ask(stack.port) == 503
            await first.whole()

        live(body, SHORT, settings((("a/m",),), retry=replace(ONE.retry, attempts=1)))


class TestEdges:
    def test_what_the_gateway_asks_for_its_metrics(self) -> None:
        async def body(stack: Stack) -> None:
            caller = await Caller.post(stack.port)
            await caller.until(b"content")
            proxy = stack.proxy
            assert (proxy.client_connections(), proxy.calls_in_flight()) == (1, 1)
            assert proxy.upstream_connections() == {("a", "idle"): 0, ("a", "busy"): 1}
            assert proxy.dropped_log_lines() == 0
            await caller.whole()
            while proxy.client_connections():
                await asyncio.sleep(0.001)
            assert proxy.calls_in_flight() == 0

        live(body, SHORT)

    @pytest.mark.parametrize(("behaviour", "calls"), [(SHORT, 0), (ENDLESS, 1)])
    def test_estimates_are_prepared_at_a_quiet_moment_but_not_put_off_for_ever(
        self, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, calls: int
    ) -> None:
        monkeypatch.setattr("proxy.supervisor.QUIET_EVERY", 0.01)

        async def body(stack: Stack) -> None:
            caller = await Caller.post(stack.port)
            await caller.until(b"content")
            seen: list[int] = []
            with ThreadPoolExecutor(1) as executor:
                loop = asyncio.get_running_loop()
                ready = lambda: seen.append(stack.proxy.calls_in_flight())  # noqa: E731
                await stack.proxy._prepare_estimates(ThreadEstimator(loop, executor, never, ready))
            assert seen == [calls]
            await caller.close()

        live(body, behaviour)

    def test_dropped_lines_are_the_logs(self, tmp_path: Path) -> None:
        async def main() -> None:
            with (tmp_path / "log").open("w") as stream:
                writer = LineWriter(stream)
                loop = asyncio.get_running_loop()
                proxy = Proxy(replace(ONE, server=SERVER), log=Log(writer), estimator=InlineEstimator(loop))
                writer.dropped = 7
                assert proxy.dropped_log_lines() == 7
                await proxy.start()
                await proxy.stop(0.0)
                writer.close()

        asyncio.run(main())

    def test_the_admin_plane_answers_on_its_own_port(self) -> None:
        async def main() -> None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            async with running({"a": QUICK}, ONE, ServerSettings(port=0, admin_port=port)):
                assert (await health(port))["status"] == "ok"
                caller = await Caller.post(port)
                await caller.until(b"\r\n\r\n")
                await caller.close()
                assert caller.status in (404, 405), "no models there"

        asyncio.run(main())


class TestWatching:
    """In virtual time."""

    def _count(self, script: Callable[[Path], Awaitable[None]], path: Path) -> int:
        async def main(rng: Random) -> int:
            seen: list[float] = []
            loop = asyncio.get_running_loop()
            watching = loop.create_task(_watch_file(path, lambda: seen.append(loop.time())))
            await asyncio.sleep(0.1)
            await script(path)
            await asyncio.sleep(WATCH_EVERY * 3)
            watching.cancel()
            return len(seen)

        return run_virtually(main, seed=1)

    def test_a_change_is_seen_once(self, tmp_path: Path) -> None:
        path = tmp_path / "f.yaml"
        path.write_text("one")

        async def script(path: Path) -> None:
            path.write_text("other")

        assert self._count(script, path) == 1

    def test_an_untouched_file_is_none(self, tmp_path: Path) -> None:
        path = tmp_path / "f.yaml"
        path.write_text("one")

        async def script(path: Path) -> None:
            path.read_text()

        assert self._count(script, path) == 0

    def test_replacing_the_file_as_editors_and_config_maps_do(self, tmp_path: Path) -> None:
        path = tmp_path / "f.yaml"
        path.write_text("one")
        times = path.stat()

        async def script(path: Path) -> None:
            other = tmp_path / "g.yaml"
            other.write_text("two")
            os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
            other.replace(path)

        assert self._count(script, path) == 1

    def test_a_file_that_goes_and_comes_back(self, tmp_path: Path) -> None:
        path = tmp_path / "f.yaml"
        path.write_text("one")

        async def script(path: Path) -> None:
            path.unlink()
            await asyncio.sleep(WATCH_EVERY * 3)
            path.write_text("back again")

        assert self._count(script, path) == 1


# As a process.

CONFIG = """
server: {{listen: "127.0.0.1:{port}", admin: "off", drain: {drain}}}
providers: {{a: {{kind: custom, base_url: "{base_url}", probe: {{kind: passive}}}}}}
routes: [{{model: {model}, targets: [a/m]}}]
"""


class Running:
    """`python -m proxy run FILE`, and what it writes to its log."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, write: Callable[[str], None]) -> None:
        self.process = process
        self.port = port
        self.write = write
        self.lines: list[dict[str, object]] = []

    async def said(self, event: str) -> dict[str, object]:
        """Wait for the next line of this event."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]
        raise AssertionError(f"never said {event}: {self.lines}")

    async def end(self) -> int:
        """Its exit status; whatever it still says is read."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))
        return await self.process.wait()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@asynccontextmanager
async def process(folder: Path, behaviour: Behaviour, drain: str = "5s") -> AsyncIterator[Running]:
    provider = LoopbackProvider("a")
    base_url = await provider.start()
    await provider.set_behaviour(behaviour)
    port = free_port()
    file = folder / "undimmed.yaml"

    def write(model: str) -> None:
        file.write_text(CONFIG.format(port=port, drain=drain, base_url=base_url, model=model))

    write("lamp")
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", "run", str(file), "--log-format", "json",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield Running(child, port, write)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
        await provider.stop()


def test_a_process_serves_reloads_and_drains(tmp_path: Path) -> None:
    async def main() -> None:
        async with process(tmp_path, SHORT) as child:
            line = await child.said("listening")
            assert line["address"] == f"http://127.0.0.1:{child.port}"
            assert await ask(child.port) == 200

            child.write("torch")
            child.process.send_signal(signal.SIGHUP)
            await child.said("config_loaded")
            assert (await ask(child.port, "torch"), await ask(child.port, "lamp")) == (200, 404)

            child.write("[torch, 5: }")
            child.process.send_signal(signal.SIGHUP)
            rejected = await child.said("config_rejected")
            assert "undimmed.yaml" in str(rejected["error"])
            assert await ask(child.port, "torch") == 200

            caller = await Caller.post(child.port, "torch")
            await caller.until(b"content")
            child.process.send_signal(signal.SIGTERM)
            await child.said("draining")
            await caller.whole()
            assert b"data: [DONE]\n\n" in caller.got
            assert await child.end() == 0
            assert child.lines[-1]["event"] == "stopped"
            calls = [line for line in child.lines if line["event"] == "call"]
            assert len(calls) == 5

    asyncio.run(main())


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    async def main() -> None:
        async with process(tmp_path, ENDLESS, drain="60s") as child:
            await child.said("listening")
            caller = await Caller.post(child.port)
            await caller.until(b"content")
            child.process.send_signal(signal.SIGTERM)
            await child.said("draining")
            child.process.send_signal(signal.SIGINT)
            await caller.rest()
            await caller.close()
            assert b"[DONE]" not in caller.got
            assert await child.end() == 0
            assert "stopped" in [line["event"] for line in child.lines]

    asyncio.run(main())


def test_a_port_in_use_is_one_line_and_status_3(tmp_path: Path) -> None:
    """Of either listener."""

    async def start(which: str, port: int) -> None:
        file = tmp_path / f"{which}.yaml"
        file.write_text(CONFIG.format(port=free_port(), drain="1s", base_url="http://127.0.0.1:9/v1", model="lamp"))
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proxy", "run", str(file), "--log-format", "json", f"--{which}", f"127.0.0.1:{port}",
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await child.communicate()
        assert child.returncode == 3
        said = [line for line in err.decode().splitlines() if line.startswith("undimmed: cannot start")]
        assert len(said) == 1
        assert str(port) in said[0]
        assert "Traceback" not in err.decode()
        assert b"listening" not in out

    async def main() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            await asyncio.gather(start("listen", port), start("admin", port))

    asyncio.run(main())
