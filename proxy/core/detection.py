"""How closely answers are watched for brownouts: settings of the detectors, frozen, with the shipped defaults."""

import enum
from dataclasses import dataclass


class Sensitivity(enum.StrEnum):
    """How much has to be wrong before a detector speaks."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class DetectSettings:
    """What is watched at one provider's targets. `slow`: speed against a target's own baseline; `wrong`: answers that are
    empty, cut, refused or broken more often than usual; `domains`: targets that fail together because they share a host, a
    region, a vendor or a refused account. `min_rate`: tokens a second below which a stream that has begun is cut, measured
    over half a minute; 0: never."""

    slow: bool = True
    wrong: bool = True
    domains: bool = True
    sensitivity: Sensitivity = Sensitivity.NORMAL
    min_rate: float = 0.5

    @property
    def watches(self) -> bool:
        """Answers are looked at."""
        return self.slow or self.wrong


#: As shipped.
ON = DetectSettings()
#: Nothing is watched.
OFF = DetectSettings(slow=False, wrong=False, domains=False, min_rate=0.0)
