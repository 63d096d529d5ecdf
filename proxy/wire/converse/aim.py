"""Who is asked, and what the request has lost so far: the two things that every part of the writer needs.

Converse has one shape for all models, but not one meaning: what a model may be asked for beside it (`top_k`, thinking,
cache points) goes by its family. The family is told from the model's id; an application inference profile hides it, and is
then treated as a model of which nothing is known.
"""

import enum
from dataclasses import dataclass, field

from proxy.core.facts import ModelFacts
from proxy.core.features import Fate, Feature


class Family(enum.Enum):
    """Models that take the same additional fields."""

    CLAUDE = enum.auto()
    NOVA = enum.auto()
    GPT_OSS = enum.auto()
    OTHER = enum.auto()


@dataclass(slots=True)
class Aim:
    """`fates`: what this request turned out differently from the table."""

    model: str
    facts: ModelFacts
    fates: dict[Feature, Fate] = field(default_factory=dict)

    @property
    def family(self) -> Family:
        model = self.model.lower()
        if "anthropic" in model or "claude" in model:
            return Family.CLAUDE
        if "amazon.nova" in model:
            return Family.NOVA
        return Family.GPT_OSS if "gpt-oss" in model else Family.OTHER

    @property
    def caches(self) -> bool:
        """Takes cache points; others refuse the whole request for one."""
        return self.family in (Family.CLAUDE, Family.NOVA)

    def drop(self, feature: Feature) -> None:
        self.fates[feature] = Fate.DROPPED

    def approximate(self, feature: Feature) -> None:
        self.fates.setdefault(feature, Fate.APPROXIMATED)
