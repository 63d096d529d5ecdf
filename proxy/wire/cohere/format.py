"""Cohere's chat among the vendors' formats."""

from proxy.wire.cohere.answer import read_answer
from proxy.wire.cohere.fates import FATES
from proxy.wire.cohere.request import write_request
from proxy.wire.cohere.stream import CohereDecoder
from proxy.wire.translation import VendorFormat

COHERE_FORMAT = VendorFormat("cohere", FATES, write_request, CohereDecoder, read_answer)
