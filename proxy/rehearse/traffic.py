"""The traffic of a rehearsal: who asks for what, when. The same for the proxy and for going without one.

Requests come as they do in life, independently of each other (Poisson). Equal seeds give equal traffic.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from proxy.core.endpoints import Endpoint
from proxy.core.errors import ConfigError, ConfigProblem
from proxy.core.settings import Route
from proxy.rehearse.client import Wish
from proxy.rehearse.scenario import nearest

#: Names of models that make vectors of texts: they are asked for those.
_EMBEDDERS = re.compile(r"embed|\be5\b|\bbge\b|nomic|minilm", re.I)
_WORDS = "The lamp in the hall has gone out and the stairs are dark. "
_TOOL = {"type": "function", "function": {"name": "light", "parameters": {"type": "object", "properties": {}}}}
_SHARES = ("stream", "tools")
_COUNTS = ("input", "output")


@dataclass(frozen=True, slots=True)
class Mix:
    """`routes`: weights by route name, empty: all alike. `stream`, `tools`: shares of requests; `input`, `output`: tokens
    of a request and its answer."""

    routes: Mapping[str, float] = field(default_factory=dict)
    stream: float = 0.6
    tools: float = 0.0
    input: int = 300
    output: int = 60


@dataclass(frozen=True, slots=True)
class Crowd:
    """`rps` requests a second, by the clients with these keys in turn; none: nobody has a key."""

    mix: Mix
    rps: float
    keys: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: `at` in seconds of the rehearsal."""

    at: float
    route: Route
    wish: Wish
    body: bytes


def parse_mix(text: str, routes: Sequence[Route]) -> Mix:
    """`gpt-5=7,small=3,stream=0.5,tools=0.2,input=2000,output=400`. Raises ConfigError."""
    names = {model: route.name for route in routes for model in route.models}
    weights: dict[str, float] = {}
    numbers: dict[str, float] = {}
    problems: list[ConfigProblem] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.rpartition("=")
        name = name.strip()
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not name or not 0 <= number < 1e9:
            problems.append(ConfigProblem("is not NAME=NUMBER", "--mix", None, part))
        elif name in names:
            weights[names[name]] = number
        elif name in (*_SHARES, *_COUNTS):
            if name in _SHARES and number > 1:
                problems.append(ConfigProblem("is a share, 0 to 1", "--mix", None, part))
            numbers[name] = number
        else:
            known = {*names, *_SHARES, *_COUNTS}
            problems.append(ConfigProblem(f"is no route{nearest(name, known)}", "--mix", None, name))
    if weights and not any(weights.values()):
        problems.append(ConfigProblem("leaves no route with any traffic", "--mix"))
    if problems:
        raise ConfigError(problems)
    counts = {name: max(1, int(numbers[name])) for name in _COUNTS if name in numbers}
    shares = {name: numbers[name] for name in _SHARES if name in numbers}
    return Mix(weights, **counts, **shares)  # type: ignore[arg-type]


def make_traffic(routes: Sequence[Route], crowd: Crowd, seconds: float, rng: Random) -> list[Ask]:
    """Requests in the order of their times."""
    mix, rps = crowd.mix, crowd.rps
    weights = [mix.routes.get(route.name, 0.0) if mix.routes else 1.0 for route in routes]
    prompt = (_WORDS * (mix.input * 4 // len(_WORDS) + 1))[: mix.input * 4]
    asks: list[Ask] = []
    at = rng.expovariate(rps)
    while at < seconds:
        route = rng.choices(routes, weights)[0]
        asks.append(_ask(crowd, len(asks), at, route, prompt, rng))
        at += rng.expovariate(rps)
    return asks


def public_name(route: Route) -> str:
    """A model name by which the route is asked for: of a glob, one that it matches."""
    return route.name.replace("*", "x")


def _ask(crowd: Crowd, number: int, at: float, route: Route, prompt: str, rng: Random) -> Ask:
    model, mix = public_name(route), crowd.mix
    key = crowd.keys[number % len(crowd.keys)] if crowd.keys else None
    streams, tools = rng.random() < mix.stream, rng.random() < mix.tools
    if _EMBEDDERS.search(route.targets[0].model):
        wish = Wish(f"r{number}", model, stream=False, endpoint=Endpoint.EMBEDDINGS, key=key)
        return Ask(at, route, wish, wish.body(input=[prompt]))
    wish = Wish(f"r{number}", model, stream=streams, key=key)
    fields: dict[str, object] = {"messages": [{"role": "user", "content": prompt}]}
    if tools:
        fields["tools"] = [_TOOL]
    return Ask(at, route, wish, wish.body(**fields))
