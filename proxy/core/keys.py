"""What is kept of a client key, and how a presented one is held against it.

Two forms of digest, lower-case hex: `hmac:` and HMAC-SHA-256 with a pepper that is kept elsewhere (a stolen file then says
nothing, not even to somebody who guesses), or SHA-256 alone, for keys made by hand. Both are good for random keys only,
which have nothing to guess; passwords would need a slow hash.

Refuses to know where keys and pepper come from, and what a key may do.
"""

import hashlib
import hmac

#: In front of a digest that needs the pepper.
KEYED = "hmac:"
#: Characters that a pepper must have: fewer could be guessed from its check.
LEAST_PEPPER = 16


def digest_plain(key: str) -> str:
    """SHA-256."""
    return hashlib.sha256(_encode(key)).hexdigest()


def digest_keyed(key: str, pepper: bytes) -> str:
    """HMAC-SHA-256, marked as such."""
    return KEYED + hmac.digest(pepper, _encode(key), "sha256").hex()


def check_of(pepper: bytes) -> str:
    """What a file of keyed digests says of its pepper, so that another one is noticed before every key is refused."""
    return hmac.digest(pepper, b"undimmed: the pepper of this file", "sha256").hex()[:16]


def _encode(key: str) -> bytes:
    return key.strip().encode("utf-8", "surrogateescape")
