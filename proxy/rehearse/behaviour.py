"""How a simulated provider behaves at a moment: a value, without clock, sockets or state.

A `Behaviour` has a mode (what goes wrong) and modifiers that say for which requests it goes wrong: a share of them,
every n-th, those above a capacity, those of some models, endpoints or credentials. `decide` applies the modifiers. The
same value drives the virtual-time network and the real servers on loopback, so an outage rehearsed in one is the
outage of the other.
"""

import enum
import math
from dataclasses import dataclass
from random import Random


class Mode(enum.StrEnum):
    """What becomes of a request."""

    OK = "ok"
    REFUSE = "refuse"  # the connection is refused
    CONNECT_HANG = "connect_hang"  # the connection is never accepted
    BLACK_HOLE = "black_hole"  # accepted, never answered
    CLOSE = "close"  # accepted, then closed without a byte
    STALL = "stall"  # the stream stops after `after` pieces, the connection stays
    STATUS = "status"  # an error of a real vendor, see `failure`
    CUT = "cut"  # the connection ends after `after` pieces or `cut_bytes` bytes of the body
    ERROR_EVENT = "error_event"  # 200, then an error event after `after` pieces
    EMPTY_CHOICES = "empty_choices"  # 200, and every event has no choices
    EMPTY_STREAM = "empty_stream"  # 200, and no event at all
    GARBAGE = "garbage"  # 200, then an event that is not JSON after `after` pieces
    BAD_FRAMING = "bad_framing"  # 200, then a chunk that is not HTTP after `after` pieces
    HTML = "html"  # 200 with a web page
    MISSING_DONE = "missing_done"  # whole, but for the terminator
    MISSING_FINISH = "missing_finish"  # ends in order with [DONE], without a finish reason
    WRONG_SCRIPT = "wrong_script"  # whole and well-formed, with words of other scripts in the text
    OVERLOAD = "overload"  # chosen by `decide` above `capacity` or `rate`
    CONTEXT = "context"  # chosen by `decide` above `context_window`


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds to the first byte. `spread` 0: always `middle`. With `heavy` lognormal, median `middle` and 99th
    percentile `middle + spread`; else uniform from `middle - spread` to `middle + spread`."""

    middle: float = 0.2
    spread: float = 0.0
    heavy: bool = False

    def draw(self, rng: Random) -> float:
        if self.spread == 0.0:
            return self.middle
        if not self.heavy:
            return rng.uniform(self.middle - self.spread, self.middle + self.spread)
        sigma = math.log((self.middle + self.spread) / self.middle) / 2.3263478740408408
        return rng.lognormvariate(math.log(self.middle), sigma)


def constant(seconds: float) -> Latency:
    return Latency(seconds)


def uniform(low: float, high: float) -> Latency:
    return Latency((low + high) / 2, (high - low) / 2)


def lognormal(median: float, p99: float) -> Latency:
    return Latency(median, p99 - median, heavy=True)


class Style(enum.StrEnum):
    """What the model says when it answers."""

    TEXT = "text"
    TOOL = "tool"  # a tool call, its arguments in fragments
    PARALLEL = "parallel"  # two tool calls, one after the other
    REASONING = "reasoning"  # half of the pieces as reasoning, then text
    WRONG_SCRIPT = "wrong_script"  # text with words of other scripts in it


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Seconds, counts and bytes.

    An answer has `chunks` pieces of one token each, `gap` seconds apart; a whole answer takes just as long. `burst`: so many
    pieces of a stream arrive together, with the gaps of all of them before. `after` is how
    many pieces come before the mode strikes (0: nothing but the head; with `role_first` the contentless first event
    of a chat too). `reset`: connections end with RST instead of FIN. `failure` names a line of `vendor_errors`, for
    STATUS and ERROR_EVENT. `retry_after` replaces that line's header, None leaves it.

    The mode strikes a `share` of the requests, drawn; if `fail_every` is set, only each n-th; if `succeed_every`, all but
    each n-th; and only requests of `models`, `endpoints` (last part of the path) and `keys` where those are not empty.
    `spare_models`: GET /models is healthy whatever happens, as it was in real outages. Above `capacity` requests in
    flight, or `rate` a second (growing by `rate_growth` each second), a healthy provider answers `overload_failure`.
    `reports`: streams of OpenAI's format tell their usage unasked, as Mistral's do.
    """

    mode: Mode = Mode.OK
    latency: Latency = Latency()
    connect: float = 0.0
    chunks: int = 50
    gap: float = 0.02
    burst: int = 1
    style: Style = Style.TEXT
    after: int = 0
    role_first: bool = False
    cut_bytes: int | None = None
    reset: bool = False
    failure: str = "openai_server_error"
    retry_after: str | None = None
    share: float = 1.0
    fail_every: int = 0
    succeed_every: int = 0
    models: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    spare_models: bool = False
    capacity: int | None = None
    rate: float | None = None
    rate_growth: float = 0.0
    overload_failure: str = "anthropic_overloaded"
    context_window: int | None = None
    reports: bool = False


@dataclass(slots=True)
class Situation:
    """What `decide` may know of the moment: the request and the provider's own counters. `serial` counts requests from 1,
    `in_flight` includes this one, `recent` is how many were taken in the last second, `age` how long this
    behaviour has lasted."""

    serial: int
    in_flight: int
    recent: int
    age: float
    path: str
    model: str
    key: str
    input_tokens: int


def decide(behaviour: Behaviour, situation: Situation, rng: Random) -> Mode:
    """What becomes of this request. Draws from `rng` only where a share between 0 and 1 is asked for."""
    if behaviour.mode is not Mode.OK and _strikes(behaviour, situation, rng):
        return behaviour.mode
    if behaviour.context_window is not None and situation.input_tokens > behaviour.context_window:
        return Mode.CONTEXT
    if behaviour.capacity is not None and situation.in_flight > behaviour.capacity:
        return Mode.OVERLOAD
    if behaviour.rate is not None and situation.recent > behaviour.rate + behaviour.rate_growth * situation.age:
        return Mode.OVERLOAD
    return Mode.OK


def _strikes(behaviour: Behaviour, situation: Situation, rng: Random) -> bool:
    if not _concerns(behaviour, situation):
        return False
    if behaviour.fail_every:
        return situation.serial % behaviour.fail_every == 0
    if behaviour.succeed_every:
        return situation.serial % behaviour.succeed_every != 0
    return behaviour.share >= 1.0 or rng.random() < behaviour.share


def _concerns(behaviour: Behaviour, situation: Situation) -> bool:
    if behaviour.spare_models and "/models" in situation.path:
        return False
    return (
        (not behaviour.models or situation.model in behaviour.models)
        and (not behaviour.endpoints or situation.path.rsplit("/", 1)[-1] in behaviour.endpoints)
        and (not behaviour.keys or situation.key in behaviour.keys)
    )
