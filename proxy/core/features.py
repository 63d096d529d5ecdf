"""What a request can use that not every wire format or model can carry: one name each, for tables, headers and YAML.

A reader of a client's format notes the features that a request uses; the table of a vendor's format says what becomes of
each of them (`Fate`). The same names describe what a model cannot do. They are what `x-undimmed-dropped` shows.
"""

import enum


class Feature(enum.StrEnum):
    """The features. Those in `HARD` change what is asked: without them another question would be answered."""

    TOOLS = "tools"
    PARALLEL_TOOLS = "tools.parallel"  # the history holds several calls in one turn
    CUSTOM_TOOLS = "tools.custom"  # free-text or grammar input instead of JSON
    HOSTED_TOOLS = "tools.hosted"  # run by the vendor: web search, code, files, computers
    SPARE_TOOLS = "tools.spare"  # run by the vendor too, but only offered beside tools that the client runs
    TOOL_CHOICE = "tool_choice"  # required, none or one by name
    ALLOWED_TOOLS = "tool_choice.allowed"
    PARALLEL_OFF = "parallel_tool_calls"  # at most one call a turn
    STRICT_TOOLS = "tools.strict"
    TOOL_RESULT_MEDIA = "tools.result_media"  # images or documents inside a tool's result
    TOOL_RESULT_ERROR = "tools.result_error"
    IMAGES = "images"
    IMAGE_URLS = "images.url"  # to be fetched by the vendor
    IMAGE_DETAIL = "images.detail"
    AUDIO_INPUT = "audio.input"
    AUDIO_OUTPUT = "audio.output"
    DOCUMENTS = "documents"
    FILE_IDS = "documents.file_id"  # a file that was uploaded to one vendor's account
    JSON_OBJECT = "response_format.json_object"
    JSON_SCHEMA = "response_format.json_schema"
    REASONING = "reasoning"  # the request asks for reasoning, or for none
    REASONING_BUDGET = "reasoning.budget"  # a number of tokens
    REASONING_SUMMARY = "reasoning.summary"
    THINKING_HISTORY = "reasoning.history"  # earlier turns hold reasoning text
    SIGNATURES = "reasoning.signature"  # … sealed by the vendor that wrote it
    PREFILL = "prefill"  # the last turn is the assistant's, to be continued
    LATER_SYSTEM = "system.later"  # instructions after the first user turn
    CHOICES = "n"
    LOGPROBS = "logprobs"
    LOGIT_BIAS = "logit_bias"
    TEMPERATURE = "temperature"
    TOP_P = "top_p"
    TOP_K = "top_k"
    PENALTIES = "penalties"  # presence and frequency
    SEED = "seed"
    STOP = "stop"
    MAX_TOKENS = "max_tokens"
    PREDICTION = "prediction"
    VERBOSITY = "verbosity"
    NAMES = "name"  # of the speaker, in a message
    CACHE_CONTROL = "cache_control"
    CITATIONS = "citations"
    SERVICE_TIER = "service_tier"
    USER = "user"
    METADATA = "metadata"
    STORE = "store"
    STATE = "state"  # continues something that one vendor's account holds
    SAFETY = "safety_settings"
    SUFFIX = "suffix"  # text after the gap, for autocomplete
    ECHO = "echo"
    REFUSALS = "refusal.history"


class Fate(enum.StrEnum):
    """What becomes of a feature in a format that is not the client's. REFUSED: a target of that format is not asked."""

    CARRIED = "carried"
    APPROXIMATED = "approximated"
    DROPPED = "dropped"
    REFUSED = "refused"


#: Features whose loss would change the question; only these may be REFUSED, and they are never DROPPED.
HARD = frozenset(
    {
        Feature.TOOLS,
        Feature.PARALLEL_TOOLS,
        Feature.CUSTOM_TOOLS,
        Feature.HOSTED_TOOLS,
        Feature.IMAGES,
        Feature.IMAGE_URLS,
        Feature.AUDIO_INPUT,
        Feature.AUDIO_OUTPUT,
        Feature.DOCUMENTS,
        Feature.FILE_IDS,
        Feature.JSON_OBJECT,
        Feature.JSON_SCHEMA,
        Feature.REASONING,
        Feature.PREFILL,
        Feature.CHOICES,
        Feature.LOGPROBS,
        Feature.STATE,
        Feature.SUFFIX,
        Feature.ECHO,
    }
)
