"""The two lines of the table: generateContent at the developer API, and at Vertex AI."""

from functools import partial
from types import MappingProxyType

from proxy.core.features import Fate, Feature
from proxy.wire.gemini.answer import read_completion
from proxy.wire.gemini.host import DEVELOPER, VERTEX
from proxy.wire.gemini.request import FATES, write_request
from proxy.wire.gemini.stream import GeminiDecoder
from proxy.wire.translation import VendorFormat

GEMINI_FORMAT = VendorFormat(
    name="gemini",
    fates=MappingProxyType({**FATES, Feature.IMAGE_URLS: Fate.REFUSED}),
    write=partial(write_request, host=DEVELOPER),
    decoder=GeminiDecoder,
    read_answer=read_completion,
)

VERTEX_FORMAT = VendorFormat(
    name="vertex",
    fates=FATES,
    write=partial(write_request, host=VERTEX),
    decoder=GeminiDecoder,
    read_answer=read_completion,
)
