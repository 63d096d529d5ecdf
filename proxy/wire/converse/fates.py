"""What becomes of each feature on its way into Converse.

Where a row holds for some models only (caching, top_k, reasoning), it says what happens to those that have it, and the
writer reports for each request what turned out differently. Sources: the service model of botocore, AWS's user guide.
"""

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
        Feature.ALLOWED_TOOLS: Fate.CARRIED,  # the others are not shown to the model
        Feature.PARALLEL_OFF: Fate.DROPPED,
        Feature.STRICT_TOOLS: Fate.CARRIED,
        Feature.TOOL_RESULT_MEDIA: Fate.CARRIED,
        Feature.TOOL_RESULT_ERROR: Fate.CARRIED,
        Feature.IMAGES: Fate.CARRIED,
        Feature.IMAGE_URLS: Fate.REFUSED,
        Feature.IMAGE_DETAIL: Fate.DROPPED,
        Feature.AUDIO_INPUT: Fate.CARRIED,
        Feature.AUDIO_OUTPUT: Fate.REFUSED,
        Feature.DOCUMENTS: Fate.CARRIED,
        Feature.FILE_IDS: Fate.REFUSED,
        Feature.JSON_OBJECT: Fate.APPROXIMATED,  # an instruction
        Feature.JSON_SCHEMA: Fate.CARRIED,
        Feature.REASONING: Fate.CARRIED,
        Feature.REASONING_BUDGET: Fate.CARRIED,
        Feature.REASONING_SUMMARY: Fate.DROPPED,
        Feature.THINKING_HISTORY: Fate.CARRIED,  # Claude's own, written here
        Feature.SIGNATURES: Fate.CARRIED,
        Feature.PREFILL: Fate.CARRIED,
        Feature.LATER_SYSTEM: Fate.APPROXIMATED,  # part of the user's turn, in a tag
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
        Feature.SERVICE_TIER: Fate.CARRIED,
        Feature.USER: Fate.DROPPED,
        Feature.METADATA: Fate.CARRIED,
        Feature.STORE: Fate.DROPPED,
        Feature.STATE: Fate.REFUSED,
        Feature.SAFETY: Fate.DROPPED,
        Feature.SUFFIX: Fate.REFUSED,
        Feature.ECHO: Fate.REFUSED,
        Feature.REFUSALS: Fate.APPROXIMATED,  # as text
    }
)
