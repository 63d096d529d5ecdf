"""The countable things a prompt is made of: text, media that was measured, tools, and tokens that are certain.

They say nothing about a model: the same parts are counted for every target that a request could go to.
"""

from dataclasses import dataclass, field

from proxy.tokens.inline import find_media, run_end
from proxy.tokens.media import audio_seconds, decode, image_size, missing_of, pdf_pages
from proxy.tokens.unpacking import Unread

#: Of a text file that is sent as base64.
MAX_FILE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Image:
    """`size` in pixels, None: unknown (remote, or an unreadable file)."""

    size: tuple[int, int] | None
    detail: str


@dataclass(slots=True)
class Tools:
    """The functions that a request offers, as `{name, description, parameters}`. `system`: a system message will carry them.
    `choice`: `none`, `forced` (some tool has to be used) or "" (the model may choose); `named`: the one that has to be."""

    functions: list[dict[str, object]]
    system: bool = False
    choice: str = ""
    named: str = ""


@dataclass(slots=True)
class PromptParts:
    """`tokens` are certain without counting (framing, prompts sent as token ids). `messages` and `names` (of participants)
    are numbers of those; the family says what each costs. `unread`: bytes of JSON that were too deep or too large to
    open. `lower_bound`: there is more than can be seen from here."""

    texts: list[str] = field(default_factory=list)
    tokens: int = 0
    messages: int = 0
    names: int = 0
    tools: Tools | None = None
    images: list[Image] = field(default_factory=list)
    audio_seconds: float = 0.0
    pages: int = 0
    unread: int = 0
    lower_bound: bool = False

    def add_text(self, text: object) -> None:
        """Take in text; inline media inside it is measured and left out."""
        if isinstance(text, Unread):
            self.unread += text.size
            self.lower_bound = True
        if not isinstance(text, str) or not text:
            return
        found = find_media(text)
        if found:
            self.lower_bound = True
            rest, at = [], 0
            for media in found:
                self.add_media(media.mime, text[media.data : media.end])
                rest.append(text[at : media.start])
                at = media.end
            text = "".join([*rest, text[at:]])
        elif text[-1] == "~":
            # Clipped for base64, but it is no file: letters, then, which are guessed.
            missing, mark = missing_of(text)
            self.unread += missing
            text = text[: len(text) - mark]
        if text:
            self.texts.append(text)

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
        elif kind == "text" or form == "json":
            self.texts.append(decode(encoded, MAX_FILE).decode("utf-8", "replace"))
        else:
            self.lower_bound = True

    def add_url(self, url: object, detail: str) -> None:
        """Take in an image by URL: inline it is measured, remote it is only known to be there."""
        head, _, data = url.partition(";base64,") if isinstance(url, str) and url.startswith("data:") else ("", "", "")
        if data and run_end(data, 0) == len(data):
            self.add_media(head.removeprefix("data:").partition(";")[0], data, detail)
        else:
            self.images.append(Image(None, detail))
            self.lower_bound = True
