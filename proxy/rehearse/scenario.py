"""Scenarios: an outage as a YAML file, played in virtual time by tests and on real sockets by the demo.

    about: one sentence
    load: {rps: 20, streamed: 0.5, seconds: 60}
    healthy: {first_byte: 0.2, chunks: 50, gap: 0.02}       # every provider, unless told otherwise
    providers:
      alpha:
        - {from: 10, to: 40, mode: status, failure: edge_503}
      beta: []
    issuers:                                                # where a provider's credential is a token that ends
      alpha: {life: 3600, spans: [{from: 10, to: 40, mode: hang}]}
    scenes:
      - {at: 10, title: alpha answers 503}

Times are seconds. `first_byte` is a number, `{median, p99}` or `{low, high}`; every other key of a span is a field of
`Behaviour`, of an issuer's span one of `IssuerBehaviour`. A mistake is named with file, place and the nearest valid word.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from proxy.config.source import Source, read_yaml, show_path
from proxy.core.errors import ConfigError, ConfigProblem
from proxy.rehearse.behaviour import Behaviour, Latency, Mode, Style, constant, lognormal, uniform
from proxy.rehearse.issuer import IssuerBehaviour, IssuerMode, IssuerPlan, IssuerSpan
from proxy.rehearse.schedule import Schedule, Span
from proxy.rehearse.vendor_errors import ERRORS, EVENTS

SHIPPED = Path(__file__).with_name("scenarios")


@dataclass(frozen=True, slots=True)
class Load:
    """`rps` requests a second for `seconds`, of which the share `streamed` asks for a stream."""

    rps: float = 20.0
    streamed: float = 0.5
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Scene:
    at: float
    title: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """`providers` in the order in which they are preferred. `issuers`: the token endpoints of those that have one."""

    name: str
    about: str
    load: Load
    providers: Mapping[str, Schedule]
    scenes: tuple[Scene, ...] = ()
    issuers: Mapping[str, IssuerPlan] = field(default_factory=dict)


def shipped() -> list[str]:
    """Names of the scenarios that come with the product."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load(name: str) -> Scenario:
    """A shipped scenario by name, or a file by path. Raises ConfigError with every mistake."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else SHIPPED / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(shipped())
        raise ConfigError([ConfigProblem(f"no such scenario; there are: {known}", str(path))])
    return parse(path.read_text(encoding="utf-8"), str(path), path.stem)


def parse(text: str, file: str = "", name: str = "") -> Scenario:
    """Read a scenario from YAML text. Raises ConfigError with every mistake."""
    source = read_yaml(text, file)
    reader = ScenarioReader(file)
    scenario = reader.scenario(source.data, name)
    reader.finish(source)
    return scenario


_BEHAVIOUR = {known.name: known for known in fields(Behaviour)}
_KEYS = {*_BEHAVIOUR, "first_byte"} - {"latency"}
_WORDS: dict[str, frozenset[str]] = {
    "mode": frozenset(mode.value for mode in Mode) - {Mode.OVERLOAD, Mode.CONTEXT},
    "style": frozenset(style.value for style in Style),
    "failure": frozenset(ERRORS) | frozenset(EVENTS),
    "overload_failure": frozenset(ERRORS),
}
_COUNTS = frozenset({"chunks", "burst", "after", "cut_bytes", "fail_every", "succeed_every", "capacity", "context_window"})
_FLAGS = frozenset({"role_first", "reset", "spare_models"})
_LISTS = frozenset({"models", "endpoints", "keys"})


class ScenarioReader:
    """Collects mistakes instead of stopping at the first."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[ConfigProblem] = []

    def finish(self, source: Source) -> None:
        """ConfigError with every mistake at its line, if there was any."""
        if self.problems:
            lines = {show_path(path): source.line(path) for path in source.lines}
            raise ConfigError([replace(problem, line=_line_of(problem.key, lines)) for problem in self.problems])

    def wrong(self, key: str, message: str) -> None:
        self.problems.append(ConfigProblem(message, self.file, None, key))

    def table(self, value: object, key: str, known: set[str]) -> dict[str, object]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.wrong(key, "must be a mapping")
            return {}
        for name in value:
            if name not in known:
                self.wrong(f"{key}.{name}".lstrip("."), f"unknown key{nearest(str(name), known)}")
        return {str(name): item for name, item in value.items() if name in known}

    def scenario(self, document: object, name: str) -> Scenario:
        top = self.table(document, "", {"about", "load", "healthy", "providers", "scenes", "period", "issuers"})
        healthy = self.behaviour(top.get("healthy"), "healthy", Behaviour())
        period = self.number(top["period"], "period") if "period" in top else None
        providers = self.providers(top.get("providers"), healthy, period)
        return Scenario(
            name,
            str(top.get("about", "")),
            self.load(top.get("load")),
            providers,
            self.scenes(top.get("scenes")),
            self.issuers(top.get("issuers"), set(providers)),
        )

    def load(self, value: object) -> Load:
        table = self.table(value, "load", {"rps", "streamed", "seconds"})
        given = {name: self.number(item, f"load.{name}") for name, item in table.items()}
        made = replace(Load(), **given)
        if made.streamed > 1.0:
            self.wrong("load.streamed", "is a share, 0 to 1")
        return made

    def providers(self, value: object, healthy: Behaviour, period: float | None) -> dict[str, Schedule]:
        if not isinstance(value, dict) or not value:
            self.wrong("providers", "name at least one provider")
            return {}
        return {str(name): self.schedule(item, f"providers.{name}", healthy, period) for name, item in value.items()}

    def schedule(self, value: object, key: str, healthy: Behaviour, period: float | None) -> Schedule:
        if value is None:
            value = []
        if not isinstance(value, list):
            self.wrong(key, "must be a list of spans, [] for a provider that stays healthy")
            return Schedule()
        made = [self.span(item, f"{key}[{index}]", healthy) for index, item in enumerate(value)]
        return Schedule(tuple(made), healthy, period)

    def span(self, value: object, key: str, healthy: Behaviour) -> Span:
        table = self.table(value, key, {"from", "to", *_KEYS})
        start = self.number(table.pop("from", None), f"{key}.from")
        end = self.number(table.pop("to", None), f"{key}.to")
        if end <= start:
            self.wrong(key, f"ends at {end:g} s, not after its start at {start:g} s")
        return Span(start, end, self.behaviour(table, key, healthy))

    def issuers(self, value: object, known: set[str]) -> dict[str, IssuerPlan]:
        return {name: self.issuer(item, f"issuers.{name}") for name, item in self.table(value, "issuers", known).items()}

    def issuer(self, value: object, key: str) -> IssuerPlan:
        table = self.table(value, key, {"life", "spans"})
        life = self.number(table["life"], f"{key}.life") if "life" in table else IssuerPlan().life
        spans = table.get("spans") or []
        if not isinstance(spans, list):
            self.wrong(f"{key}.spans", "must be a list of spans")
            spans = []
        return IssuerPlan(life, tuple(self.issuer_span(item, f"{key}.spans[{n}]") for n, item in enumerate(spans)))

    def issuer_span(self, value: object, key: str) -> IssuerSpan:
        table = self.table(value, key, {"from", "to", "mode", "latency", "share", "status", "retry_after"})
        start, end = self.number(table.get("from"), f"{key}.from"), self.number(table.get("to"), f"{key}.to")
        if end <= start:
            self.wrong(key, f"ends at {end:g} s, not after its start at {start:g} s")
        mode = str(table.get("mode", "ok"))
        words = {word.value for word in IssuerMode}
        if mode not in words:
            self.wrong(f"{key}.mode", f"{mode!r} is not known{nearest(mode, words)}")
            mode = "ok"
        share = self.number(table.get("share", 1.0), f"{key}.share")
        if share > 1.0:
            self.wrong(f"{key}.share", "is a share, 0 to 1")
        made = IssuerBehaviour(
            IssuerMode(mode),
            self.number(table.get("latency", 0.1), f"{key}.latency"),
            share,
            int(self.number(table.get("status", 500), f"{key}.status")),
            str(table["retry_after"]) if "retry_after" in table else None,
        )
        return IssuerSpan(start, end, made)

    def behaviour(self, value: object, key: str, base: Behaviour) -> Behaviour:
        table = self.table(value, key, set(_KEYS) | ({"from", "to"} if "[" in key else set()))
        made: dict[str, object] = {}
        for name, item in table.items():
            if name == "first_byte":
                made["latency"] = self.latency(item, f"{key}.{name}")
            else:
                made[name] = self.field(name, item, f"{key}.{name}")
        self.cross_check(made, key)
        return replace(base, **made)  # type: ignore[arg-type]

    def cross_check(self, made: dict[str, object], key: str) -> None:
        if made.get("mode") is Mode.STATUS and "failure" in made and made["failure"] not in ERRORS:
            self.wrong(f"{key}.failure", f"is an event, not a status{nearest(str(made['failure']), set(ERRORS))}")
        if "failure" in made and made.get("mode") not in (Mode.STATUS, Mode.ERROR_EVENT):
            self.wrong(f"{key}.failure", "does nothing without mode status or error_event")

    def latency(self, value: object, key: str) -> Latency:
        if isinstance(value, dict):
            if set(value) == {"median", "p99"}:
                return lognormal(self.number(value["median"], key), self.number(value["p99"], key))
            if set(value) == {"low", "high"}:
                return uniform(self.number(value["low"], key), self.number(value["high"], key))
            self.wrong(key, "must be seconds, {median, p99} or {low, high}")
            return Latency()
        return constant(self.number(value, key))

    def field(self, name: str, value: object, key: str) -> object:
        if name in _WORDS:
            return self.word(name, value, key)
        if name in _FLAGS:
            return self.expect(isinstance(value, bool), value, key, "must be true or false", False)
        if name in _LISTS:
            fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
            return tuple(value) if fits and isinstance(value, list) else self.expect(fits, value, key, "must be a list", ())
        if name in _COUNTS:
            fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            return self.expect(fits, value, key, "must be a whole number, 0 or more", 0)
        return str(value) if name == "retry_after" else self.number(value, key)

    def expect(self, fits: bool, value: object, key: str, message: str, instead: object) -> object:
        if not fits:
            self.wrong(key, message)
            return instead
        return value

    def word(self, name: str, value: object, key: str) -> object:
        known = _WORDS[name]
        if value not in known:
            self.wrong(key, f"{value!r} is not known{nearest(str(value), set(known))}")
            return getattr(Behaviour(), name)
        if name == "mode":
            return Mode(str(value))
        return Style(str(value)) if name == "style" else value

    def number(self, value: object, key: str) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12:
            return float(value)
        self.wrong(key, "is missing" if value is None else f"{value!r} is not a number of 0 or more")
        return 0.0

    def scenes(self, value: object) -> tuple[Scene, ...]:
        if value is None:
            return ()
        if not isinstance(value, list):
            self.wrong("scenes", "must be a list")
            return ()
        made = []
        for index, item in enumerate(value):
            key = f"scenes[{index}]"
            table = self.table(item, key, {"at", "title"})
            made.append(Scene(self.number(table.get("at"), f"{key}.at"), str(table.get("title", ""))))
        return tuple(made)


def _line_of(key: str, lines: Mapping[str, int | None]) -> int | None:
    """Of the key, or of what it stands in."""
    while key and key not in lines:
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return lines.get(key)


def nearest(word: str, known: set[str]) -> str:
    close = difflib.get_close_matches(word, sorted(known), 1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(known))}"
