"""The countable things a prompt is made of: text, media that was measured, and tokens that are certain."""

import re
from dataclasses import dataclass, field

from proxy.tokens.media import DATA_URL, audio_seconds, image_size, pdf_pages


@dataclass(frozen=True, slots=True)
class Image:
    """`size` in pixels, None: unknown (remote, or an unreadable file)."""

    size: tuple[int, int] | None
    detail: str


@dataclass(slots=True)
class PromptParts:
    """`tokens` are certain without counting (framing, prompts sent as token ids). `messages` and `tools` are numbers
    of those; the family says what each costs. `lower_bound`: there is more than can be seen from here."""

    texts: list[str] = field(default_factory=list)
    tokens: int = 0
    messages: int = 0
    tools: int = 0
    images: list[Image] = field(default_factory=list)
    audio_seconds: float = 0.0
    pages: int = 0
    lower_bound: bool = False

    def add_text(self, text: object) -> None:
        """Take in text; inline media inside it is measured and left out."""
        if not isinstance(text, str) or not text:
            return
        if ";base64," in text:
            text = DATA_URL.sub(self._take_media, text)
            self.lower_bound = True
        self.texts.append(text)

    def _take_media(self, match: re.Match[str]) -> str:
        self.add_media(match[1], match[2])
        return ""

    def add_media(self, mime: str, encoded: str, detail: str = "auto") -> None:
        """Take in base64 media."""
        kind, _, form = mime.partition("/")
        if kind == "image":
            self.images.append(Image(image_size(encoded), detail))
        elif kind == "audio":
            self.audio_seconds += audio_seconds(encoded, form)
        elif form == "pdf":
            self.pages += pdf_pages(encoded)
            self.lower_bound = True
        else:
            self.lower_bound = True

    def add_url(self, url: object, detail: str) -> None:
        """Take in an image by URL: inline it is measured, remote it is only known to be there."""
        match = DATA_URL.match(url) if isinstance(url, str) else None
        if match is not None:
            self.add_media(match[1], match[2], detail)
        else:
            self.images.append(Image(None, detail))
            self.lower_bound = True
