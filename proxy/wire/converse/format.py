"""Converse among the vendors' formats.

Anthropic's signatures are the same on every platform (its documentation of extended thinking), so what Claude signs here can
be continued at Anthropic and at Vertex AI, and the other way round. Data that is hidden altogether stays with Bedrock, whose
encoding of it is its own.
"""

from functools import partial

from proxy.wire.converse.answer import read_answer
from proxy.wire.converse.fates import FATES
from proxy.wire.converse.request import write_request
from proxy.wire.converse.stream import ConverseDecoder
from proxy.wire.dialogue import ANTHROPIC
from proxy.wire.translation import VendorFormat

CONVERSE_FORMAT = VendorFormat("bedrock-converse", FATES, write_request, ConverseDecoder, read_answer)
CLAUDE_FORMAT = VendorFormat(
    "bedrock-converse",
    FATES,
    write_request,
    partial(ConverseDecoder, ANTHROPIC),
    partial(read_answer, sealer=ANTHROPIC),
)
