"""Vendors as a rehearsal plays them: how fast they usually are, and what an outage makes of them.

The figures of `PROFILES` are of the order that public monitors showed for mid-sized models in 2026. They are there to make
a rehearsal plausible, not to rank vendors: a fallback that is rehearsed as slower than it is costs nobody anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from proxy.rehearse.answers import Asked
from proxy.rehearse.behaviour import Behaviour, Latency, lognormal
from proxy.rehearse.dialects import speak
from proxy.rehearse.outage import Strike
from proxy.rehearse.provider import SimulatedProvider
from proxy.rehearse.schedule import Schedule, always

#: Tokens that arrive in one write: a vendor's server and TCP put several events together.
BURST = 10


@dataclass(frozen=True, slots=True)
class Profile:
    """Median and 99th percentile of the time to the first token, in seconds; tokens a second after it."""

    median: float
    p99: float
    rate: float

    def healthy(self, tokens: int) -> Behaviour:
        """Answers of so many tokens."""
        return Behaviour(latency=lognormal(self.median, self.p99), chunks=tokens, gap=1.0 / self.rate, burst=BURST)


_USUAL = Profile(0.6, 2.4, 60.0)
#: By preset.
PROFILES: Mapping[str, Profile] = {
    "openai": Profile(0.5, 2.0, 70.0),
    "anthropic": Profile(0.7, 2.5, 65.0),
    "azure": Profile(0.5, 2.0, 70.0),
    "bedrock": Profile(0.7, 2.5, 60.0),
    "gemini": Profile(0.6, 2.2, 110.0),
    "vertex": Profile(0.6, 2.2, 110.0),
    "openrouter": Profile(0.8, 3.0, 60.0),
    "groq": Profile(0.2, 0.8, 250.0),
    "cerebras": Profile(0.2, 0.8, 400.0),
    "mistral": Profile(0.35, 1.4, 90.0),
    "deepseek": Profile(1.2, 5.0, 35.0),
    "perplexity": Profile(1.0, 4.0, 60.0),
    "together": Profile(0.4, 1.6, 80.0),
    "fireworks": Profile(0.35, 1.4, 100.0),
    "ollama": Profile(0.4, 2.5, 30.0),
    "llamacpp": Profile(0.4, 2.5, 30.0),
    "lmstudio": Profile(0.4, 2.5, 30.0),
    "vllm": Profile(0.25, 1.2, 45.0),
    "sglang": Profile(0.25, 1.2, 45.0),
}


def profile_of(preset: str) -> Profile:
    """What to expect of a vendor; of one that nobody knows, what is usual."""
    return PROFILES.get(preset, _USUAL)


@dataclass(frozen=True, slots=True)
class Part:
    """What one vendor is given to play: its usual behaviour, the strikes in seconds of the rehearsal, and the names by
    which `nth_model` and `nth_key` count. `kind`: the wire format."""

    kind: str
    healthy: Behaviour
    strikes: Sequence[Strike] = ()
    models: Sequence[str] = ()
    keys: Sequence[str] = ()


class SimulatedVendor(SimulatedProvider):
    """A simulated provider that plays a part. Strikes may overlap; the later in the list that concerns a request counts."""

    def __init__(self, name: str, part: Part) -> None:
        super().__init__(name, always(part.healthy))
        self._part = part
        self._models = max((strike.nth_model or 0 for strike in part.strikes), default=0)
        self._keys = max((strike.nth_key or 0 for strike in part.strikes), default=0)
        self._made = [(strike, _behaviours(part, strike)) for strike in reversed(part.strikes)]

    def schedule_for(self, asked: Asked, now: float) -> Schedule:
        for strike, behaviours in self._made:
            if strike.start <= now < strike.end and self._concerns(strike, asked):
                return behaviours[self.served % len(behaviours)]
        return self.schedule

    def _concerns(self, strike: Strike, asked: Asked) -> bool:
        if strike.nth_model and _ordinal(asked.model, self._part.models, self._models) != strike.nth_model:
            return False
        return not strike.nth_key or _ordinal(asked.key, self._part.keys, self._keys) == strike.nth_key


def _ordinal(name: str, names: Sequence[str], parts: int) -> int:
    """Which of so many parts this name plays; one that is not on the list plays the first."""
    return names.index(name) % parts + 1 if name in names else 1


def _behaviours(part: Part, strike: Strike) -> list[Schedule]:
    usual = part.healthy
    if strike.slower > 1.0:
        slow = Latency(usual.latency.middle * strike.slower, usual.latency.spread * strike.slower, usual.latency.heavy)
        usual = replace(usual, latency=slow, gap=usual.gap * strike.slower)
    changed = replace(usual, **strike.changes)  # type: ignore[arg-type]
    if not strike.failures:
        return [always(changed)]
    return [always(replace(changed, failure=speak(word, part.kind))) for word in strike.failures]


def dice(seed: int, name: str) -> Random:
    """Dice of their own for each use, so that what one of them throws changes nothing for the others."""
    return Random(f"{seed} {name}")
