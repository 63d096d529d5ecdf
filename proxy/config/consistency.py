"""Holds a document against the rules that no single value can break.

What the rules have in common: nothing in a file may be silently without effect. A setting that does nothing is a
misunderstanding, and it is cheaper to hear of it now than during an outage.
"""

from collections.abc import Callable, Iterator

from proxy.config import (
    alert_rules,
    capacity_rules,
    continuity_rules,
    credential_rules,
    detect_rules,
    ledger_rules,
    limit_checks,
    provider_rules,
    resilience_rules,
    route_rules,
    server_rules,
)
from proxy.config.source import Path
from proxy.config.validation import Draft
from proxy.core.errors import ConfigProblem

Rule = Callable[[Draft], Iterator[tuple[Path, str]]]

RULES: tuple[Rule, ...] = (
    server_rules.check_listeners,
    server_rules.check_anything,
    server_rules.check_keys,
    server_rules.check_key_store,
    server_rules.check_breaker,
    detect_rules.check_detect,
    ledger_rules.check_ledger,
    provider_rules.check_names,
    provider_rules.check_kinds,
    provider_rules.check_places,
    provider_rules.check_addresses,
    provider_rules.check_credentials,
    provider_rules.check_plaintext,
    credential_rules.check_origins,
    credential_rules.check_files,
    credential_rules.check_issuers,
    provider_rules.check_headers,
    provider_rules.check_relay,
    provider_rules.check_use,
    provider_rules.check_probes,
    route_rules.check_targets,
    route_rules.check_models,
    route_rules.check_strategy,
    route_rules.check_prices,
    route_rules.check_timeouts,
    route_rules.check_retry,
    route_rules.check_conditions,
    route_rules.check_facts,
    continuity_rules.check_continuity,
    capacity_rules.check_overload,
    resilience_rules.check_hedge,
    resilience_rules.check_degrade,
    resilience_rules.check_escalate,
    limit_checks.check_limits,
    limit_checks.check_tags,
    alert_rules.check_webhooks,
    alert_rules.check_topics,
    alert_rules.check_thresholds,
    alert_rules.check_feeds,
)


#: Rules that look at single values and names: what was left out of an element cannot mislead them.
SURE: frozenset[Rule] = frozenset(
    {
        provider_rules.check_names,
        provider_rules.check_credentials,
        provider_rules.check_headers,
        credential_rules.check_files,
        credential_rules.check_issuers,
        route_rules.check_targets,
        route_rules.check_models,
        server_rules.check_listeners,
    }
)


#: Rules that ask this machine for what only the machine that serves has to have.
SURROUNDINGS: frozenset[Rule] = frozenset(
    {credential_rules.check_files, ledger_rules.check_ledger, server_rules.check_key_store}
)


def find_problems(draft: Draft, spared: frozenset[Rule] = frozenset()) -> list[ConfigProblem]:
    """Everything that cannot be meant, in the order of the rules, but for those that are spared."""
    return [
        draft.problem(location, message)
        for rule in RULES
        if rule not in spared
        for location, message in rule(draft)
        if rule in SURE or not draft.hurt(location)
    ]
