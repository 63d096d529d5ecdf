"""OpenAI's chat format as a vendor's: requests written, answers read, and what is lost between."""

from functools import partial

from proxy.wire.chat.completing import read_completion
from proxy.wire.chat.decoding import ChatDecoder
from proxy.wire.chat.fates import list_fates
from proxy.wire.chat.quirks import USUAL, Quirks
from proxy.wire.chat.writing import write_chat
from proxy.wire.translation import VendorFormat


def make_chat_format(quirks: Quirks) -> VendorFormat:
    """The format as one server takes it. Made once for each configured provider."""
    return VendorFormat(
        name="openai-chat",
        fates=list_fates(quirks),
        write=partial(write_chat, quirks=quirks),
        decoder=partial(ChatDecoder, quirks),
        read_answer=partial(read_completion, quirks=quirks),
    )


CHAT_FORMAT = make_chat_format(USUAL)
