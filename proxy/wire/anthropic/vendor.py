"""Messages as a vendor's format: Anthropic itself, and everybody who serves its models in it."""

from proxy.wire.anthropic.answer import read_completion
from proxy.wire.anthropic.body import write_body
from proxy.wire.anthropic.decoder import MessagesDecoder
from proxy.wire.anthropic.fates import FATES
from proxy.wire.translation import VendorFormat

MESSAGES_FORMAT = VendorFormat(
    name="anthropic-messages", fates=FATES, write=write_body, decoder=MessagesDecoder, read_answer=read_completion
)
