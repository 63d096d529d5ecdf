"""Images, sound and documents as parts: bytes travel inline, addresses as file data with a media type.

The media type of an address is told by its ending, since a service that fetches wants to know before it does. An address
that a host does not fetch is refused with an EnvelopeError and never left out: the question would be another one.
"""

from collections.abc import Mapping
from typing import Any

from proxy.wire.dialogue import Audio, Document, Image
from proxy.wire.gemini.host import Host
from proxy.wire.openai_envelope import EnvelopeError

#: Addresses that every host reads: Cloud Storage, uploaded files and YouTube.
_OWN_PLACES = (
    "gs://",
    "https://generativelanguage.googleapis.com/",
    "https://www.youtube.com/",
    "https://youtube.com/",
    "https://youtu.be/",
)
_VIDEO_PLACES = _OWN_PLACES[2:]
_TYPES: Mapping[str, str] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "html": "text/html",
    "csv": "text/csv",
    "md": "text/markdown",
    "mp4": "video/mp4",
}


def write_image(image: Image, host: Host) -> dict[str, Any]:
    if image.data is not None:
        return _write_inline(image.data, image.media_type or "image/jpeg")
    return _write_address(image.url, image.media_type, "image/jpeg", host)


def write_audio(audio: Audio) -> dict[str, Any]:
    return _write_inline(audio.data, f"audio/{audio.format}")


def write_document(document: Document, host: Host) -> dict[str, Any]:
    """A document that is text becomes a text part, after its title and its context."""
    if document.text is not None:
        return {"text": "\n".join(filter(None, (document.name, document.context, document.text)))}
    if document.data is not None:
        return _write_inline(document.data, document.media_type or "application/pdf")
    return _write_address(document.url, document.media_type, "application/pdf", host)


def _write_inline(data: str, media_type: str) -> dict[str, Any]:
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _write_address(url: str | None, media_type: str, usual: str, host: Host) -> dict[str, Any]:
    """`usual`: the media type where nothing tells it. Raises EnvelopeError for what this host does not fetch."""
    if not url:
        raise EnvelopeError("Files that were uploaded to another vendor cannot be read by this target.")
    if not (host.fetches or url.startswith(_OWN_PLACES)):
        raise EnvelopeError("This target does not fetch files by their address: send their data instead.")
    return {"fileData": {"mimeType": media_type or _guess_type(url) or usual, "fileUri": url}}


def _guess_type(url: str) -> str | None:
    if url.startswith(_VIDEO_PLACES):
        return "video/mp4"
    path = url.partition("?")[0].partition("#")[0]
    return _TYPES.get(path.rpartition(".")[2].lower())
