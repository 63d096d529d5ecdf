"""What about hedges and the like could never take effect, or cannot be meant."""

from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

from proxy.config.conversion import fit_timeouts, overlay
from proxy.config.source import Path
from proxy.config.units import show_duration
from proxy.config.validation import Draft
from proxy.core.continuity import WHOLE, Resume
from proxy.core.settings import RetrySettings

Findings = Iterator[tuple[Path, str]]


def check_hedge(draft: Draft) -> Findings:
    """A second copy needs a second target, an attempt that is left, and a moment before the first one is given up."""
    defaults = draft.document.defaults
    for index, route in draft.routes:
        hedge = route.hedge
        if hedge is None:
            continue
        here: Path = ("routes", index, "hedge")
        if sum(len(tier) for tier in route.targets) < 2:
            yield here, "has no effect with one target: the second copy of a request goes to another one"
        elif overlay(RetrySettings(), defaults.retry, route.retry).attempts < 2:
            yield here, "has no effect with retry.attempts: 1; a second copy is a second attempt"
        limits = fit_timeouts(defaults.timeout, route.timeout)
        longest = max(limits.first_content, limits.whole)
        if hedge.after is not None and hedge.after >= longest:
            yield (
                (*here, "after"),
                f"{show_duration(hedge.after)} is not below the limit at which an attempt is given up"
                f" ({show_duration(longest)}), so it can never be reached",
            )


def check_degrade(draft: Draft) -> Findings:
    """Something to fall to, attempts that are left for it, and a limit that is for somebody."""
    defaults = draft.document.defaults
    stale = False
    for index, route in draft.routes:
        degrade = route.degrade
        if degrade is None:
            continue
        here: Path = ("routes", index, "degrade")
        stale = stale or degrade.stale is not None
        if not degrade.targets and degrade.stale is None:
            yield here, "says nothing to fall to; write targets, or stale with the age of answers that may be repeated"
        if degrade.max_output is not None and not degrade.targets:
            yield (*here, "max_output"), "has no effect without degrade.targets, whose answers it limits"
        attempts = overlay(RetrySettings(), defaults.retry, route.retry).attempts
        if degrade.targets and attempts == 1:
            yield (*here, "targets"), "with retry.attempts: 1 nothing can ever fall back on them"
    if draft.document.cache is not None and not stale:
        yield ("cache",), "has no effect: no route has degrade.stale"


def check_escalate(draft: Draft) -> Findings:
    """A later tier to ask, an attempt that is left, a package that knows schemas, and nothing that streams before it is
    checked."""
    defaults = draft.document.defaults
    for index, route in draft.routes:
        escalate = route.escalate
        if escalate is None:
            continue
        here: Path = ("routes", index, "escalate")
        if len(route.targets) < 2:
            yield here, "has no effect with one tier: answers that do not do are asked for again in a later one"
        elif overlay(RetrySettings(), defaults.retry, route.retry).attempts < 2:
            yield here, "has no effect with retry.attempts: 1; asking the next tier is a second attempt"
        if route.hold is not None and route.hold != WHOLE:
            yield ("routes", index, "hold"), "has no effect with escalate, which holds every answer until it is whole"
        if route.resume is not None and route.resume is not Resume.OFF:
            yield ("routes", index, "resume"), "has no effect with escalate: nothing is sent before the answer is whole"
        if escalate.valid_schema and find_spec("jsonschema") is None:
            yield (*here, "valid_schema"), 'needs the package jsonschema: pip install "undimmed[schema]"'
        if escalate.webhook is not None and urlsplit(escalate.webhook).scheme not in ("http", "https"):
            yield (*here, "webhook"), "is no address that begins with https:// or http://"
        if escalate.timeout is not None and not escalate.command and escalate.webhook is None:
            yield (*here, "timeout"), "has no effect without command or webhook"
