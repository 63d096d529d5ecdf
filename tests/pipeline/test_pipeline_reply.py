"""What a client is told besides the provider's bytes."""

import json

import pytest
from pipeline_stage import COMPLETION, DONE, JSON, USAGE, Canned, Stage, act, by_pool, chunk, error_of, stream, whole
from support.simulation import settings

from proxy.core.outcome import Outcome, OutcomeKind
from proxy.core.records import AttemptRecord
from proxy.core.settings import Target
from proxy.core.usage import Price, Usage
from proxy.pipeline.reply import told, usage_headers
from proxy.rehearse.client import SimulatedClient, Wish

PRICED = settings(((Target("a", "m"),), (Target("b", "big", price=Price(2_500_000_000, 10_000_000_000)),)))
LIT = chunk({"content": "lit"})
HEADERS = (
    (b"content-type", b"application/json; charset=utf-8"),
    (b"x-request-id", b"req_upstream"),
    (b"openai-processing-ms", b"123"),
    (b"openai-version", b"2020-10-01"),
    (b"openai-organization", b"org-ours"),
    (b"set-cookie", b"__cf_bm=secret"),
    (b"x-ratelimit-remaining-requests", b"12"),
    (b"connection", b"keep-alive"),
    (b"content-length", b"999999"),
    (b"transfer-encoding", b"chunked"),
    (b"server", b"cloudflare"),
    (b"x-should-retry", b"true"),
    (b"location", b"http://elsewhere"),
    (b"access-control-allow-origin", b"*"),
)


def names(client: SimulatedClient) -> set[str]:
    return {name.decode() for name, _ in client.downstream.headers}


OURS = {
    "x-undimmed-request-id",
    "x-undimmed-route",
    "x-undimmed-target",
    "x-undimmed-provider",
    "x-undimmed-model",
    "x-undimmed-attempts",
}
TOKENS = {"x-undimmed-tokens-input", "x-undimmed-tokens-output", "x-undimmed-tokens-source"}


def test_provider_headers_pass_an_allow_list() -> None:
    async def body(stage: Stage) -> None:
        client = await stage.ask()
        passed = {"content-type", "x-request-id", "openai-processing-ms", "openai-version"}
        assert names(client) == passed | OURS | TOKENS
        assert client.downstream.header("x-request-id") == "req_upstream"
        assert client.downstream.header("content-type") == "application/json; charset=utf-8"

    act(by_pool({"a": Canned(headers=HEADERS, pieces=((0.0, json.dumps(COMPLETION).encode()),))}), body)


def test_who_answered_is_named_after_a_failover() -> None:
    async def body(stage: Stage) -> None:
        client = await stage.ask()
        told = {name: client.downstream.header(f"x-undimmed-{name}") for name in ("target", "provider", "model", "attempts")}
        assert told == {"target": "b/big", "provider": "b", "model": "big", "attempts": "2"}
        assert client.downstream.header("x-undimmed-route") == "lamp"
        assert client.downstream.header("x-undimmed-cost-usd") == "0.0000475"
        assert client.downstream.header("x-request-id") == stage.records[0].id

    act(by_pool({"a": whole(b"{}", 500), "b": whole()}), body, PRICED)


def test_streams_name_it_too_and_close_with_what_it_cost() -> None:
    async def body(stage: Stage) -> None:
        client = await stage.ask(Wish("s"))
        assert names(client) == {"content-type", "cache-control", "x-request-id"} | OURS
        assert client.downstream.header("x-undimmed-target") == "b/big"
        sent = bytes(client.downstream.body)
        comment = sent[sent.index(b": undimmed ") :]
        assert comment.endswith(b"}\n\n" + DONE)
        words = json.loads(comment.removeprefix(b": undimmed ").split(b"\n")[0])
        assert words == {
            "request_id": stage.records[0].id,
            "target": "b/big",
            "attempts": 2,
            "tokens": {"input": 7, "cached": 0, "output": 3, "reasoning": 0, "source": "provider"},
            "cost_usd": "0.0000475",
        }

    good = stream((0.0, LIT), (0.0, chunk(finish="stop") + USAGE + DONE))
    act(by_pool({"a": whole(b"{}", 500), "b": good}), body, PRICED)


def test_a_missing_content_type_is_made_up_for() -> None:
    async def body(stage: Stage) -> None:
        assert (await stage.ask()).downstream.header("content-type") == "application/json"
        stage.transport.script = by_pool({"a": Canned(headers=(), pieces=((0.0, LIT + chunk(finish="stop")),))})
        streamed = await stage.ask(Wish("s"))
        assert streamed.downstream.header("content-type") == "text/event-stream; charset=utf-8"

    act(by_pool({"a": Canned(headers=(), pieces=((0.0, json.dumps(COMPLETION).encode()),))}), body)


class TestProblems:
    def test_attempts_stand_in_the_body(self) -> None:
        async def body(stage: Stage) -> None:
            client = await stage.ask()
            attempts = error_of(client)["attempts"]
            assert attempts == [
                {"target": "a/m", "outcome": "server_error", "duration_ms": 100, "status": 500, "message": "It broke."},
                {
                    "target": "b/m",
                    "outcome": "first_content_timeout",
                    "duration_ms": 8000,
                    "message": attempts[1]["message"],
                },  # type: ignore[index]
            ]
            assert names(client) == {
                "content-type",
                "x-request-id",
                "x-undimmed-request-id",
                "x-undimmed-attempts",
                "x-should-retry",
            }
            assert client.downstream.header("x-undimmed-attempts") == "2"
            assert client.downstream.header("x-undimmed-request-id") == stage.records[0].id
            assert client.downstream.status == 504
            assert client.downstream.length == len(client.downstream.body)

        broken = whole({"error": {"message": "It broke.", "type": "server_error"}}, 500)
        act(by_pool({"a": broken, "b": Canned(wait=None)}), body)

    def test_when_to_ask_again(self) -> None:
        limited = Canned(429, (*JSON, (b"retry-after", b"30")), ((0.0, b'{"error":{"message":"slow down"}}'),))

        async def body(stage: Stage) -> None:
            client = await stage.ask()
            assert client.downstream.status == 429
            seconds = client.downstream.header("retry-after")
            assert seconds is not None
            assert 30 <= int(seconds) <= 36
            again = await stage.ask()
            assert again.downstream.status == 429
            assert 29 <= int(again.downstream.header("retry-after") or 0) <= 36
            assert len(stage.transport.sent) == 1

        act(by_pool({"a": limited}), body, settings((("a/m",),)))

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refused_credential_of_ours_is_not_the_clients(self, status: int) -> None:
        refused = whole({"error": {"message": "Incorrect API key provided: sk-a-1", "code": "invalid_api_key"}}, status)

        async def body(stage: Stage) -> None:
            client = await stage.ask()
            assert client.downstream.status == 502
            assert error_of(client)["code"] == "provider_auth_failed"
            assert "Incorrect" not in str(error_of(client)["message"])

        act(by_pool({"a": refused}), body, settings((("a/m",),)))


def test_an_attempt_as_it_is_told_names_no_credential() -> None:
    outcome = Outcome(OutcomeKind.RATE_LIMITED, 429, "slow down")
    record = AttemptRecord("a/m", "a", "a#7", 1.0, outcome, ended_at=1.25)
    assert told(record) == {
        "target": "a/m",
        "outcome": "rate_limited",
        "duration_ms": 250,
        "status": 429,
        "message": "slow down",
    }
    record.outcome = Outcome(OutcomeKind.CONNECT_TIMEOUT)
    assert told(record) == {"target": "a/m", "outcome": "connect_timeout", "duration_ms": 250}


def test_no_usage_no_headers() -> None:
    record = AttemptRecord("a/m", "a", "a#1", 0.0, Outcome(OutcomeKind.OK))
    assert usage_headers(record) == []
    record.usage = Usage(1, 2)
    assert b"x-undimmed-cost-usd" not in dict(usage_headers(record)), "unknown is not zero"
