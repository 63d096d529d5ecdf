"""Parts of a turn as Converse's content blocks: an object with one key, which is the block's type.

Media go as base64 (`bytes`); what is only an address cannot be said here. A document needs a name of few kinds of characters
that no other document of the request has, and the models read it, so it keeps the client's as far as it can.
Source: the service model of botocore.
"""

import base64
import re
from typing import Any

from proxy.core.features import Feature
from proxy.wire.converse.aim import Aim, Family
from proxy.wire.dialogue import Audio, CacheMark, Document, Image
from proxy.wire.openai_envelope import EnvelopeError

Block = dict[str, Any]

_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/markdown": "md",
}
_VIDEOS = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_SOUNDS = frozenset(
    ("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm", "webm")
)
_ODD_IN_NAMES = re.compile(r"[^A-Za-z0-9\s()\[\]-]+")
_BLANKS = re.compile(r"\s+")
_LONGEST_NAME = 180  # of 200, so that a number fits


def make_cache_point(cache: CacheMark | None, aim: Aim) -> list[Block]:
    """What follows a block that is marked, if anything."""
    if cache is None:
        return []
    if not aim.caches:
        aim.drop(Feature.CACHE_CONTROL)
        return []
    point = {"type": "default"}
    if cache.ttl in ("5m", "1h") and aim.family is Family.CLAUDE:
        point["ttl"] = cache.ttl
    return [{"cachePoint": point}]


def write_image(image: Image) -> Block:
    if image.data is None:
        raise EnvelopeError("This model takes images only as data, not by an address or an id.", "messages", "invalid_value")
    kind = _IMAGES.get(image.media_type.partition(";")[0].strip().lower())
    if kind is None:
        raise EnvelopeError(
            f"This model does not take images of the type '{image.media_type[:100]}'.", "messages", "invalid_value"
        )
    return {"image": {"format": kind, "source": {"bytes": image.data}}}


def write_audio(audio: Audio) -> Block:
    if audio.format not in _SOUNDS:
        raise EnvelopeError(f"This model does not take audio as '{audio.format[:100]}'.", "messages", "invalid_value")
    return {"audio": {"format": audio.format, "source": {"bytes": audio.data}}}


def write_document(document: Document, names: set[str]) -> Block:
    """`names`: those of the documents so far; this one's is added."""
    kind = document.media_type.partition(";")[0].strip().lower()
    if document.text is not None:
        # As bytes for every model; text that is to be cited has to be text.
        data = base64.b64encode(document.text.encode("utf-8", "replace")).decode()
        source: Block = {"text": document.text} if document.citations else {"bytes": data}
        form = _DOCUMENTS.get(kind, "txt")
    elif document.data is not None:
        source = {"bytes": document.data}
        if kind in _VIDEOS:
            return {"video": {"format": _VIDEOS[kind], "source": source}}
        form = _DOCUMENTS.get(kind) or ("txt" if kind.startswith("text/") else "")
    else:
        raise EnvelopeError("This model takes files only as data, not by an address or an id.", "messages", "invalid_value")
    if not form:
        raise EnvelopeError(f"This model does not take files of the type '{kind[:100]}'.", "messages", "invalid_value")
    block: Block = {"format": form, "name": _name(document.name, names), "source": source}
    if document.context:
        block["context"] = document.context
    if document.citations:
        block["citations"] = {"enabled": True}
    return {"document": block}


def _name(given: str | None, names: set[str]) -> str:
    plain = _BLANKS.sub(" ", _ODD_IN_NAMES.sub(" ", given or "")).strip()[:_LONGEST_NAME].strip() or "document"
    name, number = plain, 1
    while name in names:
        number += 1
        name = f"{plain} {number}"
    names.add(name)
    return name
