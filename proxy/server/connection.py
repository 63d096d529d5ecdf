"""One client's connection: bytes in, requests out, one at a time.

A request behind another is not even parsed before the one in front has been answered: replies are in order, and nothing
that stands behind a refused request is ever read as a request. Bytes that arrive meanwhile are held, up to a bound, then
the socket is left unread. Until that bound it is read all the time, since that is how a client's leaving is noticed; its
leaving (a half-close counts too: few who close their side still want an answer, most have died) cancels the call.

All time limits are one watchdog: what is due follows from the phase and a few timestamps.
"""

import asyncio
import math
from typing import cast

from aiohttp.http import HttpVersion10
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest
from proxy.core.tunnel import Peer
from proxy.server.admission import Admission, admit
from proxy.server.backlog import Backlog
from proxy.server.errand import Errand
from proxy.server.guard import judge_parse_error
from proxy.server.heads import CONTINUE
from proxy.server.inlet import BODY, CLOSING, HEAD, MAX_HEAD, SERVING, SLICE, Inlet, Unpaused
from proxy.server.intake import Intake, make_request
from proxy.server.outlet import Outlet
from proxy.server.refusals import (
    BODY_TOO_LARGE,
    HEAD_TOO_LARGE,
    SLOW_BODY,
    SLOW_HEAD,
    TOO_MANY_CONNECTIONS,
    UNAUTHENTICATED,
    Refusal,
    unknown_path,
)
from proxy.server.responder import Responder
from proxy.server.roster import Roster
from proxy.server.session import Session
from proxy.server.watchdog import GRAIN, Watchdog

_REALTIME = Endpoint.REALTIME
#: Seconds a refused client has to take our reply; closing at once with bytes unread would destroy it (RFC 9112 9.6).
LINGER = 1.0
#: Requests answered from memory before other connections get their turn.
TURN = 32


class Connection(asyncio.Protocol):
    """`asyncio.Protocol` of the data plane; also the `Line` that a `Responder` reports to."""

    __slots__ = (
        "_backlog",
        "_began",
        "_call",
        "_fresh",
        "_inlet",
        "_intake",
        "_outlet",
        "_patience",
        "_phase",
        "_queued",
        "_responder",
        "_roster",
        "_watchdog",
    )

    _outlet: Outlet
    _backlog: Backlog

    def __init__(self, roster: Roster, flow: Unpaused) -> None:
        self._roster = roster
        self._inlet = Inlet(roster, flow)
        self._watchdog = Watchdog(roster.loop, self._due, self._expire)
        self._phase = HEAD
        self._began = 0.0  # loop time at which the present phase began
        self._fresh = True  # no request yet
        self._intake: Intake | None = None
        self._responder: Responder | None = None
        self._call: Errand | None = None
        self._queued = False  # a `_continue` is coming
        self._patience = 0  # bytes still worth reading from a client that was refused

    def __repr__(self) -> str:
        return f"<Connection {self._phase.value}>"

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        roster = self._roster
        self._outlet = Outlet(cast(asyncio.Transport, transport), roster)
        self._backlog = Backlog(self._outlet.transport)
        self._began = roster.loop.time()
        full = len(roster.connections) >= roster.settings.max_connections
        roster.connections.add(self)
        roster.accepted += 1
        if full:
            self._outlet.write_refusal(TOO_MANY_CONNECTIONS)
            self._close()
        else:
            self._watchdog.arm()

    def data_received(self, data: bytes) -> None:
        phase = self._phase
        if phase is CLOSING:
            self._backlog.discard(len(data), self._patience)
        elif phase is SERVING or self._queued or (phase is HEAD and self._outlet.stalled):
            self._backlog.hold(data)
        elif self._intake is not None and self._intake.direct:
            self._collect(self._intake, data)
        elif not self._recognise(data):
            self._read(data)

    def eof_received(self) -> None:
        if self._phase is SERVING:
            self._outlet.transport.abort()
        elif self._phase is not CLOSING:
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._phase = CLOSING
        self._watchdog.stop()
        self._intake = None
        responder, call = self._responder, self._call
        self._end_call()
        if responder is not None:
            responder.lose()
        if call is not None:
            self._roster.left += 1
            call.cancel()
        self._roster.leave(self)

    def pause_writing(self) -> None:
        self._outlet.stalled = True
        self._outlet.mark()
        if self._responder is not None:
            self._responder.pause()
        self._watchdog.arm()

    def resume_writing(self) -> None:
        self._outlet.stalled = False
        if self._responder is not None:
            self._responder.resume()
        else:
            self._later()

    # -- reading

    def _read(self, data: bytes) -> None:
        """Feed the parser, and go on with what it and the backlog hold for as long as replies are made at once."""
        inlet = self._inlet
        for _ in range(TURN):
            if inlet.pipelines and self._intake is None and len(data) > SLICE:
                self._backlog.put_back(data[SLICE:])
                data = data[:SLICE]
            try:
                found = inlet.feed(data)
            except HttpProcessingError as error:
                self._refuse_rest(judge_parse_error(error))
                return
            if self._intake is not None:
                self._take_body(self._intake, len(data))
            elif found is not None:
                self._open(*found)
            elif data:
                self._note_partial_head(len(data))
            if not self._can_read() or (found is None and not self._backlog):
                return
            # What the parser still holds comes before what it has not been given.
            data = b"" if found is not None and self._phase is HEAD else self._backlog.take()
        self._backlog.put_back(data)
        self._later()

    def _can_read(self) -> bool:
        """Is it the parser's turn?"""
        if self._phase is BODY:
            return self._intake is not None and not self._intake.direct
        return self._phase is HEAD and not self._outlet.stalled

    def _later(self) -> None:
        """Read on when others have had their turn, and when whoever ended the reply has returned."""
        if not self._queued:
            self._queued = True
            self._roster.loop.call_soon(self._continue)

    def _continue(self) -> None:
        self._queued = False
        if self._can_read():
            self._read(b"")

    def _note_partial_head(self, size: int) -> None:
        inlet = self._inlet
        if inlet.partial == 0 and not self._fresh:
            self._began = self._roster.loop.time()
        inlet.partial += size
        if inlet.partial > MAX_HEAD:
            self._refuse_rest(HEAD_TOO_LARGE)
        else:
            self._watchdog.arm()

    def _open(self, message: RawRequestMessage, payload: StreamReader) -> None:
        roster, outlet = self._roster, self._outlet
        roster.requests += 1
        self._fresh = False
        outlet.old = message.version == HttpVersion10
        outlet.bodyless = message.method == "HEAD"
        # After a chunked body aiohttp's parser (3.14.5) adds that body's last trailer to the *next* request's headers; after
        # an upgrade that is not taken it drops bytes. Neither may be followed by another request.
        outlet.keep = not (message.should_close or message.upgrade or message.chunked or roster.draining)
        verdict = admit(message, roster.rules, roster.app)
        if isinstance(verdict, Refusal):
            # Only what was read to its end can be followed by another request.
            outlet.keep = outlet.keep and payload.is_eof()
            self._refuse(verdict)
        elif verdict.endpoint is None:
            self._answer_page(verdict, message.method)
        else:
            self._await_body(Intake(verdict, message.headers, payload, roster.loop.time()))

    def _recognise(self, data: bytes) -> bool:
        """Open a request whose head is familiar; False: it has to be parsed."""
        found = self._inlet.recognise(data)
        if found is None:
            return False
        familiar, start, length = found
        roster, outlet = self._roster, self._outlet
        roster.requests += 1
        outlet.old = outlet.bodyless = False
        outlet.keep = not roster.draining
        now = roster.loop.time()
        if len(data) - start == length:
            self._serve(make_request(familiar.admission, familiar.headers, data[start:], now))
        else:
            self._phase = BODY
            self._intake = intake = Intake(familiar.admission, familiar.headers, None, now, length)
            intake.collect(data[start:])
            self._watchdog.arm()
        return True

    def _await_body(self, intake: Intake) -> None:
        self._intake = intake
        self._phase = BODY
        self._take_body(intake, 0)
        if self._phase is BODY:
            self._inlet.pass_by(intake)
            if intake.wants_continue and not self._outlet.old:
                self._outlet.transport.write(CONTINUE)
            self._watchdog.arm()

    def _take_body(self, intake: Intake, wire: int) -> None:
        if not intake.take(wire, self._roster.settings.max_body):
            self._refuse_rest(BODY_TOO_LARGE)
        elif intake.complete:
            self._inlet.finish(intake)
            self._serve(intake.request())

    def _collect(self, intake: Intake, data: bytes) -> None:
        surplus = intake.collect(data)
        if intake.complete:
            self._backlog.put_back(surplus)
            self._inlet.finish(intake, surplus)
            self._serve(intake.request())

    def _serve(self, request: ClientRequest) -> None:
        roster = self._roster
        self._intake = None
        self._phase = SERVING
        self._responder = responder = Responder(self, self._outlet, roster)
        if request.endpoint is _REALTIME:
            self._backlog.put_back(self._inlet.give_up())
            request.upgrade = responder
        self._call = call = Errand(roster.app.serve(request, responder), roster.loop, responder.settle)
        roster.calls.add(call)
        call.start()

    # -- replying

    def _answer_page(self, admission: Admission, method: str) -> None:
        page = self._roster.app.page(admission.page, admission.query, admission.identity, admission.anthropic)
        if page is None:
            self._refuse(unknown_path(method, admission.page))
            return
        self._outlet.write_page(page)
        self._turn()

    def _refuse(self, refusal: Refusal) -> None:
        # Who gave no key is not worth reading much from; who gave one gets to see why a body was refused.
        self._patience = MAX_HEAD if refusal is UNAUTHENTICATED else self._roster.settings.max_body
        self._outlet.write_refusal(refusal)
        self._turn(linger=True)

    def _refuse_rest(self, refusal: Refusal) -> None:
        """Refuse in the middle of a message: nothing that follows can be understood."""
        self._outlet.keep = False
        if self._phase is HEAD:
            self._outlet.bodyless = False
        self._refuse(refusal)

    def _turn(self, *, linger: bool = False) -> None:
        """A reply is complete: on to the next request, or close."""
        self._intake = None
        if not self._outlet.keep:
            self._close(linger=linger)
            return
        roster = self._roster
        self._phase = HEAD
        self._began = roster.loop.time()
        self._inlet.next()
        self._watchdog.arm_for(self._began + roster.settings.keepalive_timeout)

    # -- what a responder reports

    def switch(self, peer: Peer) -> Session:
        self._phase = CLOSING
        self._watchdog.stop()
        self._roster.connections.discard(self)
        return Session(self._outlet, self._roster, self._call, peer, self._backlog)

    def replied(self) -> None:
        self._end_call()
        if self._roster.draining:
            self._outlet.keep = False
        self._turn()
        # An idle parser holds nothing; whatever has come since is in the backlog.
        if not self._inlet.idle or self._backlog:
            self._later()

    def fail(self, refusal: Refusal) -> None:
        self._end_call()
        self._refuse(refusal)
        self._later()

    def broken(self, reset: bool) -> None:
        self._end_call()
        if reset:
            self._outlet.reset_on_close()
        if self._outlet.stalled:
            self._outlet.transport.abort()
        else:
            self._close()

    def _end_call(self) -> None:
        self._responder = None
        self._call = None

    # -- closing and time

    def _close(self, *, linger: bool = False) -> None:
        """End the connection once what was written has gone out. `linger`: the client may still be sending."""
        self._phase = CLOSING
        self._began = self._roster.loop.time()
        self._outlet.mark()
        transport = self._outlet.transport
        if transport.is_closing():
            return
        if linger:
            transport.write_eof()
            self._backlog.take()
        else:
            transport.close()
        self._watchdog.arm()

    def drain(self) -> None:
        """No further request: close now if none is under way, else after its reply."""
        if self._phase is HEAD and self._inlet.partial == 0 and not self._backlog:
            self._close()

    def abort(self) -> None:
        self._outlet.transport.abort()

    def _due(self) -> float:
        settings = self._roster.settings
        due = math.inf
        if self._phase is HEAD:
            waiting = self._fresh or self._inlet.partial > 0
            due = self._began + (settings.header_timeout if waiting else settings.keepalive_timeout)
        elif self._intake is not None:
            due = self._intake.due(settings.body_timeout)
        elif self._phase is CLOSING:
            due = self._began + LINGER if self._outlet.flushed else self._outlet.stall_due
        return min(due, self._outlet.stall_due) if self._outlet.stalled else due

    def _expire(self) -> None:
        outlet = self._outlet
        waits = outlet.stalled or (self._phase is CLOSING and not outlet.flushed)
        if waits and outlet.stall_due <= self._roster.loop.time() + GRAIN:
            if outlet.spare():
                self._watchdog.arm()
        elif self._phase is HEAD and self._inlet.partial == 0:
            self._close()
        elif self._phase is HEAD:
            self._refuse_rest(SLOW_HEAD)
        elif self._phase is BODY:
            self._refuse_rest(SLOW_BODY)
        else:
            outlet.transport.abort()
