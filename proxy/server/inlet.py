"""The receiving side of a connection: from bytes to heads, one at a time.

aiohttp's C request parser is set to stop after every message, so a request behind another is not even parsed before the
one in front has been answered. It sees whole requests, or the head alone: a body of announced length that has not come
with its head is collected past it, and a fresh parser reads what comes behind that body.
"""

import enum

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.streams import StreamReader

from proxy.server.familiar import FamiliarHead, remember
from proxy.server.intake import Intake
from proxy.server.roster import Roster

MAX_HEAD = 64 * 1024
#: What a client that pipelines is read in; the parser copies the rest of a piece at every request in it.
SLICE = 16 * 1024
#: Heads that are learned, one after the other, before a connection is taken for one whose heads never repeat.
LESSONS = 4


class Phase(enum.Enum):
    """How far a connection is with its present request."""

    HEAD = "head"  # between requests, or inside a head
    BODY = "body"
    SERVING = "serving"
    CLOSING = "closing"


#: Names of a module are found several times faster than members of an enum, and every request looks at its phase often.
HEAD, BODY, SERVING, CLOSING = Phase


class Unpaused(BaseProtocol):
    """Body readers of aiohttp's parser ask their protocol to pause; ours are emptied at every read, so it never matters. One
    serves all connections."""

    def pause_reading(self) -> None:
        return

    def resume_reading(self, resume_parser: bool = True) -> None:
        return


class Inlet:
    """`idle`: the parser stands between two messages and holds no byte, so that the next byte is a head's first. `partial`:
    bytes of an unfinished head. `pipelines`: requests were found behind others. `familiar`: the head to expect."""

    __slots__ = (
        "_behind",
        "_flow",
        "_head",
        "_lessons",
        "_parser",
        "_roster",
        "familiar",
        "idle",
        "partial",
        "pipelines",
    )

    def __init__(self, roster: Roster, flow: Unpaused) -> None:
        self._roster = roster
        self._flow = flow
        self._parser = self._make_parser()
        self._head = b""  # of the request under way, if every byte of it is known
        self._behind = -1  # bytes that came behind that head in the same read; -1: it came in pieces, or behind others
        self._lessons = 0
        self.familiar: FamiliarHead | None = None
        self.idle = True
        self.partial = 0
        self.pipelines = False

    def _make_parser(self) -> HttpRequestParser:
        # Stops after each message (queue of one); the reader's limit is never reached, since it is emptied at every read.
        limit = self._roster.settings.max_body + MAX_HEAD
        return HttpRequestParser(self._flow, self._roster.loop, limit, auto_decompress=False, max_msg_queue_size=1)

    def recognise(self, data: bytes) -> tuple[FamiliarHead, int, int] | None:
        """Where `data` begins with the familiar head: that head, where the body begins, and its length."""
        familiar = self.familiar
        place = familiar.recall(data) if self.idle and familiar is not None else None
        if familiar is None or place is None:
            return None
        start, length = place
        roster = self._roster
        # Keys change while connections live. What is not in order goes the usual way, to be refused there.
        known = roster.app.identify(familiar.headers) is familiar.admission.identity
        if not known or roster.app.strained or length > roster.settings.max_body or len(data) - start > length:
            return None
        return familiar, start, length

    def feed(self, data: bytes) -> tuple[RawRequestMessage, StreamReader] | None:
        """Parse on; gives a head that is complete. Raises HttpProcessingError."""
        idle = self.idle
        if idle and not data:
            return None
        self.idle = False
        messages, _, _ = self._parser.feed_data(data)
        if not messages:
            return None
        self.pipelines = self.pipelines or not data
        if self.pipelines or self.partial:
            self._behind = -1
            self._head = b""
        else:
            # The strict parser ends a head only at CRLF CRLF, and this read began with the head.
            end = data.find(b"\r\n\r\n") + 4
            self._behind = len(data) - end
            self._head = data[:end] if idle else b""
        self.partial = 0
        message, payload = messages[0]
        return message, payload

    def pass_by(self, intake: Intake) -> None:
        """The body is not complete: collect the rest of it past the parser, if its length was announced and the parser has
        seen nothing else."""
        if self._behind == intake.size and intake.collect_rest():
            self._parser = self._make_parser()

    def finish(self, intake: Intake, surplus: bytes = b"") -> None:
        """The request was read to its end; `surplus` came behind a body that was collected past the parser."""
        self.idle = not surplus if intake.direct else intake.size == self._behind
        head, self._head = self._head, b""
        if head and self.idle and self._lessons <= LESSONS:
            # A connection's only request need not be learned from; nor one more head where they never repeat.
            if self._lessons:
                self.familiar = remember(head, intake.admission, intake.headers.items())
            self._lessons += 1

    def give_up(self) -> bytes:
        """The request asks to switch protocols: what stood behind its head. It is no request, and parsed no further."""
        self._parser.message_consumed()
        _, _, rest = self._parser.feed_data(b"")
        return rest

    def next(self) -> None:
        """The request was answered: the parser may go on to the one behind it."""
        self._parser.message_consumed()
