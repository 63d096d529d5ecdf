"""Seals of one vendor, carried by clients of another's format and told apart when they come back.

Theory of operation. Vendors seal what their models thought (Anthropic's `signature`, Google's `thoughtSignature`, OpenAI's
`encrypted_content`) and want the seal back, unchanged, with the history. A client keeps it for us if it stands where its own
format has something opaque:

- in place of a signature, of redacted data or of encrypted content stands an *envelope* that names who can open it,
  `undimmed.<vendor>.<kind>.<payload>`;
- a seal on a tool call rides on the call's id, `<id>::sig:<base64url>`, since clients hand ids back byte for byte.

Invariants: `unwrap(wrap(seal)) == seal` and `split_id(seal_id(id, s)) == (id, s)`; what is not ours is given back as it
came.
Refuses to know formats: where an envelope is put, and whether a vendor wants its seal, is theirs.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Literal

Kind = Literal["signature", "redacted"]

#: What every envelope begins with; nobody's own seal does, since base64 has no full stop.
MARK = "undimmed."
#: Between a tool call's own id and the seal on it.
ID_MARK = "::sig:"

_KINDS: dict[str, Kind] = {"signature": "signature", "redacted": "redacted"}


@dataclass(frozen=True, slots=True)
class Seal:
    """`vendor`: one of the names in `dialogue.py`, "" for reasoning that nobody has sealed (then `payload` is empty).
    `kind`: a signature that goes with a text, or redacted data instead of one."""

    vendor: str
    kind: Kind
    payload: str


def wrap(seal: Seal) -> str:
    """The envelope. The vendor's name must hold no full stop."""
    return f"{MARK}{seal.vendor}.{seal.kind}.{seal.payload}"


def unwrap(text: str) -> Seal | None:
    """What is in an envelope; None: this is none, so it is the own seal of whoever's format it stands in."""
    if not text.startswith(MARK):
        return None
    vendor, _, rest = text[len(MARK) :].partition(".")
    kind, dot, payload = rest.partition(".")
    known = _KINDS.get(kind)
    return Seal(vendor, known, payload) if known is not None and dot else None


def seal_id(call_id: str, signature: str | None) -> str:
    """A tool call's id with the seal on the call; the id itself where there is none."""
    if not signature:
        return call_id
    packed = urlsafe_b64encode(signature.encode("utf-8", "surrogatepass")).rstrip(b"=").decode()
    return f"{call_id}{ID_MARK}{packed}"


def split_id(sealed: str) -> tuple[str, str | None]:
    """The id and its seal. An id whose end is no seal of ours stays whole."""
    call_id, mark, packed = sealed.rpartition(ID_MARK)
    if not mark or not packed:
        return sealed, None
    try:
        signature = urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode("utf-8", "surrogatepass")
    except ValueError:
        return sealed, None
    # The decoder skips what is not base64; only what we would write ourselves is ours.
    return (call_id, signature) if seal_id(call_id, signature) == sealed else (sealed, None)
