"""Where an answer has it from: citations and grounding as `Citation`.

The developer API lists `citationSources`, Vertex AI `citations`; grounding lists chunks of the web, of a store or of a map.
Both come again and again in a stream, grown by what is new, so a source is given once for each choice.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from proxy.wire.pieces import Citation

_ANY = msgspec.json.Decoder()
_CITATIONS = ("citationSources", "citations")
_PLACES = ("web", "retrievedContext", "maps")


def read_sources(citations: Raw, grounding: Raw, choice: int) -> Iterator[Citation]:
    """The sources in the bytes of `citationMetadata` and `groundingMetadata`. Raises msgspec's errors."""
    cited = _decode(citations)
    for key in _CITATIONS:
        for row in _rows(cited, key):
            yield from _cite(row, choice)
    for row in _rows(_decode(grounding), "groundingChunks"):
        for place in _PLACES:
            yield from _cite(row.get(place), choice)


def _decode(raw: Raw) -> Any:
    return _ANY.decode(raw) if raw else None


def _rows(value: Any, key: str) -> list[dict[str, Any]]:
    rows = value.get(key) if isinstance(value, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _cite(source: Any, choice: int) -> Iterator[Citation]:
    if not isinstance(source, dict):
        return
    url, title = source.get("uri"), source.get("title")
    if isinstance(url, str) and url:
        yield Citation(url, title if isinstance(title, str) else "", source, choice)
