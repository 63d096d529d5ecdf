"""What provider kinds do for clients of another format: the request written anew, the answer read and written back.

A kind calls these where the client's format is not its own. The dialogue is read once per call and kept in it, since a call
may be written for several targets. Refuses to know any vendor.
"""

from collections.abc import Mapping

from proxy.core.call import Call
from proxy.core.facts import ModelFacts
from proxy.core.features import Fate, Feature
from proxy.wire.dialects import CLIENTS
from proxy.wire.dialogue import Dialogue
from proxy.wire.freeform import FreeformDecoder, as_functions, list_freeform, restore
from proxy.wire.openai_envelope import EnvelopeError
from proxy.wire.reading import Answer, StreamReader
from proxy.wire.translation import TranslatedReader, VendorFormat, find_refused, name_losses, translate_answer


def read_dialogue(call: Call) -> Dialogue:
    """The call in the neutral form. Raises EnvelopeError for what no vendor could be asked."""
    known = call.dialogue
    if isinstance(known, Dialogue):
        return known
    dialogue = CLIENTS[call.endpoint].read(call.envelope)
    call.dialogue = dialogue
    return dialogue


def write_request(call: Call, vendor: VendorFormat, model: str, facts: ModelFacts) -> tuple[bytes, tuple[str, ...]]:
    """The body for this vendor, and the names of what it could not carry. Raises EnvelopeError, also for what must not be
    dropped and cannot be carried: never a half of what was asked."""
    dialogue = adapt(read_dialogue(call), vendor.fates)
    written = vendor.write(dialogue, model, facts)
    refuse(dialogue, written.fates)
    return written.body, name_losses(dialogue, written, vendor.fates)


def adapt(dialogue: Dialogue, fates: Mapping[Feature, Fate]) -> Dialogue:
    """The dialogue for a vendor with these fates: with functions in place of custom tools where it has none. Raises
    EnvelopeError as `refuse` does."""
    refuse(dialogue, fates)
    return as_functions(dialogue) if _lacks_custom_tools(dialogue, fates) else dialogue


def _lacks_custom_tools(dialogue: Dialogue, fates: Mapping[Feature, Fate]) -> bool:
    return Feature.CUSTOM_TOOLS in dialogue.features and fates[Feature.CUSTOM_TOOLS] is Fate.APPROXIMATED


def refuse(dialogue: Dialogue, fates: Mapping[Feature, Fate]) -> None:
    """Raises EnvelopeError where these fates refuse a feature that the request uses."""
    refused = find_refused(dialogue, fates)
    if refused is not None:
        place = dialogue.places.get(refused)
        what = f"{refused.value} ({place})" if place else refused.value
        raise EnvelopeError(f"The provider's wire format cannot carry {what}.", place, "unsupported")


def open_reader(call: Call, vendor: VendorFormat) -> StreamReader:
    """A reader of the vendor's stream that writes the client's."""
    dialogue = read_dialogue(call)
    sampling, decoder = dialogue.sampling, vendor.decoder()
    if _lacks_custom_tools(dialogue, vendor.fates):
        decoder = FreeformDecoder(decoder, list_freeform(dialogue))
    return TranslatedReader(decoder, CLIENTS[call.endpoint].encoder(call), bool(sampling.stop), sampling.choices)


def read_answer(call: Call, vendor: VendorFormat, body: bytes) -> Answer:
    """A whole answer of the vendor, judged and in the client's format. A probe is nobody's request: it has no fields to
    read, and only the judgement counts."""
    completion = vendor.read_answer(body)
    if call.envelope.fields:
        dialogue = read_dialogue(call)
        if _lacks_custom_tools(dialogue, vendor.fates):
            restore(completion, list_freeform(dialogue))
    return translate_answer(call, CLIENTS[call.endpoint], completion)
