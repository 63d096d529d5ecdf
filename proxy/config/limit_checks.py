"""What cannot be meant in limits and budgets, wherever they stand."""

from collections.abc import Iterator

from proxy.config.limit_rules import BudgetModel, judge_budgets
from proxy.config.source import Path
from proxy.config.validation import Draft

Findings = Iterator[tuple[Path, str]]


def check_limits(draft: Draft) -> Findings:
    """Budgets that say nothing, contradict themselves or repeat one another."""
    document = draft.document
    subjects: list[tuple[Path, tuple[BudgetModel, ...], tuple[str, ...] | None]] = [
        *((("keys", place), key.budget, None) for place, key in zip(draft.key_places, document.keys, strict=True)),
        *((("tags", name), tag.budget, None) for name, tag in document.tags.items()),
        *((("providers", name), provider.budget, None) for name, provider in document.providers.items()),
    ]
    for place, route in zip(draft.route_places, document.routes, strict=True):
        served = tuple(target.to for tier in route.targets for target in tier)
        subjects.append((("routes", place), route.budget, served))
    for where, budgets, targets in subjects:
        for below, why in judge_budgets(budgets, targets):
            yield (*where, *below), why


def check_tags(draft: Draft) -> Findings:
    """A tag without a limit is a word without effect here."""
    for name, tag in draft.document.tags.items():
        if tag.limits is None and not tag.budget:
            yield ("tags", name), "has neither limits nor a budget; tags need not be listed to be used"
