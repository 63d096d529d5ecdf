"""What becomes of each feature of a request in the Messages format. A request can turn out better or worse than its line
here (a native schema, a temperature that the model refuses): then the writer says so."""

from collections.abc import Mapping
from types import MappingProxyType

from proxy.core.features import Fate, Feature

FATES: Mapping[Feature, Fate] = MappingProxyType(
    {
        Feature.TOOLS: Fate.CARRIED,
        Feature.PARALLEL_TOOLS: Fate.CARRIED,
        Feature.CUSTOM_TOOLS: Fate.APPROXIMATED,  # functions of one text
        Feature.HOSTED_TOOLS: Fate.REFUSED,
        Feature.SPARE_TOOLS: Fate.DROPPED,
        Feature.TOOL_CHOICE: Fate.CARRIED,
        Feature.ALLOWED_TOOLS: Fate.APPROXIMATED,  # the others are not shown at all
        Feature.PARALLEL_OFF: Fate.CARRIED,
        Feature.STRICT_TOOLS: Fate.CARRIED,
        Feature.TOOL_RESULT_MEDIA: Fate.CARRIED,
        Feature.TOOL_RESULT_ERROR: Fate.CARRIED,
        Feature.IMAGES: Fate.CARRIED,
        Feature.IMAGE_URLS: Fate.CARRIED,
        Feature.IMAGE_DETAIL: Fate.DROPPED,
        Feature.AUDIO_INPUT: Fate.REFUSED,
        Feature.AUDIO_OUTPUT: Fate.REFUSED,
        Feature.DOCUMENTS: Fate.CARRIED,
        Feature.FILE_IDS: Fate.REFUSED,
        Feature.JSON_OBJECT: Fate.APPROXIMATED,  # an instruction
        Feature.JSON_SCHEMA: Fate.CARRIED,
        Feature.REASONING: Fate.CARRIED,
        Feature.REASONING_BUDGET: Fate.CARRIED,
        Feature.REASONING_SUMMARY: Fate.APPROXIMATED,
        Feature.THINKING_HISTORY: Fate.CARRIED,
        Feature.SIGNATURES: Fate.CARRIED,
        Feature.PREFILL: Fate.CARRIED,
        Feature.LATER_SYSTEM: Fate.APPROXIMATED,  # said by the user, in a tag
        Feature.CHOICES: Fate.REFUSED,
        Feature.LOGPROBS: Fate.REFUSED,
        Feature.LOGIT_BIAS: Fate.DROPPED,
        Feature.TEMPERATURE: Fate.CARRIED,
        Feature.TOP_P: Fate.CARRIED,
        Feature.TOP_K: Fate.CARRIED,
        Feature.PENALTIES: Fate.DROPPED,
        Feature.SEED: Fate.DROPPED,
        Feature.STOP: Fate.CARRIED,
        Feature.MAX_TOKENS: Fate.CARRIED,
        Feature.PREDICTION: Fate.DROPPED,
        Feature.VERBOSITY: Fate.DROPPED,
        Feature.NAMES: Fate.DROPPED,
        Feature.CACHE_CONTROL: Fate.CARRIED,
        Feature.CITATIONS: Fate.CARRIED,
        Feature.SERVICE_TIER: Fate.APPROXIMATED,
        Feature.USER: Fate.APPROXIMATED,  # hashed
        Feature.METADATA: Fate.DROPPED,
        Feature.STORE: Fate.DROPPED,
        Feature.STATE: Fate.REFUSED,
        Feature.SAFETY: Fate.DROPPED,
        Feature.SUFFIX: Fate.REFUSED,
        Feature.ECHO: Fate.REFUSED,
        Feature.REFUSALS: Fate.APPROXIMATED,  # text like any other
    }
)
