"""Asking a program or an address of the operator's whether an answer passes.

The program gets the answer as JSON on its input, the address as the body of a POST: `{route, target, text, finish, tools}`.
Status 0, or a 2xx, lets it pass; another status, or a 4xx, does not, and the first line of what was said is the reason. A
judge that cannot be asked (does not start, is too slow, is unreachable, answers 5xx) lets every answer pass and is logged:
the check is there to save money, not to cost answers.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import aiohttp
import msgspec
import structlog

from proxy.core.escalation import Escalation, Examined

#: Characters of a judge's words that are passed on, and bytes that are read of them.
MAX_REASON = 200
MAX_SAID = 64 * 1024
#: Programs that run at once; further answers wait for a place within their time limit.
MAX_PROGRAMS = 8
#: Seconds between two lines in the log about the same judge.
LOG_EVERY = 60.0

_encode = msgspec.json.Encoder().encode


class OutsideJudge:
    """Implements `Judge`. Costs nothing before the first answer."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._places = asyncio.Semaphore(MAX_PROGRAMS)
        self._logged: dict[str, float] = {}

    async def judge(self, escalation: Escalation, answer: Examined) -> str | None:
        body = _encode(answer)
        if escalation.command:
            reason = await self._ask(escalation.command[0], escalation.timeout, self._run(escalation.command, body))
            if reason is not None:
                return reason
        if escalation.webhook is not None:
            return await self._ask("webhook", escalation.timeout, self._post(escalation.webhook, body))
        return None

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _ask(self, name: str, limit: float, asking: Coroutine[None, None, str | None]) -> str | None:
        try:
            async with asyncio.timeout(limit):
                return await asking
        except TimeoutError:
            self._unheard(name, "it did not answer in time")
        except OSError as error:
            self._unheard(name, error.strerror or type(error).__name__)
        except aiohttp.ClientError as error:
            self._unheard(name, type(error).__name__)
        return None

    async def _run(self, command: tuple[str, ...], body: bytes) -> str | None:
        async with self._places:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                limit=MAX_SAID,
            )
            try:
                said, _ = await process.communicate(body)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return None if process.returncode == 0 else _reason(said, f"{command[0]} ended with status {process.returncode}")

    async def _post(self, url: str, body: bytes) -> str | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        headers = {"content-type": "application/json"}
        async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as reply:
            said = await reply.content.read(MAX_SAID)
            if 200 <= reply.status < 300:
                return None
            if 400 <= reply.status < 500:
                return _reason(said, f"the webhook answered {reply.status}")
        raise aiohttp.ClientError

    def _unheard(self, name: str, why: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._logged.get(name, -LOG_EVERY) >= LOG_EVERY:
            self._logged[name] = now
            structlog.get_logger().warning("judge_unheard", judge=name, reason=why)


def _reason(said: bytes, otherwise: str) -> str:
    line = next(iter(said.decode("utf-8", "replace").splitlines()), "").strip()
    return "".join(letter for letter in line if letter.isprintable())[:MAX_REASON] or otherwise


def schema_test(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    """Whether values meet a JSON Schema; all do where it is none. References lead nowhere but into itself."""
    from jsonschema.exceptions import SchemaError, ValidationError
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    kind = validator_for(schema)
    registry: Registry[Any] = Registry()  # an empty one of our own: the usual one would fetch what a schema names

    def fits(value: Any) -> bool:
        try:
            kind.check_schema(schema)
            kind(schema, registry=registry).validate(value)
        except ValidationError:
            return False
        except (SchemaError, Unresolvable, RecursionError):
            return True
        return True

    return fits
