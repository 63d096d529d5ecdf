"""Server-sent events: any split of the bytes into reads gives the same events.

Theory of operation. A stream is a sequence of blocks, each ended by a blank line; lines end with LF, CRLF or CR. The
splitter keeps what is not yet a whole block and hands out the rest, each block with its own bytes, so that a relay can
pass on what it was given. Two invariants: the bytes of all blocks put together are the stream's (line ends other than LF
become LF, a byte order mark goes), and nothing is kept beyond one unfinished block of bounded size.

Most reads of a live stream are exactly one or several whole LF-separated events. `are_whole_blocks` recognises those without
looking at lines; a caller uses it while the splitter is not `pending`, and the splitter for everything else.

Refuses to know what the data means. Source: the WHATWG HTML standard, section 9.2.
"""

BOM = b"\xef\xbb\xbf"
MAX_BLOCK = 8 * 1024 * 1024

_LF = 0x0A
_CR = 0x0D


class Block:
    """One block. `raw` is its bytes with the blank line, in LF form. `data`: its data lines joined with LF, None: it has
    none. `event`: the last event name. `stray`: the first line that is no field of an event stream (`{"error":…}`, HTML)."""

    __slots__ = ("data", "event", "raw", "stray")

    def __init__(self, raw: bytes) -> None:
        if raw.startswith(BOM):
            raw = raw[3:]
        self.raw = raw
        self.data: bytes | None = None
        self.event = b""
        self.stray = b""
        lines: list[bytes] = []
        for line in raw.split(b"\n"):
            name, _, value = line.partition(b":")
            if name == b"data":
                lines.append(value[1:] if value.startswith(b" ") else value)
            elif name == b"event":
                self.event = value.strip()
            elif name and name not in _QUIET_FIELDS and not self.stray:
                self.stray = line
        if lines:
            self.data = b"\n".join(lines)


_QUIET_FIELDS = frozenset((b"id", b"retry"))


def are_whole_blocks(data: bytes) -> bool:
    """Whether `data` is nothing but whole blocks of one line each, LF only."""
    if not data.endswith(b"\n\n") or b"\r" in data:
        return False
    return data.count(b"\n\n") * 2 == data.count(b"\n")


class EventSplitter:
    """Cuts a stream into blocks. `pending`: an unfinished block is kept, so the next bytes must come through `feed`.
    `overflow`: a block went over the limit in bytes; the stream cannot be read any further."""

    __slots__ = ("_after_cr", "_buffer", "_limit", "_scanned", "overflow", "pending")

    def __init__(self, limit: int = MAX_BLOCK) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._after_cr = False
        self._limit = limit
        self.pending = False
        self.overflow = False

    def feed(self, data: bytes) -> list[Block]:
        """The blocks that these bytes complete, up to one that is too long."""
        buffer = self._buffer
        buffer += self._in_lf(data)
        blocks: list[Block] = []
        start, at = 0, self._scanned
        while (end := self._find_end(start, at)) >= 0:
            if end - start > self._limit:
                break
            blocks.append(Block(bytes(buffer[start:end])))
            start = at = end
        if start:
            del buffer[:start]
        self.overflow = len(buffer) > self._limit
        self._scanned = len(buffer)
        self.pending = bool(buffer) or self._after_cr
        return blocks

    def rest(self) -> bytes:
        """What is left of an unfinished block."""
        return bytes(self._buffer)

    def _in_lf(self, data: bytes) -> bytes:
        # A CR is a line end at once; an LF that follows it, perhaps in the next read, belongs to it.
        if self._after_cr and data:
            self._after_cr = False
            if data[0] == _LF:
                data = data[1:]
        if b"\r" in data:
            self._after_cr = data[-1] == _CR
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _find_end(self, start: int, at: int) -> int:
        """Where the block that starts at `start` ends, its blank line included; -1: not yet. `at`: bytes before it are known
        to hold no end, but the last of them may be the line end before a blank line."""
        buffer = self._buffer
        if start < len(buffer) and buffer[start] == _LF:
            return start + 1
        end = buffer.find(b"\n\n", max(start, at - 1))
        return -1 if end < 0 else end + 2
