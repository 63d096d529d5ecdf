"""What is known of a model, whoever serves it: sizes, what it cannot do, and how it wants to be asked."""

from dataclasses import dataclass

from proxy.core.features import Feature


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """None: not known; nothing is refused for what is not known, and writers are careful.

    `context_window`: tokens in and out together, `max_output`: the longest answer in tokens. `lacks`: hard features that it
    cannot do. How it wants to be asked: `adaptive_thinking`, by effort instead of by a budget of tokens; `sampling`, takes
    temperature and the like; `native_schema`, takes a JSON Schema for its answer; `later_system`, takes instructions in the
    middle of a conversation; `prefill`, continues a last turn of the assistant."""

    context_window: int | None = None
    max_output: int | None = None
    lacks: frozenset[Feature] = frozenset()
    adaptive_thinking: bool | None = None
    sampling: bool | None = None
    native_schema: bool | None = None
    later_system: bool | None = None
    prefill: bool | None = None


UNKNOWN = ModelFacts()
