"""Seals on reasoning, as clients of the Messages format carry them.

Anthropic's own signatures and redacted data go through as they are. Everybody else's stand in envelopes (`wire/seals.py`),
and so does the absence of any: a thinking block must have a signature, and one that nobody gave must never reach Anthropic
as if it were theirs.
"""

from proxy.wire.dialogue import ANTHROPIC, Thinking
from proxy.wire.seals import Seal, unwrap, wrap


def write_signature(vendor: str, signature: str | None) -> str:
    """The `signature` of a thinking block."""
    if signature and vendor == ANTHROPIC:
        return signature
    return wrap(Seal(vendor if signature else "", "signature", signature or ""))


def write_redacted(vendor: str, data: str) -> str:
    """The `data` of a redacted thinking block."""
    return data if vendor == ANTHROPIC else wrap(Seal(vendor, "redacted", data))


def read_thinking(text: str, signature: str) -> Thinking:
    """A thinking block that came back."""
    seal = unwrap(signature)
    if seal is not None:
        return Thinking(text, seal.payload or None, vendor=seal.vendor)
    return Thinking(text, signature or None, vendor=ANTHROPIC if signature else "")


def read_redacted(data: str) -> Thinking:
    """A redacted thinking block that came back."""
    seal = unwrap(data)
    return Thinking(redacted=data, vendor=ANTHROPIC) if seal is None else Thinking(redacted=seal.payload, vendor=seal.vendor)
