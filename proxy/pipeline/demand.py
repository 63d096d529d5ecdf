"""What a request may use at a target, told before it is sent: what is set aside for it.

Input is a ceiling: a third of its bytes, encoded media taken out (a token of prose or code is longer). Output is what the
request allows and the model can write, but never more than `USUAL_OUTPUT` or the longest answer lately seen of that target:
agents allow far more than they get, and a budget that set all of that aside would refuse nearly everybody.

Endpoints without text get the least that is not nothing, so that they are refused once a budget is used up; what looks after
stored things or counts tokens is free.
"""

from collections.abc import Callable

from proxy.core.call import Call
from proxy.core.endpoints import TEXTUAL, Endpoint
from proxy.core.settings import Target
from proxy.core.usage import Usage
from proxy.pipeline.journey import Journey
from proxy.policy.allowances import Quantity
from proxy.tokens.prices import cost
from proxy.wire.openai_envelope import read_value

USUAL_OUTPUT = 4096
#: Bytes of the shortest usual token, and of a body that need not be looked into: no media fit.
BYTES_PER_TOKEN = 3
SMALL_BODY = 8 * 1024
#: Tokens of images together, where there are any; the vendors' own formulas are not worth their time here.
IMAGES = 2000
#: The longest answer is forgotten by so much with each other one.
FADES = 0.98
#: Targets that are remembered.
MAX_TARGETS = 1000
#: How many places of a long body are looked at for encoded media, and how many bytes there.
PLACES, WINDOW = 32, 128
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_FREE = frozenset({Endpoint.FILES, Endpoint.STORED, Endpoint.COUNT_TOKENS, Endpoint.INPUT_TOKENS})


def quantity_of(usage: Usage, money: int | None) -> Quantity:
    """What is used, or may be. `money` in nano-dollars, None: its price is not known."""
    return Quantity(usage.total, money, lambda price: cost(usage, price) or 0)


def holds_media(body: bytes) -> bool:
    """Is a part of this body worth mentioning neither words nor JSON? Searching all of it would cost more than the rest of a
    call; media that are missed are too small to matter."""
    step = max(1, len(body) // PLACES)
    windows = (body[at : at + WINDOW] for at in range(0, len(body) - WINDOW, step))
    return any(b" " not in window and b'"' not in window for window in windows)


class Demand:
    """Measures requests. `wall` gives Unix time, for prices."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._longest: dict[str, float] = {}

    def note(self, target_id: str, output: int) -> None:
        """Remember how long an answer was."""
        known = self._longest.get(target_id)
        if known is not None:
            self._longest[target_id] = max(known * FADES, output)
        elif output > USUAL_OUTPUT and len(self._longest) < MAX_TARGETS:
            self._longest[target_id] = output

    def measure(self, journey: Journey, target: Target) -> Quantity:
        """What this call may use at this target."""
        call = journey.call
        if call.endpoint in _FREE or (call.endpoint is Endpoint.BATCHES and call.method != "POST"):
            return quantity_of(Usage(), 0)
        usage = Usage(1, 1)
        if call.endpoint in TEXTUAL:
            usage = Usage(self._input(journey), self._output(call, target))
        price = target.price if target.tariff is None else target.tariff.price(self._wall())
        return quantity_of(usage, cost(usage, price))

    @staticmethod
    def _input(journey: Journey) -> int:
        envelope = journey.call.envelope
        body = envelope.body
        if len(body) <= SMALL_BODY or not holds_media(body):
            return len(body) // BYTES_PER_TOKEN + 1
        needs = journey.format.needs_of(envelope)
        return needs.tokens * 4 // BYTES_PER_TOKEN + (IMAGES if needs.images else 0)

    def _output(self, call: Call, target: Target) -> int:
        if call.endpoint is Endpoint.EMBEDDINGS:
            return 0
        fields = call.envelope.fields
        most = max(USUAL_OUTPUT, int(self._longest.get(target.id, 0.0)))
        for name in _LIMITS:
            allowed = read_value(call.envelope, name) if name in fields else None
            if isinstance(allowed, int) and allowed > 0:
                most = min(most, allowed)
        for most_ever in (target.facts.max_output, target.max_answer):
            if most_ever is not None:
                most = min(most, most_ever)
        choices = read_value(call.envelope, "n") if "n" in fields else None
        return most * choices if isinstance(choices, int) and 1 < choices <= 128 else most
