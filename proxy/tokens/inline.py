"""Finding media inside text: data URLs, and base64 that begins as a known kind of file does.

Tools hand screenshots back inside JSON inside strings, and clients put files into fields that nobody has heard of. Wherever
it stands, base64 of a file is no text: a megabyte of it would count as half a million tokens. What is found is given as
places, so that the text around it can be counted. Everything is looked for by plain searches, 64 KB at a time: a pattern
over the whole text would hold the interpreter for as long as it is long.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

#: Base64 of less is left alone where only its first characters speak for a file.
LEAST = 256
LEAST_URL = 64
STEP = 64 * 1024
#: How much may stand between `data:` and the data.
HEAD = 200

_DATA = ";base64,"
_URL = re.compile(r"data:([\w.+-]{1,64}/[\w.+-]{1,64})(?:;[\w.=-]{1,64}){0,4};base64,\Z")
_RUN = re.compile(r"[A-Za-z0-9+/_=~-]*")
#: MIME breaks its lines after 76 characters, PEM after 64.
_LINES = range(60, 77)
#: What files begin with, in base64.
_STARTS = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGODlh", "image/gif"),
    ("R0lGODdh", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi0", "application/pdf"),
    ("SUQz", "audio/mp3"),
    ("T2dnUw", "audio/ogg"),
    ("Z0eXB", "video/mp4"),
)
#: A video begins with the length of its head; a sound in a RIFF file says so after its length.
_VIDEO = "AAAA"
_SOUND = "XQVZF"


class Found(Struct, frozen=True, gc=False):
    """`text[start:end]` is media; its base64 begins at `data`."""

    start: int
    data: int
    end: int
    mime: str


def run_end(text: str, at: int) -> int:
    """Where the base64 that begins at `at` ends, line breaks inside it included."""
    line = at
    while True:
        end = at
        while True:
            found = _RUN.match(text, end, end + STEP)
            assert found is not None  # it matches nothing, too
            if found.end() == end:
                break
            end = found.end()
        broken = 2 if text.startswith("\r\n", end) else 1 if text.startswith("\n", end) else 0
        if not broken or end - line not in _LINES:
            return end
        at = line = end + broken


def _find_urls(text: str) -> Iterator[Found]:
    at = text.find(_DATA)
    while at >= 0:
        data = at + len(_DATA)
        head = max(text.rfind("data:", max(0, at - HEAD), at), 0)
        match = _URL.match(text[head:data])
        end = run_end(text, data)
        if match is not None and end - data >= LEAST_URL:
            yield Found(head, data, end, match[1])
        at = text.find(_DATA, max(end, data))


def _find_files(text: str) -> Iterator[Found]:
    for word, mime in _STARTS:
        video = mime == "video/mp4"
        at = text.find(word)
        while at >= 0:
            begin = at - len(_VIDEO) - 2 if video else at
            fits = text.startswith(_VIDEO, begin) if video else not (begin and _RUN.fullmatch(text[begin - 1]))
            end = run_end(text, at)
            if fits and begin >= 0 and end - begin >= LEAST:
                sound = mime == "image/webp" and text.startswith(_SOUND, begin + 11)
                yield Found(begin, begin, end, "audio/wav" if sound else mime)
            at = text.find(word, end)


def find_media(text: str) -> list[Found]:
    """Everything of the kind, in order, without overlaps."""
    if len(text) < LEAST_URL:
        return []
    found = list(_find_urls(text)) if _DATA in text else []
    if len(text) >= LEAST:
        found += _find_files(text)
    if not found:
        return []
    kept: list[Found] = []
    for one in sorted(found, key=lambda each: (each.start, -each.end)):
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
    return kept
