"""Leaving: load balancers hear of it on the port that they watch, clients lose nothing, and with nobody there it is over."""

import asyncio
import json
from pathlib import Path

import pytest
from live_process import ProxyProcess
from live_sockets import Caller, post
from support.live import running
from support.simulation import InlineEstimator, replace, settings

from proxy.config.load import load
from proxy.core.errors import ConfigError
from proxy.core.settings import ClientKey, ServerSettings, Settings
from proxy.rehearse.behaviour import Behaviour, Latency
from proxy.stores.lines import LineWriter
from proxy.stores.log import configure
from proxy.supervisor import CannotListen, Proxy, _reloading, _watch_file, read_stamp

pytestmark = pytest.mark.live

QUICK = {"a": Behaviour(latency=Latency(0.0), chunks=2, gap=0.0), "b": Behaviour()}
#: Half a second of words.
TALK = {"a": Behaviour(latency=Latency(0.0), chunks=25, gap=0.02), "b": Behaviour()}


def get(path: str) -> bytes:
    return b"GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n" % path.encode()


async def once(host: str, port: int, data: bytes) -> tuple[int, bytes]:
    """One request on a connection of its own: status and everything that came."""
    caller = await Caller(host, port).open(data)
    got = b""
    while more := await caller.read():
        got += more
    caller.close()
    return int(got[9:12]), got


def test_the_data_port_says_that_we_leave_and_still_serves_for_a_moment() -> None:
    async def body() -> None:
        async with running(TALK) as live:
            stream = await Caller(live.host, live.port).open(post())
            await stream.read_until(b"data: ")
            stopping = asyncio.ensure_future(live.proxy.stop(20.0))
            await asyncio.sleep(0)
            status, answer = await once(live.host, live.port, get("/health/ready"))
            assert (status, json.loads(answer.partition(b"\r\n\r\n")[2])["status"]) == (503, "draining")
            assert b"connection: close" in answer
            status, answer = await once(live.host, live.port, post(stream=False))
            assert status == 200, "whoever has not heard of it yet loses nothing"
            assert b"connection: close" in answer
            assert not stopping.done()
            assert b"data: [DONE]" in await stream.read_until(b"\r\n0\r\n\r\n")
            assert await stream.read() == b""
            stream.close()
            await stopping
            with pytest.raises(ConnectionRefusedError):
                await Caller(live.host, live.port).open()
            assert live.calls("a") == 2

    asyncio.run(body())


def test_with_nobody_there_it_is_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.supervisor.GRACE", 3600.0)

    async def body() -> None:
        async with running(QUICK) as live:
            idle = await Caller(live.host, live.port).open()
            assert (await idle.ask(get("/health/live")))[0] == 200
            # Idle connections don't hold it up.
            async with asyncio.timeout(60):
                await live.proxy.stop(3600.0)
            assert await idle.read() == b""
            idle.close()

    asyncio.run(body())


def test_the_grace_ends_and_then_nobody_new_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.supervisor.GRACE", 0.05)

    async def body() -> None:
        async with running(TALK) as live:
            stream = await Caller(live.host, live.port).open(post())
            await stream.read_until(b"data: ")
            stopping = asyncio.ensure_future(live.proxy.stop(20.0))
            while live.proxy._data._server is not None and live.proxy._data._server.is_serving():
                await asyncio.sleep(0.005)
            assert not stopping.done()
            with pytest.raises(ConnectionRefusedError):
                await Caller(live.host, live.port).open()
            assert b"data: [DONE]" in await stream.read_until(b"\r\n0\r\n\r\n")
            stream.close()
            await stopping

    asyncio.run(body())


def test_the_limit_counts_from_the_signal() -> None:
    async def body() -> None:
        endless = {"a": Behaviour(latency=Latency(0.0), chunks=5000, gap=0.02), "b": Behaviour()}
        async with running(endless) as live:
            stream = await Caller(live.host, live.port).open(post())
            await stream.read_until(b"data: ")
            await live.proxy.stop(0.05)
            got = await stream.read_until(b"\r\n0\r\n\r\n")
            assert b"[DONE]" not in got
            stream.close()

    asyncio.run(body())


def test_load_balancers_may_ask_in_http_1_0_without_a_host() -> None:
    async def body() -> None:
        async with running(QUICK) as live:
            assert (await once(live.host, live.port, b"GET /health/ready HTTP/1.0\r\n\r\n"))[0] == 200
            assert (await once(live.host, live.port, b"GET /usage HTTP/1.0\r\n\r\n"))[0] == 400

    asyncio.run(body())


def test_a_process_that_is_told_to_stop_while_idle_is_gone_at_once(tmp_path: Path) -> None:
    with ProxyProcess(tmp_path, "http://127.0.0.1:9/v1") as process:
        assert process.stop() == 0
        assert process.said("draining")
        assert process.said("stopped")


class Reloads:
    """A proxy that does not listen, the file it was read from, and what it logs about that."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "undimmed.yaml"
        self.write("lamp")
        self._log = folder / "log"
        self._stream = self._log.open("w")
        self._writer: LineWriter = configure("json", self._stream)
        loop = asyncio.get_running_loop()
        self.proxy = Proxy(self._load(), estimator=InlineEstimator(loop))
        self.reload = _reloading(self.proxy, self._load, self.file)

    def _load(self) -> Settings:
        return load(self.file, {})

    def write(self, model: str) -> None:
        self.file.write_text(f"providers: {{a: {{kind: ollama}}}}\nroutes: [{{model: {model}, targets: [a/x]}}]\n")

    @property
    def config(self) -> dict[str, object]:
        config = self.proxy.gateway.survey()["config"]
        assert isinstance(config, dict)
        return config

    def events(self) -> list[str]:
        self._writer.close()
        self._stream.close()
        return [json.loads(line)["event"] for line in self._log.read_text().splitlines()]


class TestReloads:
    def test_the_same_mistake_is_logged_once_and_recovery_too(self, tmp_path: Path) -> None:
        async def body() -> None:
            made = Reloads(tmp_path)
            made.write("[lamp, 5: }")
            for _ in range(3):  # SIGHUP, the watch, SIGHUP again
                made.reload()
            assert made.config["state"] == "rejected"
            made.write("[lamp, 5:   }")  # another mistake, if in the same words
            made.reload()
            made.write("torch")
            made.reload()
            assert made.config["state"] == "ok"
            assert made.proxy.gateway.routing.names() == ["torch"]
            assert made.events() == ["config_rejected", "config_rejected", "config_loaded"]

        asyncio.run(body())

    def test_a_deleted_file_is_noticed_and_changes_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("proxy.supervisor.WATCH_EVERY", 0.005)

        async def body() -> None:
            made = Reloads(tmp_path)
            watching = asyncio.ensure_future(_watch_file(made.file, made.reload, made.reload))
            await asyncio.sleep(0)
            text = made.file.read_text()
            made.file.unlink()
            while made.config["state"] == "ok":
                await asyncio.sleep(0.005)
            assert "file is gone" in str(made.config["error"])
            assert made.proxy.gateway.routing.names() == ["lamp"]
            made.reload()
            made.file.write_text(text)
            while made.config["state"] != "ok":
                await asyncio.sleep(0.005)
            watching.cancel()
            assert made.events() == ["config_rejected", "config_loaded"]

        asyncio.run(body())

    def test_keys_cannot_be_taken_away_where_others_can_connect(self) -> None:
        async def body() -> None:
            keyed = replace(settings(), server=ServerSettings(host="0.0.0.0"), keys=(ClientKey("ci", "0" * 64),))
            proxy = Proxy(keyed, estimator=InlineEstimator(asyncio.get_running_loop()))
            proxy.reload(lambda: replace(keyed, server=ServerSettings(), keys=()))
            assert proxy.gateway.identify({}) is None
            config = proxy.gateway.survey()["config"]
            assert isinstance(config, dict)
            assert "restart" in str(config["error"])
            proxy.reload(lambda: replace(keyed, keys=(ClientKey("other", "1" * 64),)))
            assert proxy.gateway.routing.settings.keys[0].name == "other"

        asyncio.run(body())

    def test_stamps(self, tmp_path: Path) -> None:
        file = tmp_path / "f"
        assert read_stamp(file) == (0, 0, 0)
        file.write_text("x")
        assert read_stamp(file) == read_stamp(file) != (0, 0, 0)


def test_an_address_that_cannot_be_had_leaves_nothing_open() -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        taken = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        port = taken.sockets[0].getsockname()[1]
        for server, key in (
            (ServerSettings(port=port, admin_port=None), "server.listen"),
            (ServerSettings(port=0, admin_port=port), "server.admin"),
        ):
            proxy = Proxy(replace(settings(), server=server), estimator=InlineEstimator(loop))
            with pytest.raises(CannotListen, match=rf"127\.0\.0\.1:{port} \({key}\): address already in use"):
                await proxy.start()
            assert proxy._data._server is None or not proxy._data._server.is_serving()
        unknown = replace(settings(), server=ServerSettings(host="no-such-host.invalid", port=1, admin_port=None))
        with pytest.raises(CannotListen, match=r"no-such-host\.invalid:1 \(server\.listen\): "):
            await Proxy(unknown, estimator=InlineEstimator(loop)).start()
        taken.close()
        await taken.wait_closed()

    asyncio.run(body())


def test_a_missing_file_is_an_error_of_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.yaml", {})
