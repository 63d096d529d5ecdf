"""Limits as clients meet them: the official SDKs over real sockets, their errors, their retries and their headers."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anthropic
import openai
import pytest
from support.live import Stack, running
from support.simulation import provider, replace, settings

from proxy.core.keys import digest_keyed
from proxy.core.limits import Budget, Limits, Rates, Scope, Unit
from proxy.core.settings import ClientKey, Settings, Target
from proxy.core.usage import Price
from proxy.rehearse.behaviour import Behaviour

pytestmark = pytest.mark.live

FAST = Behaviour(chunks=4, gap=0.001)
SLOW = Behaviour(chunks=4, gap=0.3)
PEPPER = b"a pepper of some length"
SECRET = "sk-undimmed-one"
HELLO = [{"role": "user", "content": "Keep the light on."}]
DURATION = re.compile(r"\d+ms|\d+s|\d+m\d+s")


def configured(limits: Limits, **more: object) -> Settings:
    made = settings(((Target("a", "m", price=Price(1_000_000, 1_000_000)),),), providers={"a": provider("a")})
    key = ClientKey("ci", digest_keyed(SECRET, PEPPER), limits=limits)
    return replace(made, keys=(key,), pepper=PEPPER, **more)


@asynccontextmanager
async def stack(
    limits: Limits, behaviour: Behaviour = FAST, retries: int = 0
) -> AsyncIterator[tuple[Stack, openai.AsyncOpenAI]]:
    async with (
        running({"a": behaviour}, configured(limits)) as live,
        openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key=SECRET, max_retries=retries) as client,
    ):
        yield live, client


def running_calls(live: Stack) -> int:
    [key] = [one for one in live.proxy.gateway.gate.allowances if one.subject[0] is Scope.KEY]
    return key.running


def use_up(live: Stack) -> None:
    """Spend all of the key's budgets."""
    [key] = [one for one in live.proxy.gateway.gate.allowances if one.subject[0] is Scope.KEY]
    for spending in key.budgets:
        spending.restore(spending.start, spending.budget.amount)


def test_a_rate_as_openais_sdk_meets_it() -> None:
    async def body() -> None:
        async with stack(Limits(Rates(rpm=2, tpm=100_000))) as (_, client):
            raw = await client.chat.completions.with_raw_response.create(model="lamp", messages=HELLO)
            assert raw.headers["x-ratelimit-limit-requests"] == "2"
            assert raw.headers["x-ratelimit-remaining-requests"] == "1"
            assert raw.headers["x-ratelimit-limit-tokens"] == "100000"
            assert 90_000 < int(raw.headers["x-ratelimit-remaining-tokens"]) < 100_000
            for name in ("requests", "tokens"):
                assert DURATION.fullmatch(raw.headers[f"x-ratelimit-reset-{name}"])
            async with client.chat.completions.with_streaming_response.create(
                model="lamp", messages=HELLO, stream=True
            ) as streamed:
                assert streamed.headers["x-ratelimit-remaining-requests"] == "0", "streams too"
            with pytest.raises(openai.RateLimitError) as refused:
                await client.chat.completions.create(model="lamp", messages=HELLO)
            error, headers = refused.value, refused.value.response.headers
            assert (error.status_code, error.code, error.type) == (429, "rate_limit_exceeded", "rate_limit_error")
            assert "Key ci is at its limit of 2 requests a minute" in str(error)
            assert headers["x-should-retry"] == ("true" if int(headers["retry-after-ms"]) <= 60_000 else "false")
            assert 55 <= int(headers["retry-after"]) <= 61
            assert 0 <= int(headers["retry-after"]) * 1000 - int(headers["retry-after-ms"]) < 1000
            assert headers["x-ratelimit-remaining-requests"] == "0"

    asyncio.run(body())


def test_a_budget_as_openais_sdk_meets_it() -> None:
    """Retries of the SDK would not bring the money back: it is told so, and does not."""

    async def body() -> None:
        async with stack(Limits(budgets=(Budget(10**9),)), retries=2) as (live, client):
            use_up(live)
            with pytest.raises(openai.RateLimitError) as refused:
                await client.chat.completions.create(model="lamp", messages=HELLO)
            error = refused.value
            assert (error.code, error.type) == ("insufficient_quota", "insufficient_quota")
            assert error.response.headers["x-should-retry"] == "false"
            assert int(error.response.headers["retry-after"]) > 60
            assert sum(live.proxy.gateway.tally.calls.values()) == 1
            assert live.calls("a") == 0

    asyncio.run(body())


def test_both_as_anthropics_sdk_meets_them() -> None:
    async def body(limits: Limits, code: str, good: int) -> None:
        async with (
            running({"a": FAST}, configured(limits)) as live,
            anthropic.AsyncAnthropic(base_url=live.url, api_key=SECRET, max_retries=0) as client,
        ):
            for _ in range(good):
                raw = await client.messages.with_raw_response.create(model="lamp", max_tokens=10, messages=HELLO)  # type: ignore[arg-type]
                assert raw.headers["x-ratelimit-limit-requests"] == "1"
            use_up(live)
            with pytest.raises(anthropic.RateLimitError) as refused:
                await client.messages.create(model="lamp", max_tokens=10, messages=HELLO)  # type: ignore[arg-type]
            found = refused.value.body
            assert isinstance(found, dict)
            assert found["error"]["type"] == "rate_limit_error"
            assert found["error"]["details"] == {"error_code": code}
            assert int(refused.value.response.headers["retry-after"]) > 50

    asyncio.run(body(Limits(Rates(rpm=1)), "rate_limit_exceeded", 1))
    asyncio.run(body(Limits(budgets=(Budget(10_000, Unit.TOKENS),)), "insufficient_quota", 0))


def test_the_sdks_own_retry_comes_through_when_a_place_is_free() -> None:
    async def body() -> None:
        async with stack(Limits(Rates(concurrent=1)), SLOW, retries=3) as (_, client):
            asked = (client.chat.completions.create(model="lamp", messages=HELLO) for _ in range(2))
            answers = await asyncio.gather(*asked)
            assert all(answer.choices[0].message.content for answer in answers)

    asyncio.run(body())


def test_fifty_parallel_calls_keep_within_a_budget_and_one_request() -> None:
    async def body() -> None:
        budget = 20_000
        async with stack(Limits(budgets=(Budget(budget),))) as (live, client):

            async def one() -> int:
                try:
                    answer = await client.chat.completions.create(model="lamp", messages=HELLO)
                except openai.RateLimitError:
                    return 0
                assert answer.usage is not None
                return answer.usage.total_tokens

            used = await asyncio.gather(*(one() for _ in range(50)))
            assert 0 < sum(used) <= budget + max(used)
            [spending] = next(iter(live.proxy.gateway.gate.allowances)).budgets
            assert (spending.spent, spending.reserved) == (sum(used), 0), "to the token"

    asyncio.run(body())


def test_a_client_that_disconnects_leaves_nothing_behind() -> None:
    async def body() -> None:
        async with stack(Limits(Rates(concurrent=5), (Budget(10**9),)), SLOW) as (live, client):
            stream = await client.chat.completions.create(model="lamp", messages=HELLO, stream=True)
            await anext(aiter(stream))
            assert running_calls(live) == 1
            await stream.close()
            for _ in range(200):
                [spending] = next(iter(live.proxy.gateway.gate.allowances)).budgets
                if not running_calls(live) and not spending.reserved:
                    break
                await asyncio.sleep(0.01)
            assert running_calls(live) == 0
            assert spending.reserved == 0
            assert spending.spent > 0, "what it had got is estimated"

    asyncio.run(body())


def test_the_limits_page_says_what_is_left() -> None:
    async def body() -> None:
        async with stack(Limits(Rates(rpm=10, concurrent=3), (Budget(1_000_000_000),))) as (live, client):
            await client.chat.completions.create(model="lamp", messages=HELLO)
            page = await client.get(f"{live.url}/limits", cast_to=dict[str, list[dict[str, object]]])
            [row] = page["limits"]
            assert (row["scope"], row["name"], row["in_flight"], row["concurrent"]) == ("key", "ci", 0, 3)
            assert row["rates"]["requests"]["left"] == 9  # type: ignore[index]
            [budget] = row["budgets"]  # type: ignore[misc]
            assert (budget["unit"], budget["per"], budget["limit"], budget["reserved"]) == ("usd", "month", "1", "0")
            assert 0 < float(budget["spent"]) < 0.001

    asyncio.run(body())
