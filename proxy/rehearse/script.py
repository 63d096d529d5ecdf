"""From a behaviour and a request to a script: what goes over the wire, when, and how it ends.

The virtual-time network and the loopback servers both play scripts, so they cannot differ in what they simulate. A script
is data; it knows nothing of loops or sockets. Delays are seconds after the previous step.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import NamedTuple

from proxy.rehearse.answers import Asked, Reply, empty_choices, tell_usage
from proxy.rehearse.behaviour import Behaviour, Mode, Style
from proxy.rehearse.shelf import Shelf
from proxy.rehearse.speakers import OPENAI, Speaker, find_speaker
from proxy.rehearse.vendor_errors import ERRORS, JSON, PAGE, PAGE_200, VendorError, error_body

NO_SUCH_PATH = ERRORS["unknown_path"]
Pair = tuple[bytes, bytes]


class Accept(enum.StrEnum):
    OK = "ok"
    REFUSE = "refuse"
    HANG = "hang"


class Ending(enum.StrEnum):
    """`COMPLETE` ends the message in order; the others leave it open and close, reset or keep the connection, or go on in
    something that is not HTTP."""

    COMPLETE = "complete"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"
    GARBLE = "garble"


class Step(NamedTuple):
    """Bytes of the body, `after` seconds after the step before. `tokens` is what the model generated for them."""

    after: float
    data: bytes
    tokens: int = 0


@dataclass(slots=True)
class Script:
    """`first_byte` is when the head goes out, None: never. `chunked` bodies have no length. `model_ran`: the vendor
    will charge. `mode`: what it is the script of."""

    accept: Accept = Accept.OK
    connect: float = 0.0
    first_byte: float | None = None
    status: int = 200
    headers: list[Pair] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    ending: Ending = Ending.COMPLETE
    chunked: bool = False
    model_ran: bool = False
    mode: Mode = Mode.OK

    @property
    def length(self) -> int:
        return sum(len(step.data) for step in self.steps)


def write(behaviour: Behaviour, mode: Mode, asked: Asked, identity: str, rng: Random, shelf: Shelf | None = None) -> Script:
    """The script for one request whose fate `mode` has been decided. One draw of latency from `rng`. `shelf`: what the
    provider keeps."""
    latency = behaviour.latency.draw(rng)
    speaker = find_speaker(asked)
    play = _Play(behaviour, asked, identity, latency, speaker or OPENAI)
    if shelf is not None and shelf.keeps(asked) and mode is Mode.OK:
        script = _from_shelf(play, shelf)
    else:
        script = _MODES[mode](play) if speaker or mode is not Mode.OK else _vendor_error(play, NO_SUCH_PATH)
    script.connect = behaviour.connect
    script.mode = mode
    script.headers.append((b"x-request-id", f"req_{identity}".encode()))
    return script


@dataclass(slots=True)
class _Play:
    behaviour: Behaviour
    asked: Asked
    identity: str
    latency: float
    speaker: Speaker

    def reply(self) -> Reply:
        asked = tell_usage(self.asked) if self.behaviour.reports else self.asked
        return self.speaker.compose(asked, self.identity, self.behaviour.chunks, self.behaviour.style)

    @property
    def stream(self) -> Pair:
        return b"content-type", self.speaker.stream_type

    @property
    def broken(self) -> Ending:
        return Ending.RESET if self.behaviour.reset else Ending.CLOSE


def _from_shelf(play: _Play, shelf: Shelf) -> Script:
    reply = shelf.answer(play.asked, play.identity)
    if reply is None:
        return _vendor_error(play, NO_SUCH_PATH)
    return Script(first_byte=play.latency, headers=[_kind(reply, JSON)], steps=[Step(0.0, reply.whole)])


def _ok(play: _Play) -> Script:
    return _whole(play) if not play.asked.streams else _stream(play, play.behaviour.chunks, finish=True, done=True)


def _whole(play: _Play) -> Script:
    reply = play.reply()
    talking = play.latency + play.behaviour.gap * max(0, reply.output // reply.tokens_per_piece - 1)
    script = Script(first_byte=talking, headers=[_kind(reply, JSON)], model_ran=play.asked.method == "POST")
    script.steps.append(Step(0.0, reply.whole, reply.output))
    return script


def _stream(play: _Play, pieces: int, *, finish: bool, done: bool) -> Script:
    """A stream of at most `pieces` pieces; the contentless first event rides with the first of them."""
    reply = play.reply()
    said = min(pieces, len(reply.pieces))
    script = Script(first_byte=play.latency, headers=[_kind(reply, play.stream)], chunked=True, model_ran=True)
    opening = reply.opening if said or play.behaviour.role_first else b""
    gap, tokens = play.behaviour.gap, reply.tokens_per_piece
    burst = max(1, play.behaviour.burst)
    if said and burst == 1:
        script.steps.append(Step(0.0, opening + reply.pieces[0], tokens))
        script.steps.extend([Step(gap, piece, tokens) for piece in reply.pieces[1:said]])
    elif said:
        for start in range(0, said, burst):
            together = reply.pieces[start : min(start + burst, said)]
            wait, first = (gap * len(together), b"") if start else (0.0, opening)
            script.steps.append(Step(wait, first + b"".join(together), tokens * len(together)))
    elif opening:
        script.steps.append(Step(0.0, opening))
    tail = (reply.finish + reply.usage if finish else b"") + (play.speaker.terminator if done else b"")
    if tail:
        script.steps.append(Step(gap if said else 0.0, tail))
    return script


def _kind(reply: Reply, usual: Pair) -> Pair:
    return usual if reply.content_type is None else (b"content-type", reply.content_type)


def _interrupted(play: _Play, tail: bytes, ending: Ending) -> Script:
    """`after` pieces, then `tail`, then `ending`. A whole answer breaks in its middle."""
    if play.asked.streams:
        script = _stream(play, play.behaviour.after, finish=False, done=False)
        if tail:
            script.steps.append(Step(play.behaviour.gap if play.behaviour.after else 0.0, tail))
    else:
        script = _whole(play)
        whole = script.steps[0].data
        script.steps = [Step(0.0, tail or whole[: len(whole) // 2])]
        script.chunked = True
    script.ending = ending
    return script


def _stall(play: _Play) -> Script:
    return _interrupted(play, b"", Ending.HANG)


def _cut(play: _Play) -> Script:
    limit = play.behaviour.cut_bytes
    if limit is None:
        return _interrupted(play, b"", play.broken)
    script = _ok(play)
    script.steps = _first_bytes(script.steps, limit)
    script.chunked = True
    script.ending = play.broken
    return script


def _first_bytes(steps: list[Step], limit: int) -> list[Step]:
    kept: list[Step] = []
    for step in steps:
        if limit <= 0:
            break
        data = step.data[:limit]
        kept.append(step if len(data) == len(step.data) else Step(step.after, data))
        limit -= len(data)
    return kept


def _error_event(play: _Play) -> Script:
    streams = play.asked.streams
    tail = play.speaker.error_event(play.behaviour.failure) if streams else error_body(play.behaviour.failure)
    return _interrupted(play, tail, Ending.COMPLETE)


def _garbage(play: _Play) -> Script:
    tail = b'data: {"id":"chatcmpl-1","choices":[{"del\n\n' if play.asked.streams else b'{"id":"chatcmpl-1","choi'
    return _interrupted(play, tail, Ending.COMPLETE)


def _empty_choices(play: _Play) -> Script:
    streams = play.asked.streams
    data = empty_choices(play.asked, play.identity) + (play.speaker.terminator if streams else b"")
    headers = [play.stream if streams else JSON]
    return Script(first_byte=play.latency, headers=headers, steps=[Step(0.0, data)], chunked=streams)


def _empty_stream(play: _Play) -> Script:
    headers = [play.stream if play.asked.streams else JSON]
    return Script(first_byte=play.latency, headers=headers, chunked=play.asked.streams)


def _wrong_script(play: _Play) -> Script:
    play.behaviour = replace(play.behaviour, style=Style.WRONG_SCRIPT)
    return _ok(play)


def _html(play: _Play) -> Script:
    return Script(first_byte=play.latency, headers=[PAGE], steps=[Step(0.0, PAGE_200)])


def _missing(play: _Play, *, finish: bool, done: bool) -> Script:
    if not play.asked.streams:
        return _whole(play)
    return _stream(play, play.behaviour.chunks, finish=finish, done=done)


def _vendor_error(play: _Play, error: VendorError) -> Script:
    headers = list(error.headers)
    if play.behaviour.retry_after is not None:
        headers = [pair for pair in headers if not pair[0].startswith(b"retry-after")]
        headers.append((b"retry-after", play.behaviour.retry_after.encode()))
    return Script(first_byte=play.latency, status=error.status, headers=headers, steps=[Step(0.0, error.body)])


_MODES: dict[Mode, Callable[[_Play], Script]] = {
    Mode.OK: _ok,
    Mode.REFUSE: lambda _play: Script(Accept.REFUSE),
    Mode.CONNECT_HANG: lambda _play: Script(Accept.HANG),
    Mode.BLACK_HOLE: lambda _play: Script(ending=Ending.HANG),
    Mode.CLOSE: lambda play: Script(ending=play.broken),
    Mode.STALL: _stall,
    Mode.STATUS: lambda play: _vendor_error(play, ERRORS[play.behaviour.failure]),
    Mode.CUT: _cut,
    Mode.ERROR_EVENT: _error_event,
    Mode.BAD_FRAMING: lambda play: _interrupted(play, b"", Ending.GARBLE),
    Mode.EMPTY_CHOICES: _empty_choices,
    Mode.EMPTY_STREAM: _empty_stream,
    Mode.GARBAGE: _garbage,
    Mode.HTML: _html,
    Mode.WRONG_SCRIPT: _wrong_script,
    Mode.MISSING_DONE: lambda play: _missing(play, finish=True, done=False),
    Mode.MISSING_FINISH: lambda play: _missing(play, finish=False, done=True),
    Mode.OVERLOAD: lambda play: _vendor_error(play, ERRORS[play.behaviour.overload_failure]),
    Mode.CONTEXT: lambda play: _vendor_error(play, ERRORS["openai_context"]),
}
