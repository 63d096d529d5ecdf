"""A network in virtual time: `Transport` without sockets, tasks or threads.

Each request becomes one `SimulatedExchange` that plays its provider's script with one timer at a time and keeps a
`Contact`, the line of history that invariants are checked on. A provider is found by the request's pool name.
The order of calls to the receiver is the one `core.exchange.Receiver` promises, and nothing is called from inside `send`.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random

from proxy.core.exchange import Exchange, FailureKind, Receiver, TransportError, UpstreamRequest
from proxy.rehearse.answers import Asked, read_head
from proxy.rehearse.bill import BillEntry
from proxy.rehearse.provider import SimulatedProvider
from proxy.rehearse.script import Accept, Ending, Script


@dataclass(slots=True)
class Contact:
    """One request as the network saw it; times are loop time. `label` is the client's (the body's `user`), empty for
    probes. `content_at`: when the first generated token went out. `ending`: `complete`, `closed`, `reset`, `refused`,
    `connect_timeout`, `garbled`, `aborted`, `detached`, or empty while under way. `tokens`: generated for it."""

    number: int
    provider: str
    model: str
    path: str
    label: str
    key: str
    started_at: float
    head_at: float | None = None
    content_at: float | None = None
    ended_at: float | None = None
    status: int | None = None
    ending: str = ""
    tokens: int = 0

    @property
    def target(self) -> str:
        return f"{self.provider}/{self.model}"

    @property
    def probe(self) -> bool:
        return not self.label


class SimulatedNetwork:
    """Implements `core.exchange.Transport`. `contacts` is its history; `epoch` the loop time at which the providers'
    schedules begin."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rng: Random, providers: Mapping[str, SimulatedProvider]) -> None:
        self.loop = loop
        self.rng = rng
        self.providers = providers
        self.epoch = loop.time()
        self.contacts: list[Contact] = []

    def send(self, request: UpstreamRequest, receiver: Receiver) -> Exchange:
        asked = read_head(request.head, request.body)
        now = self.loop.time()
        contact = Contact(len(self.contacts), request.pool, asked.model, asked.path, asked.label, asked.key, now)
        self.contacts.append(contact)
        provider = self.providers.get(request.pool)
        if provider is None:
            return _Nowhere(self.loop, contact, receiver)
        return SimulatedExchange(self, provider, asked, contact, Line(receiver, request.connect_timeout))

    @property
    def open_contacts(self) -> list[Contact]:
        return [contact for contact in self.contacts if contact.ended_at is None]

    def digest(self) -> str:
        """A fingerprint of the whole history, for "equal seed, equal trace"."""
        return digest(self.contacts)


def digest(contacts: Iterable[Contact]) -> str:
    lines = (repr([getattr(contact, name) for name in Contact.__slots__]) for contact in contacts)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(slots=True)
class Line:
    """The caller's end of an exchange."""

    receiver: Receiver
    connect_timeout: float


class SimulatedExchange:
    """Plays one script. States follow each other as timers fire: connect, head, steps, ending."""

    __slots__ = (
        "_asked",
        "_contact",
        "_entry",
        "_held",
        "_line",
        "_loop",
        "_network",
        "_paused",
        "_position",
        "_provider",
        "_script",
        "_timer",
    )

    def __init__(
        self,
        network: SimulatedNetwork,
        provider: SimulatedProvider,
        asked: Asked,
        contact: Contact,
        line: Line,
    ) -> None:
        self._network = network
        self._provider = provider
        self._asked = asked
        self._contact = contact
        self._line: Line | None = line
        self._loop = network.loop
        self._paused = False
        self._held: Callable[[], None] | None = None
        self._position = 0
        self._timer: asyncio.TimerHandle | None = None
        self._script, self._entry = self._begin()
        self._dial(line.connect_timeout)

    def _begin(self) -> tuple[Script, BillEntry]:
        now = self._loop.time() - self._network.epoch
        return self._provider.begin(self._asked, now, self._network.rng)

    def __repr__(self) -> str:
        return f"<SimulatedExchange {self._contact}>"

    def _dial(self, limit: float) -> None:
        script = self._script
        if script.accept is Accept.REFUSE:
            self._later(script.connect, self._refused)
        elif script.accept is Accept.HANG or script.connect > limit:
            self._later(limit, self._timed_out)
        elif script.first_byte is not None:
            self._later(script.connect + script.first_byte, self._head)
        elif script.ending in (Ending.CLOSE, Ending.RESET):
            self._later(script.connect, self._finish)

    def _later(self, seconds: float, step: Callable[[], None]) -> None:
        self._timer = self._loop.call_later(seconds, step)

    def _refused(self) -> None:
        self._fail("refused", TransportError(FailureKind.CONNECT, "connection refused"))

    def _timed_out(self) -> None:
        self._fail("connect_timeout", TransportError(FailureKind.CONNECT_TIMEOUT, "no connection in time"))

    def _head(self) -> None:
        script, line = self._script, self._line
        if line is None:
            return
        self._contact.head_at = self._loop.time()
        self._contact.status = script.status
        headers = list(script.headers)
        if script.chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        else:
            headers.append((b"content-length", b"%d" % script.length))
        line.receiver.on_head(script.status, headers)
        self._advance()

    def _advance(self) -> None:
        """Play steps until one of them lies in the future."""
        steps = self._script.steps
        while self._line is not None:
            if self._position == len(steps):
                if self._script.ending is not Ending.HANG:
                    self._finish()
                return
            after = steps[self._position].after
            if after > 0.0:
                self._timer = self._loop.call_at(self._loop.time() + after, self._body)
                return
            if not self._play():
                return

    def _body(self) -> None:
        if self._play():
            self._advance()

    def _play(self) -> bool:
        """Hand over the next piece; False when the receiver is paused (or gone), with the piece kept for later."""
        if self._paused:
            self._held = self._body
            return False
        line = self._line
        if line is None:
            return False
        _, data, tokens = self._script.steps[self._position]
        self._position += 1
        if tokens:
            self._contact.tokens += tokens
            self._entry.output += tokens
            if self._contact.content_at is None:
                self._contact.content_at = self._loop.time()
        line.receiver.on_body(data)
        return True

    def _finish(self) -> None:
        if self._paused:
            self._held = self._finish
            return
        ending = self._script.ending
        if ending is Ending.COMPLETE:
            receiver = self._end("complete", complete=True)
            if receiver is not None:
                receiver.on_complete()
            return
        if ending is Ending.GARBLE:
            self._fail("garbled", TransportError(FailureKind.GARBAGE, "invalid character in chunk size"))
            return
        begun = self._contact.head_at is not None
        kind = FailureKind.BROKEN if begun else FailureKind.CLOSED
        word = "reset by peer" if ending is Ending.RESET else "closed by peer"
        self._fail("reset" if ending is Ending.RESET else "closed", TransportError(kind, f"connection {word}"))

    def _fail(self, ending: str, error: TransportError) -> None:
        receiver = self._end(ending, complete=False)
        if receiver is not None:
            receiver.on_failed(error)

    def _end(self, ending: str, *, complete: bool) -> Receiver | None:
        line, self._line = self._line, None
        if line is None:
            return None
        if self._timer is not None:
            self._timer.cancel()
        self._contact.ended_at = self._loop.time()
        self._contact.ending = ending
        self._provider.end(self._entry, complete=complete)
        return line.receiver

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        held, self._held = self._held, None
        if held is not None:
            self._loop.call_soon(held)

    def abort(self) -> None:
        self._end("aborted", complete=False)

    def detach(self) -> None:
        self._end("detached", complete=self._position == len(self._script.steps))


class _Nowhere:
    """A request to a provider that does not exist."""

    def __init__(self, loop: asyncio.AbstractEventLoop, contact: Contact, receiver: Receiver) -> None:
        self._loop = loop
        self._contact = contact
        self._receiver: Receiver | None = receiver
        loop.call_soon(self._fail)

    def _fail(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            self._close("refused")
            receiver.on_failed(TransportError(FailureKind.CONNECT, "no such host"))

    def _close(self, ending: str) -> None:
        self._contact.ended_at = self._loop.time()
        self._contact.ending = ending

    def abort(self) -> None:
        if self._receiver is not None:
            self._receiver = None
            self._close("aborted")

    detach = abort

    def pause(self) -> None:
        """There is nothing to hold back."""

    def resume(self) -> None:
        """There was nothing held back."""
