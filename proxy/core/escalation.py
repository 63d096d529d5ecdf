"""What an answer has to pass before a client gets it, on a route that begins with a cheap target."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec import Struct


@dataclass(frozen=True, slots=True)
class Escalation:
    """The checks of a route; an answer that fails one is asked for again from a later tier.

    `finish`: it must have ended by itself (not at a limit, not filtered). `refusal`: it must not decline. `valid_json`:
    where JSON was asked for, it must be JSON; `valid_schema`: and meet the schema that was asked for. `matches`,
    `rejects`: regular expressions that must, or must not, be found in its text. `min_length` in characters;
    `min_logprob`: of its mean token, where the request asked for logprobs. `command`: a program that is given the answer
    as JSON on its input and ends with status 0 if it passes; `webhook`: an address that is sent the same and answers 2xx
    if it passes. A judge that cannot be asked within `timeout` seconds lets an answer pass.
    """

    finish: bool = True
    refusal: bool = True
    valid_json: bool = True
    valid_schema: bool = False
    matches: str | None = None
    rejects: str | None = None
    min_length: int = 0
    min_logprob: float | None = None
    command: tuple[str, ...] = ()
    webhook: str | None = None
    timeout: float = 5.0


class Examined(Struct, gc=False):
    """An answer as the checks see it: the text of its first choice without reasoning, why it ended in the client's format's
    word, whether it calls tools, the mean logprob of its tokens (None: not told). `route` and `model`: who answered what."""

    route: str
    target: str
    text: str
    finish: str | None = None
    tools: bool = False
    refused: bool = False
    logprob: float | None = None


#: Makes of a schema a test of values.
Schemas = Callable[[Mapping[str, Any]], Callable[[Any], bool]]


class Judge(Protocol):
    """Asks somebody outside whether an answer passes."""

    async def judge(self, escalation: Escalation, answer: Examined) -> str | None:
        """Why it does not pass, as a sentence without a full stop; None: it does, or nobody could say."""
        ...
