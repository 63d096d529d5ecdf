"""What becomes of each feature on its way into Cohere's chat, version 2. Source: Cohere's SDK and API reference."""

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
        Feature.TOOL_CHOICE: Fate.CARRIED,  # one by name: the only tool that is shown
        Feature.ALLOWED_TOOLS: Fate.CARRIED,
        Feature.PARALLEL_OFF: Fate.DROPPED,
        Feature.STRICT_TOOLS: Fate.CARRIED,
        Feature.TOOL_RESULT_MEDIA: Fate.APPROXIMATED,  # said by the user, after the results
        Feature.TOOL_RESULT_ERROR: Fate.APPROXIMATED,  # in words
        Feature.IMAGES: Fate.CARRIED,
        Feature.IMAGE_URLS: Fate.CARRIED,
        Feature.IMAGE_DETAIL: Fate.CARRIED,
        Feature.AUDIO_INPUT: Fate.REFUSED,
        Feature.AUDIO_OUTPUT: Fate.REFUSED,
        Feature.DOCUMENTS: Fate.REFUSED,  # its documents are snippets of text to search in
        Feature.FILE_IDS: Fate.REFUSED,
        Feature.JSON_OBJECT: Fate.CARRIED,
        Feature.JSON_SCHEMA: Fate.CARRIED,
        Feature.REASONING: Fate.CARRIED,
        Feature.REASONING_BUDGET: Fate.CARRIED,
        Feature.REASONING_SUMMARY: Fate.DROPPED,
        Feature.THINKING_HISTORY: Fate.CARRIED,  # to models that reason
        Feature.SIGNATURES: Fate.DROPPED,
        Feature.PREFILL: Fate.REFUSED,
        Feature.LATER_SYSTEM: Fate.CARRIED,
        Feature.CHOICES: Fate.REFUSED,
        Feature.LOGPROBS: Fate.REFUSED,
        Feature.LOGIT_BIAS: Fate.DROPPED,
        Feature.TEMPERATURE: Fate.CARRIED,
        Feature.TOP_P: Fate.CARRIED,
        Feature.TOP_K: Fate.CARRIED,
        Feature.PENALTIES: Fate.CARRIED,
        Feature.SEED: Fate.CARRIED,
        Feature.STOP: Fate.CARRIED,
        Feature.MAX_TOKENS: Fate.CARRIED,
        Feature.PREDICTION: Fate.DROPPED,
        Feature.VERBOSITY: Fate.DROPPED,
        Feature.NAMES: Fate.DROPPED,
        Feature.CACHE_CONTROL: Fate.DROPPED,
        Feature.CITATIONS: Fate.DROPPED,
        Feature.SERVICE_TIER: Fate.DROPPED,
        Feature.USER: Fate.DROPPED,
        Feature.METADATA: Fate.DROPPED,
        Feature.STORE: Fate.DROPPED,
        Feature.STATE: Fate.REFUSED,
        Feature.SAFETY: Fate.DROPPED,
        Feature.SUFFIX: Fate.REFUSED,
        Feature.ECHO: Fate.REFUSED,
        Feature.REFUSALS: Fate.APPROXIMATED,  # as text
    }
)
