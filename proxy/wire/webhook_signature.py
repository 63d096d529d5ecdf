"""Signatures of outgoing webhooks, by Standard Webhooks (github.com/standard-webhooks/standard-webhooks, version 1).

What is signed is `id.timestamp.body` with HMAC-SHA-256; the header holds `v1,` and the base64 of it. Receivers verify it
with any library of the standard, or in ten lines of their own. A secret is written as `whsec_` and base64; any other text
is taken as the bytes it is.
"""

import base64
import binascii
import hmac

PREFIX = "whsec_"
#: Bytes that the standard wants a key to have at least.
SHORTEST = 24


def read_secret(text: str) -> bytes:
    """The key of a secret as it is written. ValueError says what is wrong with it, without repeating it."""
    if not text.startswith(PREFIX):
        key = text.encode()
    else:
        try:
            key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"what follows {PREFIX} is not base64") from error
    if len(key) < SHORTEST:
        raise ValueError(f"is shorter than {SHORTEST} bytes; make one with: echo whsec_$(openssl rand -base64 32)")
    return key


def sign(key: bytes, message: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`. `timestamp` in Unix seconds, as in `webhook-timestamp`."""
    content = f"{message}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
