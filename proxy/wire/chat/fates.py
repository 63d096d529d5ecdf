"""What becomes of every feature in a chat request: the part of the vendor format that a reviewer can audit.

Pieces of an answer have no place for log probabilities and sound, so both are refused, although the request could ask
for them. Files by id and continued states belong to another account. A suffix and an echo are not what a chat model does.
"""

from collections.abc import Mapping
from types import MappingProxyType

from proxy.core.features import HARD, Fate, Feature
from proxy.wire.chat.quirks import Quirks

FATES: Mapping[Feature, Fate] = MappingProxyType(
    {
        Feature.TOOLS: Fate.CARRIED,
        Feature.PARALLEL_TOOLS: Fate.CARRIED,
        Feature.CUSTOM_TOOLS: Fate.APPROXIMATED,  # functions of one text: who has custom tools has the Responses API too
        Feature.HOSTED_TOOLS: Fate.REFUSED,
        Feature.SPARE_TOOLS: Fate.DROPPED,
        Feature.TOOL_CHOICE: Fate.CARRIED,
        Feature.ALLOWED_TOOLS: Fate.APPROXIMATED,  # only those are offered, which every server understands
        Feature.PARALLEL_OFF: Fate.CARRIED,
        Feature.STRICT_TOOLS: Fate.CARRIED,
        Feature.TOOL_RESULT_MEDIA: Fate.APPROXIMATED,  # in a message of the user behind the results
        Feature.TOOL_RESULT_ERROR: Fate.APPROXIMATED,  # as a word in the text
        Feature.IMAGES: Fate.CARRIED,
        Feature.IMAGE_URLS: Fate.CARRIED,
        Feature.IMAGE_DETAIL: Fate.CARRIED,
        Feature.AUDIO_INPUT: Fate.CARRIED,
        Feature.AUDIO_OUTPUT: Fate.REFUSED,
        Feature.DOCUMENTS: Fate.CARRIED,
        Feature.FILE_IDS: Fate.REFUSED,
        Feature.JSON_OBJECT: Fate.CARRIED,
        Feature.JSON_SCHEMA: Fate.CARRIED,
        Feature.REASONING: Fate.CARRIED,
        Feature.REASONING_BUDGET: Fate.APPROXIMATED,  # as an effort
        Feature.REASONING_SUMMARY: Fate.DROPPED,
        Feature.THINKING_HISTORY: Fate.DROPPED,
        Feature.SIGNATURES: Fate.DROPPED,
        Feature.PREFILL: Fate.APPROXIMATED,  # the turn is there, but most models answer it instead of going on
        Feature.LATER_SYSTEM: Fate.CARRIED,
        Feature.CHOICES: Fate.CARRIED,
        Feature.LOGPROBS: Fate.REFUSED,
        Feature.LOGIT_BIAS: Fate.CARRIED,
        Feature.TEMPERATURE: Fate.CARRIED,
        Feature.TOP_P: Fate.CARRIED,
        Feature.TOP_K: Fate.DROPPED,
        Feature.PENALTIES: Fate.CARRIED,
        Feature.SEED: Fate.CARRIED,
        Feature.STOP: Fate.CARRIED,
        Feature.MAX_TOKENS: Fate.CARRIED,
        Feature.PREDICTION: Fate.CARRIED,
        Feature.VERBOSITY: Fate.CARRIED,
        Feature.NAMES: Fate.CARRIED,
        Feature.CACHE_CONTROL: Fate.DROPPED,  # servers of this format cache by themselves
        Feature.CITATIONS: Fate.DROPPED,
        Feature.SERVICE_TIER: Fate.CARRIED,
        Feature.USER: Fate.CARRIED,
        Feature.METADATA: Fate.DROPPED,  # OpenAI takes it only with answers that it stores
        Feature.STORE: Fate.DROPPED,
        Feature.STATE: Fate.REFUSED,
        Feature.SAFETY: Fate.DROPPED,
        Feature.SUFFIX: Fate.REFUSED,
        Feature.ECHO: Fate.REFUSED,
        Feature.REFUSALS: Fate.APPROXIMATED,  # as text
    }
)

#: The fields that carry one feature each: a server that has not the field has not the feature.
_FIELDS: Mapping[str, Feature] = {
    "tools": Feature.TOOLS,
    "tool_choice": Feature.TOOL_CHOICE,
    "parallel_tool_calls": Feature.PARALLEL_OFF,
    "response_format": Feature.JSON_SCHEMA,
    "reasoning_effort": Feature.REASONING,
    "n": Feature.CHOICES,
    "logit_bias": Feature.LOGIT_BIAS,
    "temperature": Feature.TEMPERATURE,
    "top_p": Feature.TOP_P,
    "seed": Feature.SEED,
    "stop": Feature.STOP,
    "presence_penalty": Feature.PENALTIES,
    "frequency_penalty": Feature.PENALTIES,
    "prediction": Feature.PREDICTION,
    "verbosity": Feature.VERBOSITY,
    "service_tier": Feature.SERVICE_TIER,
    "user": Feature.USER,
}


def list_fates(quirks: Quirks) -> Mapping[Feature, Fate]:
    """The table for one server: without what it refuses, and without the fields that it does not take."""
    fates = dict(FATES)
    lacking = [_FIELDS[name] for name in quirks.drop if name in _FIELDS]
    for feature in lacking:
        fates[feature] = Fate.REFUSED if feature in HARD else Fate.DROPPED
    for feature in quirks.refuses:
        fates[feature] = Fate.REFUSED
    return MappingProxyType(fates)
