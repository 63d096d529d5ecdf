"""Outages: what really happened to a vendor, as a YAML file, to be replayed against anybody's configuration.

    title: "OpenAI: a firewall rule refuses every request"
    source: https://status.openai.com/incidents/bq8064vtt623
    evidence: primary            # the vendor's own account, or secondary: press and monitors
    date: 2024-09-16
    length: 17m                  # as published
    vendor: [openai]             # presets, or names of providers
    hits: all                    # all of the vendor's providers, or one (a region, an account)
    spans:
      - {from: 0s, to: 17m, mode: status, failure: blocked}
    issuer:                      # the vendor's token endpoint, where credentials are tokens that end
      life: 1h
      spans: [{from: 0s, to: 17m, mode: hang}]
    note: what the source leaves open, and how it is played
    rps: 5                       # where what has to be noticed is noticed by numbers; else the rate follows from the length
    promise: 0.9999              # least availability where another provider is healthy

Times are durations from the outage's start (`90s`, `1h30m`). A span takes every key of a scenario's span, and `failure` also
as a word of `dialects` or as a list of such, answered in turn. `slower: 4` multiplies the vendor's usual times. `nth_model`
and `nth_key` confine a span to the first, second … model or key of the provider that is hit; one that has fewer or more of
them plays the parts over again. A mistake is named with file, line, place and the nearest valid word.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proxy.config.source import read_yaml
from proxy.core.errors import ConfigError, ConfigProblem
from proxy.rehearse.behaviour import Behaviour, Mode
from proxy.rehearse.dialects import KNOWN
from proxy.rehearse.issuer import IssuerPlan
from proxy.rehearse.scenario import ScenarioReader, nearest

SHIPPED = Path(__file__).with_name("outages")
PROMISE = 0.9999
_TIME = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|[smhd]))+")
_PART = re.compile(r"([0-9.]+)(ms|[smhd])")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TOP = {"title", "source", "evidence", "date", "length", "vendor", "hits", "spans", "issuer", "note", "rps", "promise"}
_PLACES = {"nth_model", "nth_key"}


@dataclass(frozen=True, slots=True)
class Strike:
    """From `start` to `end`, in seconds of the outage, the vendor behaves so: `changes` are fields of `Behaviour` laid over
    its healthy one. `failures`: answered in turn. `nth_model`, `nth_key`: only that one, counted from 1; None: all."""

    start: float
    end: float
    changes: Mapping[str, object] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    slower: float = 1.0
    nth_model: int | None = None
    nth_key: int | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage. `vendors` are presets or names of providers; `one`: only one of the providers is hit. `issuer` None: its
    token endpoint stays healthy. `length` in seconds, as published. `rps`: the rate to play it at where nobody says another;
    None: whatever its length allows. `promise`: the least availability that a proxy is held to."""

    name: str
    title: str
    source: str
    evidence: str
    date: str
    length: float
    vendors: tuple[str, ...]
    one: bool = False
    strikes: tuple[Strike, ...] = ()
    issuer: IssuerPlan | None = None
    note: str = ""
    rps: float | None = None
    promise: float = PROMISE

    def onsets(self) -> list[float]:
        """Seconds at which trouble begins after none: the moments that have to be noticed."""
        edges = sorted({strike.start for strike in self.strikes})
        return [at for at in edges if not any(strike.start < at <= strike.end for strike in self.strikes)]


def shipped() -> list[str]:
    """Names of the outages that come with the product, in the order of their dates: D1, D2 …"""
    return sorted((path.stem.upper() for path in SHIPPED.glob("*.yaml")), key=lambda name: int(name[1:]))


def load(name: str) -> Outage:
    """A shipped outage by its name, or one from a file. Raises ConfigError with every mistake."""
    own = name.endswith((".yaml", ".yml"))
    path = Path(name) if own else SHIPPED / f"{name.lower()}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = "" if own else f"; there are {', '.join(shipped())}, or name a file that ends in .yaml"
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(
            [ConfigProblem(f"cannot be read as an outage: {reason}{known}", str(path) if own else name)]
        ) from error
    return parse(text, str(path), path.stem if own else name.upper())


def parse(text: str, file: str = "", name: str = "") -> Outage:
    """Read an outage from YAML text. Raises ConfigError with every mistake."""
    source = read_yaml(text, file)
    reader = _OutageReader(file)
    outage = reader.outage(source.data, name)
    reader.finish(source)
    return outage


class _OutageReader(ScenarioReader):
    """The same reader with outage's own keys, and times with units."""

    def outage(self, document: object, name: str) -> Outage:
        top = self.table(document, "", _TOP)
        made = Outage(
            name=name,
            title=self.text(top, "title"),
            source=self.text(top, "source"),
            evidence=self.choice(top, "evidence", ("primary", "secondary", "own")),
            date=self.text(top, "date"),
            length=self.number(top.get("length"), "length"),
            vendors=self.vendors(top.get("vendor")),
            one=self.choice(top, "hits", ("all", "one")) == "one",
            strikes=self.strikes(top.get("spans")),
            issuer=self.issuer(top["issuer"], "issuer") if "issuer" in top else None,
            note=str(top.get("note", "")),
            rps=self.number(top["rps"], "rps") if "rps" in top else None,
            promise=self.number(top.get("promise", PROMISE), "promise"),
        )
        if made.promise > 1.0:
            self.wrong("promise", "is a share, 0 to 1")
        if made.rps is not None and made.rps <= 0:
            self.wrong("rps", "must be more than nothing")
        if made.length <= 0:
            self.wrong("length", "must be longer than nothing")
        if not made.strikes and made.issuer is None:
            self.wrong("spans", "nothing happens: name at least one span, or what the issuer does")
        return made

    def text(self, top: Mapping[str, object], key: str) -> str:
        value = top.get(key)
        if value is None or not str(value).strip():
            self.wrong(key, "is missing")
        return str(value or "")

    def choice(self, top: Mapping[str, object], key: str, known: tuple[str, ...]) -> str:
        value = top.get(key, known[0])
        if value not in known:
            self.wrong(key, f"{value!r} is not known{nearest(str(value), set(known))}")
        return str(value)

    def vendors(self, value: object) -> tuple[str, ...]:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            self.wrong("vendor", "name a vendor, or a list of them")
            return ()
        return tuple(names)

    def strikes(self, value: object) -> tuple[Strike, ...]:
        if value is None:
            return ()
        if not isinstance(value, list):
            self.wrong("spans", "must be a list of spans")
            return ()
        return tuple(self.strike(item, f"spans[{index}]") for index, item in enumerate(value))

    def strike(self, value: object, key: str) -> Strike:
        if not isinstance(value, dict):
            self.wrong(key, "must be a mapping")
            return Strike(0.0, 0.0)
        table = dict(value)
        places = {name: self.place(table.pop(name), f"{key}.{name}") for name in _PLACES & set(table)}
        slower = self.number(table.pop("slower"), f"{key}.slower") if "slower" in table else 1.0
        failures = self.failures(table.pop("failure", None), f"{key}.failure")
        start = self.number(table.pop("from", None), f"{key}.from")
        end = self.number(table.pop("to", None), f"{key}.to")
        if end <= start:
            self.wrong(key, f"ends at {end:g} s, not after its start at {start:g} s")
        changes = self.changes(table, key)
        failing = changes.get("mode") in (Mode.STATUS, Mode.ERROR_EVENT)
        if failures and not failing:
            self.wrong(f"{key}.failure", "does nothing without mode status or error_event")
        if slower < 1.0:
            self.wrong(f"{key}.slower", "is a factor of 1 or more")
        return Strike(start, end, changes, failures, slower, places.get("nth_model"), places.get("nth_key"))

    def changes(self, table: Mapping[str, object], key: str) -> dict[str, object]:
        """What the span says, as fields of `Behaviour`; left out: as the vendor usually is."""
        made = self.behaviour(dict(table), key, Behaviour())
        names = {"latency" if name == "first_byte" else str(name) for name in table}
        return {name: getattr(made, name) for name in names if hasattr(made, name)}

    def place(self, value: object, key: str) -> int | None:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return value
        self.wrong(key, "counts from 1")
        return None

    def failures(self, value: object, key: str) -> tuple[str, ...]:
        names = value if isinstance(value, list) else [] if value is None else [value]
        for name in names:
            if name not in KNOWN:
                self.wrong(key, f"{name!r} is not known{nearest(str(name), set(KNOWN))}")
        return tuple(str(name) for name in names if name in KNOWN)

    def number(self, value: object, key: str) -> float:
        if isinstance(value, str) and _TIME.fullmatch(value):
            return sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(value))
        return super().number(value, key)
