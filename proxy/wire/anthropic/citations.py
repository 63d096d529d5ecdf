"""Sources of what was written, in the Messages format.

Anthropic's own citation objects go through as they are. Another vendor's source is a web search result, the only kind that
is made of an address and a title; its `encrypted_index`, which Anthropic would want back, says that it is not theirs.
"""

from collections.abc import Mapping
from typing import Any

from proxy.wire.pieces import Citation
from proxy.wire.seals import MARK

#: Stands where Anthropic's own index would; see `history.py`.
FOREIGN_INDEX = MARK + "citation"

_OWN = frozenset(
    (
        "char_location",
        "page_location",
        "content_block_location",
        "web_search_result_location",
        "search_result_location",
    )
)


def write_citation(citation: Citation) -> Mapping[str, Any] | None:
    """None: nothing that this format can say."""
    raw = citation.raw
    if isinstance(raw, dict) and raw.get("type") in _OWN:
        return raw
    if not citation.url:
        return None
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title or None,
        "cited_text": "",
        "encrypted_index": FOREIGN_INDEX,
    }


def read_citation(raw: object) -> Citation | None:
    """A citation of Anthropic's. `url` and `title` are filled in where it has any."""
    if not isinstance(raw, dict):
        return None
    url, title = raw.get("url") or raw.get("source"), raw.get("title") or raw.get("document_title")
    return Citation(url if isinstance(url, str) else "", title if isinstance(title, str) else "", raw)
