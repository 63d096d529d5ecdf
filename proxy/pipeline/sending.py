"""What every request to a provider goes through on its way out, and every failure on its way in, whoever made it.

Signatures hold for minutes, so they are made at the moment of sending. And whatever a provider says of a failure is freed
of the credential that was sent to it, before anybody hears of it.
"""

from proxy.core.exchange import UpstreamRequest
from proxy.core.outcome import Outcome
from proxy.core.settings import Credential

#: A shorter text is no secret, and blanking it out would only garble words.
SHORTEST_SECRET = 8
MASK = "[redacted]"


def sign(request: UpstreamRequest, wall: float) -> None:
    """Put in the headers that depend on the time, Unix time `wall`. For requests that have a `sign`."""
    if request.sign is not None:
        request.head = request.head[:-2] + request.sign(wall) + b"\r\n"


def hide(outcome: Outcome, credential: Credential) -> None:
    """Take what was sent of this credential out of the provider's words."""
    if not outcome.message:
        return
    for secret in credential.secrets:
        if len(secret) >= SHORTEST_SECRET and secret in outcome.message:
            outcome.message = outcome.message.replace(secret, MASK)
