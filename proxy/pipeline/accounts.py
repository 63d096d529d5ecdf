"""Requests that name no model, or name something stored: which account of a provider they go to.

An account is one credential of one provider, and a target of its own (`openai/#1`), with a breaker like any other. What was
made in an account is pinned to it (`policy/pins.py`): later requests for it go there and nowhere else, never to another
account that would deny it. An id that nobody here knows is looked for in every account in turn if the request only
reads, and refused in clear words otherwise. What names nothing goes to the provider that the client chose by header or, if
only one has the endpoint, to that.

Invariants: no request names a host or a credential, only a configured provider that its key may use; a key that is
restricted to routes sees what it made itself, and is not let into what runs models behind the routes' back (batches,
relayed paths) unless its routes say `relay`; what may have been done is not done again (`REFUSED`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from proxy.core.call import Call, Envelope
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest
from proxy.core.features import Fate, Feature
from proxy.core.outcome import OutcomeKind
from proxy.core.problem import Problem
from proxy.core.records import AttemptRecord
from proxy.core.settings import Credential, Route
from proxy.pipeline.routing import RouteState, Routing, bind_candidates, narrow
from proxy.policy.pins import Pin, Pins, Resource
from proxy.policy.strategies import Candidate
from proxy.wire.openai_envelope import read_value
from proxy.wire.reading import Answer, StreamReader
from proxy.wire.references import Reference, find_references
from proxy.wire.resources import RESOURCES, Place, find_place, list_batch_files

RELAY = "relay"
PROVIDER_HEADER = "x-undimmed-provider"
ROUTE_HEADER = "x-undimmed-route"
#: Accounts that an unknown id is looked for in.
MAX_ASKED = 16
#: After these nothing was done, so that something which must not be done twice may be tried again.
REFUSED = frozenset(
    {
        OutcomeKind.CONNECT_FAILED,
        OutcomeKind.CONNECT_TIMEOUT,
        OutcomeKind.RATE_LIMITED,
        OutcomeKind.QUOTA_EXHAUSTED,
        OutcomeKind.AUTH_FAILED,
        OutcomeKind.MODEL_FORBIDDEN,
    }
)


@dataclass(slots=True)
class Bound:
    """Where a call may go. `excluded`: by target id, the credentials that are other accounts. `careful`: only what was
    refused may be tried again."""

    route: RouteState
    excluded: Mapping[str, Collection[str]]
    careful: bool = False


class Account(NamedTuple):
    """One credential of one provider."""

    provider: str
    credential: str
    candidate: Candidate


class Accounts:
    """See the module's text. Holds the pins."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins

    def open(self, routing: Routing, request: ClientRequest, place: Place, envelope: Envelope) -> Bound | Problem:
        """Where a request goes that names no model."""
        granted = request.routes is None or RELAY in request.routes
        if not granted and (place.endpoint in (Endpoint.RELAY, Endpoint.BATCHES) or not (place.id or place.makes)):
            return _restricted()
        known = list_accounts(routing, place.endpoint, request.routes)
        accounts = choose_accounts(routing, request, known)
        if isinstance(accounts, Problem):
            return accounts
        named = _name_thing(place, envelope)
        if named is not None:
            pin = self._find(named, request)
            if isinstance(pin, Problem):
                return pin
            if pin is not None:
                accounts = [account for account in known if _is_home(pin, account)]
                if not accounts:
                    return _problem(named, "belongs to an account that is not configured any more, or not for this key")
            elif not granted:
                return _problem(named, "is not known to belong to this key")
            elif len(accounts) > 1 and request.method != "GET":
                return _problem(named, _LOST)
        elif len({account.provider for account in accounts}) > 1:
            return _ask_for_choice(accounts)
        return _bind(
            routing, place, accounts[:MAX_ASKED], careful=request.method != "GET" or place.endpoint is Endpoint.RELAY
        )

    def follow(
        self, routing: Routing, state: RouteState, request: ClientRequest, envelope: Envelope
    ) -> Bound | Problem | None:
        """A routed request that names stored things: the part of its route that is in their account. None: it names none, or
        none of the route's providers stores such things, which they will say themselves."""
        home: Pin | None = None
        part: RouteState | None = None
        for named in find_references(envelope, request.endpoint, files=self._pins.count(Resource.FILE) > 0):
            pin = self._find(named, request)
            if isinstance(pin, Problem):
                return pin
            if home is not None and pin is not None and not _is_same_account(home, pin):
                return _problem(named, "is in another account than what else this request names")
            able = narrow(part or state, partial(_stores, routing, request.endpoint, _FEATURES[named.thing]))
            if able is None:
                continue
            if pin is None and _count_homes(able) > 1:
                return _problem(named, _LOST)
            narrowed = able if pin is None else narrow(able, partial(_serves, pin))
            if narrowed is None and pin is not None:
                return _problem(named, f"belongs to an account of {_provider_of(pin)} that no target of this route uses")
            home, part = pin or home, narrowed
        if part is None:
            return None
        others = {c.state.id: _others(c, home.credential_id) for c in part.candidates} if home is not None else {}
        return Bound(part, others)

    def note(self, call: Call, record: AttemptRecord, key: str | None, answer: Answer | StreamReader) -> None:
        """An attempt succeeded: remember what its account holds now."""
        made = answer.resource_id
        if call.endpoint is Endpoint.RESPONSES and made is not None:
            self._pins.note(Resource.RESPONSE, made, record.target, record.credential, owner=key)
        place = find_place(call.method, call.path.partition("?")[0]) if call.endpoint in RESOURCES else None
        if place is None or not place.thing:
            return
        kind = Resource(place.thing)
        if place.ends:
            self._pins.forget(kind, place.id)
        elif made is not None and (place.makes or made == place.id):
            self._pins.note(kind, made, record.target, record.credential, owner=key)
            if kind is Resource.BATCH and isinstance(answer, Answer):
                for name in list_batch_files(answer.body):
                    self._pins.note(Resource.FILE, name, record.target, record.credential, owner=key)

    def _find(self, named: Reference, request: ClientRequest) -> Pin | Problem | None:
        """The account of a thing; a Problem where it is another client's."""
        kind = Resource(named.thing)
        pin = self._pins.find(kind, named.id, owner=request.key)
        if pin is None and self._pins.is_known(kind, named.id):
            return _problem(named, "does not exist, or not for this key")
        return pin


def list_accounts(routing: Routing, endpoint: Endpoint, allowed: frozenset[str] | None) -> list[Account]:
    """Every account that has the endpoint and that a key with these routes may use, in the order of the configuration."""
    reachable = routing.reach(allowed)
    accounts: list[Account] = []
    for provider in routing.settings.providers.values():
        if provider.name not in reachable and not (provider.relay and allowed is not None and RELAY in allowed):
            continue
        for credential in provider.credentials or (Credential(f"{provider.name}#0"),):
            candidate = routing.account(provider.name, credential.id)
            if candidate.ability.serves is None or endpoint in candidate.ability.serves:
                accounts.append(Account(provider.name, credential.id, candidate))
    return accounts


def choose_accounts(routing: Routing, request: ClientRequest, accounts: Sequence[Account]) -> Sequence[Account] | Problem:
    """Those of the provider, or of the route, that the client names by header; all where it names none."""
    name = request.headers.get(PROVIDER_HEADER)
    model = request.headers.get(ROUTE_HEADER)
    if name is None and model is not None:
        state = routing.find(model)
        usable = state is not None and routing.allows(state, model, request.routes)
        has = {account.provider for account in accounts}
        served = [c.target.provider for c in state.candidates if c.target.provider in has] if state and usable else []
        name = next(iter(served), "")
    chosen = [account for account in accounts if name is None or account.provider == name]
    if chosen:
        return chosen
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(account.provider for account in accounts))
    if not names:
        return Problem(404, "No provider that this key may use serves this path.", code="unsupported_endpoint")
    header = PROVIDER_HEADER if PROVIDER_HEADER in request.headers else ROUTE_HEADER
    return Problem(400, f"The header {header} names no provider that serves this path; there is {names}.", param=header)


def _name_thing(place: Place, envelope: Envelope) -> Reference | None:
    """The stored thing that decides where the request goes."""
    if place.id:
        return Reference(place.thing, place.id, "id")
    if place.makes and place.endpoint is Endpoint.BATCHES:
        file_id = read_value(envelope, "input_file_id")
        return Reference(Resource.FILE, file_id, "input_file_id") if isinstance(file_id, str) else None
    return None


def _bind(routing: Routing, place: Place, accounts: Sequence[Account], careful: bool) -> Bound:
    settings = routing.settings
    retry = replace(settings.retry, attempts=max(settings.retry.attempts, len(accounts)))
    targets = tuple((account.candidate.target,) for account in accounts)
    route = Route(place.endpoint.value, (), targets, timeouts=settings.timeouts, retry=retry)
    state = bind_candidates(route, tuple((account.candidate,) for account in accounts))
    return Bound(state, {a.candidate.state.id: _others(a.candidate, a.credential) for a in accounts}, careful)


def _others(candidate: Candidate, credential: str) -> frozenset[str]:
    known = (state.credential.id for state in candidate.state.ring.credentials)
    return frozenset(name for name in known if name != credential)


def _provider_of(pin: Pin) -> str:
    return pin.target_id.partition("/")[0]


def _is_home(pin: Pin, account: Account) -> bool:
    return (account.provider, account.credential) == (_provider_of(pin), pin.credential_id)


def _serves(pin: Pin, candidate: Candidate) -> bool:
    """Is this target in the account of the pin?"""
    known = (state.credential.id for state in candidate.state.ring.credentials)
    return candidate.target.provider == _provider_of(pin) and pin.credential_id in known


def _stores(routing: Routing, endpoint: Endpoint, feature: Feature, candidate: Candidate) -> bool:
    """Does this target's provider know such things at all?"""
    return routing.kinds[candidate.target.provider].fate(endpoint, feature) is not Fate.REFUSED


def _is_same_account(one: Pin, other: Pin) -> bool:
    return (_provider_of(one), one.credential_id) == (_provider_of(other), other.credential_id)


def _count_homes(state: RouteState) -> int:
    return len({(c.target.provider, key.credential.id) for c in state.candidates for key in c.state.ring.credentials})


_LOST = (
    "was not made through this proxy since it started, so its account is not known: retrieve it once, which looks for it in"
    f" every account, or name its provider in the header {PROVIDER_HEADER}"
)


#: What a target must be able to do with a thing that a request names.
_FEATURES: Mapping[str, Feature] = {
    Resource.RESPONSE: Feature.STATE,
    Resource.CONVERSATION: Feature.STATE,
    Resource.FILE: Feature.FILE_IDS,
}
#: OpenAI's own codes.
_CODES = {"previous_response_id": "previous_response_not_found"}


def _problem(named: Reference, why: str) -> Problem:
    """Of a thing in the path 404, of one in the body 400 with the name of its field."""
    status, param = (404, None) if named.param == "id" else (400, named.param)
    code = _CODES.get(named.param, f"{named.thing}_not_found")
    return Problem(status, f"The {named.thing} `{named.id}` {why}.", code=code, param=param)


def _restricted() -> Problem:
    message = "This key is restricted to some routes (keys.routes), and this path reaches beyond them"
    return Problem(403, f"{message}; `relay` among its routes allows it.", code="insufficient_permissions")


def _ask_for_choice(accounts: Sequence[Account]) -> Problem:
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(account.provider for account in accounts))
    message = f"Several providers serve this path: say which in the header {PROVIDER_HEADER} ({names}), or name a model in"
    return Problem(400, f"{message} {ROUTE_HEADER}.", code="provider_required", param=PROVIDER_HEADER)
