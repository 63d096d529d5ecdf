"""A Responses request for a vendor that has this API: the client's bytes, but for what only this proxy could have written.

The model's name is the target's; a history that was partly written by other vendors loses our marks
(`wire/responses/history.py`). Vendors that keep no responses refuse to be asked to (`store: true`, OpenRouter), which makes
no difference to the answer, so they are not asked.
"""

import msgspec

from proxy.core.call import Envelope
from proxy.core.features import Feature
from proxy.wire.openai_envelope import splice
from proxy.wire.responses.history import clean_history

_ENCODE = msgspec.json.Encoder().encode


def write_responses(envelope: Envelope, model: str, keeps: bool) -> tuple[bytes, tuple[str, ...]]:
    """The body, and the names of what it could not carry. `keeps`: the vendor stores what it answers."""
    changes: dict[str, bytes | None] = {}
    if model != envelope.model:
        changes["model"] = _ENCODE(model)
    history, dropped = clean_history(envelope)
    if history is not None:
        changes["input"] = history
    store = envelope.fields.get("store")
    if not keeps and isinstance(store, msgspec.Raw):
        changes["store"] = None
        if bytes(store) == b"true":
            dropped = (*dropped, Feature.STORE.value)
    return splice(envelope, changes), dropped
