"""An overloaded proxy turns calls away before it reads them, and shows its pages all the same."""

from listener_bench import Bench, FakeApplication, get, post, run_bench

from proxy.server.refusals import overloaded

LATE = overloaded("batch", "lag", 2.2, True)
FULL = overloaded("critical", "memory", 0.2, False)


def test_a_call_is_turned_away_before_its_body_is_there() -> None:
    app = FakeApplication(away=LATE)

    async def scenario(bench: Bench) -> None:
        reply = await bench.exchange(post(b"12345")[:-5])
        assert reply.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 3\r\n" in reply
        assert b"x-should-retry: true\r\n" in reply
        assert b'"code": "proxy_overloaded"' in reply
        assert b"turns away requests of priority batch" in reply

    run_bench(scenario, app=app)
    assert app.served == []


def test_memory_is_not_worth_waiting_for() -> None:
    async def scenario(bench: Bench) -> None:
        reply = await bench.exchange(post(extra="Connection: close\r\n"))
        assert b"x-should-retry: false\r\n" in reply
        assert b"retry-after: 1\r\n" in reply
        assert b"its memory is nearly used up" in reply

    run_bench(scenario, app=FakeApplication(away=FULL))


def test_pages_are_served_and_mistakes_are_told() -> None:
    async def scenario(bench: Bench) -> None:
        for path in ("/health", "/health/ready", "/metrics", "/v1/models"):
            assert (await bench.exchange(get(path, "Connection: close\r\n"))).startswith(b"HTTP/1.1 200 "), path
        assert (await bench.exchange(get("/nope", "Connection: close\r\n"))).startswith(b"HTTP/1.1 404 ")

    run_bench(scenario, app=FakeApplication(away=LATE))


def test_a_connection_whose_head_is_known_is_looked_at_too() -> None:
    """Repeated heads take a shorter way; not around this one. Whoever sent all of a request may go on on the connection."""
    app = FakeApplication()

    async def scenario(bench: Bench) -> None:
        client = await bench.connect()
        for _ in range(4):
            await client.send(post(b"{}"))
            assert (await client.read_until(b"{}")).startswith(b"HTTP/1.1 200 ")
        app.away = LATE
        await client.send(post(b"{}"))
        assert (await client.read_until(b"}}")).startswith(b"HTTP/1.1 503 ")
        app.away = None
        await client.send(post(b"{}"))
        assert (await client.read_until(b"{}")).startswith(b"HTTP/1.1 200 ")
        client.close()

    run_bench(scenario, app=app)
    assert len(app.served) == 5
