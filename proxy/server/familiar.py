"""A head that came before means what it meant before.

Clients keep their connections, and send the same head on them again and again, but for the length of the body. Parsing and
vetting are functions of the head's bytes alone, so a head that differs from an admitted one in nothing but the digits of its
Content-Length is admitted without being parsed: its framing, its fields and its verdict are known. Whatever differs
in any other byte goes through the parser.

Invariants: only heads of admitted POST requests in HTTP/1.1 with a Content-Length and without an expectation are remembered,
whole, as the bytes that were parsed; what may change between two requests (who a key belongs to, the limit on bodies) is not
remembered but asked again. Refuses to know what stands in a head.
"""

import re
from collections.abc import Iterable

from proxy.server.admission import Admission

#: Longer ones are not kept: one is held for each connection.
MAX_REMEMBERED = 4096
#: As many digits as `guard` lets through.
_MAX_DIGITS = 15
_POST = re.compile(rb"POST [^ \r\n]+ HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})(?=\r\n)", re.IGNORECASE)


class FamiliarHead:
    """One remembered head. `headers`: lower-case names, without the length."""

    __slots__ = ("_after", "_before", "admission", "headers")

    def __init__(self, before: bytes, after: bytes, admission: Admission, headers: dict[str, str]) -> None:
        self._before = before
        self._after = after
        self.admission = admission
        self.headers = headers

    def __repr__(self) -> str:
        return f"<FamiliarHead of {len(self._before) + len(self._after)} bytes>"

    def recall(self, data: bytes) -> tuple[int, int] | None:
        """Where the body begins in `data`, which begins with a head, and how long it will be; None: another head, or
        not all of it."""
        before = self._before
        if not data.startswith(before):
            return None
        start = len(before)
        end = data.find(b"\r", start, start + _MAX_DIGITS + 1)
        if end < 0 or not data.startswith(self._after, end):
            return None
        digits = data[start:end]
        return (end + len(self._after), int(digits)) if digits.isdigit() else None


def remember(head: bytes, admission: Admission, headers: Iterable[tuple[str, str]]) -> FamiliarHead | None:
    """None where the head is too long, has no length, is HTTP/1.0's, or asks for more than an answer."""
    lengths = _LENGTH.findall(head)
    if len(head) > MAX_REMEMBERED or len(lengths) != 1 or _POST.match(head) is None:
        return None
    known: dict[str, str] = {}
    for name, value in headers:
        known.setdefault(name.lower(), value)
    if "expect" in known:
        return None
    del known["content-length"]
    match = _LENGTH.search(head)
    assert match is not None
    return FamiliarHead(head[: match.start(1)], head[match.end(1) :], admission, known)
