"""Converse among the vendors' formats."""

from proxy.wire.converse.answer import read_answer
from proxy.wire.converse.fates import FATES
from proxy.wire.converse.request import write_request
from proxy.wire.converse.stream import ConverseDecoder
from proxy.wire.translation import VendorFormat

CONVERSE_FORMAT = VendorFormat("bedrock-converse", FATES, write_request, ConverseDecoder, read_answer)
