"""A sound history, and every way in which one thing about it may be wrong."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest, Downstream
from proxy.core.outcome import OK, Outcome, OutcomeKind
from proxy.core.records import AttemptRecord, CallRecord, StateChange
from proxy.core.settings import Credential, Origin, Provider, Route, ServerSettings, Settings, Target
from proxy.core.usage import Usage, UsageSource
from proxy.rehearse.client import SimulatedClient, Wish
from proxy.rehearse.invariants import Evidence, check
from proxy.rehearse.network import Contact
from proxy.rehearse.virtual_loop import run

GOOD = b'data: {"id":"chatcmpl-a-1","choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
BROKEN = Outcome(OutcomeKind.SERVER_ERROR, 500)


def made_settings() -> Settings:
    providers = {
        name: Provider(
            name, "openai", "custom", Origin("http", name, 80), (Credential(f"{name}#1"), Credential(f"{name}#2"))
        )
        for name in ("a", "b", "c")
    }
    route = Route("lamp", ("lamp",), ((Target("a", "m"),), (Target("b", "m"),), (Target("c", "m"),)))
    return Settings(ServerSettings(), providers, (route,))


def answered(label: str, body: bytes = GOOD, status: int = 200, leaves: float | None = None) -> SimulatedClient:
    async def main(rng: Random) -> SimulatedClient:
        async def serve(request: ClientRequest, downstream: Downstream) -> None:
            downstream.start(status, [], None)
            downstream.write(body)
            downstream.finish()

        client = SimulatedClient(Wish(label, leaves=leaves))
        if leaves is not None:
            client.downstream.left_at = leaves
            return client
        return await client.ask(serve)

    return run(main, seed=0)


def attempt(target: str, at: float, outcome: Outcome = BROKEN, **changed: object) -> AttemptRecord:
    usage = Usage(1, 7) if outcome.ok else None
    provider = target.partition("/")[0]
    status = 200 if outcome.ok else outcome.status
    record = AttemptRecord(target, provider, f"{provider}#1", at, outcome, status=status, usage=usage)
    for name, value in changed.items():
        setattr(record, name, value)
    return record


def contact(target: str, at: float, label: str, **changed: object) -> Contact:
    provider, _, model = target.partition("/")
    made = Contact(0, provider, model, "/v1/chat/completions", label, "k", at, ended_at=at, status=200, ending="complete")
    made.tokens = 7
    return replace(made, **changed)  # type: ignore[arg-type]


def record(name: str, *attempts: AttemptRecord, **changed: object) -> CallRecord:
    made = CallRecord(name, "lamp", Endpoint.CHAT, True, None, 0.0, attempts[0].started_at if attempts else 0.0, status=200)
    made.attempts = list(attempts)
    for key, value in changed.items():
        setattr(made, key, value)
    return made


def sound() -> Evidence:
    """Two requests: one straight, one failed over from a to b."""
    return Evidence(
        settings=made_settings(),
        clients=[answered("r1"), answered("r2", GOOD.replace(b"a-1", b"b-1"))],
        contacts=[
            contact("a/m", 0.0, "r1"),
            contact("a/m", 0.0, "r2", status=500, tokens=0),
            contact("b/m", 0.0, "r2"),
            contact("b/m", 0.0, "", ended_at=50.0),
        ],
        records=[
            record("1", attempt("a/m", 0.0, OK)),
            record("2", attempt("a/m", 0.0), attempt("b/m", 0.0, OK)),
        ],
    )


def change(subject: str, at: float, before: str, after: str, endpoint: str | None = "chat") -> StateChange:
    return StateChange(at, subject, endpoint, before, after, "because")


def opened(evidence: Evidence, *changes: StateChange, **fields: object) -> Evidence:
    return replace(evidence, changes=list(changes), **fields)  # type: ignore[arg-type]


def with_record(evidence: Evidence, *attempts: AttemptRecord, **changed: object) -> Evidence:
    """A third request with these attempts, seen by everybody as recorded."""
    started = attempts[0].started_at
    seen = [
        contact(one.target, one.started_at, "r3", status=one.status, tokens=7 if one.outcome.ok else 0, ended_at=0.0)
        for one in attempts
    ]
    return replace(
        evidence,
        clients=[*evidence.clients, answered("r3")],
        contacts=[*evidence.contacts, *seen],
        records=[*evidence.records, record("3", *attempts, started_at=started, **changed)],
    )


def test_a_sound_history_is_sound():
    assert check(sound()) == []


def test_i1_every_request_ends_once():
    evidence = sound()
    evidence.clients[0].downstream.finished_at = None
    assert any("never got an end" in line for line in check(evidence))
    evidence = sound()
    evidence.clients[0].downstream.aborted_at = 1.0
    assert any("both finished and aborted" in line for line in check(evidence))
    evidence = sound()
    evidence.clients[0].downstream.write(b"more")
    assert any("write after the end" in line for line in check(evidence))


def test_i1_records_and_clients_agree():
    evidence = sound()
    assert any("but 1 call records" in line for line in check(replace(evidence, records=evidence.records[:1])))
    evidence.records[1].id = "1"
    assert any("recorded 2 times" in line for line in check(evidence))
    evidence = sound()
    evidence.records[0].status = 502
    assert any("clients were told" in line for line in check(evidence))


def test_i2_attempts_are_few_and_in_time():
    many = with_record(sound(), *(attempt(f"{name}/m", 0.0) for name in "abca"))
    assert any("made 4 attempts, 3 allowed" in line for line in check(many))
    late = with_record(sound(), attempt("a/m", 0.0), attempt("b/m", 601.0, OK), ended_at=601.0)
    assert any("after its deadline" in line for line in check(late))


REPEATS: dict[str, tuple[Callable[[Evidence], Evidence], bool]] = {
    "untried and closed": (lambda e: e, True),
    "the others are open": (
        lambda e: opened(e, change("b/m", -5, "closed", "open"), change("c/m", -5, "closed", "open")),
        False,
    ),
    "the others ramp up": (
        lambda e: opened(e, *(change(t, at, b, a) for t in ("b/m", "c/m") for at, b, a in CYCLE)),
        False,
    ),
    "only one of the others is open": (lambda e: opened(e, change("b/m", -5, "closed", "open")), True),
    "open for another endpoint": (
        lambda e: opened(
            e, change("b/m", -5, "closed", "open", "embeddings"), change("c/m", -5, "closed", "open", "embeddings")
        ),
        True,
    ),
}
CYCLE = [(-9, "closed", "open"), (-5, "open", "half_open"), (-4, "half_open", "closed")]


@pytest.mark.parametrize("name", REPEATS)
def test_i2_the_same_target_only_where_nothing_is_untried(name: str):
    build, wrong = REPEATS[name]
    evidence = build(with_record(sound(), attempt("a/m", 1.0), attempt("a/m", 1.5, OK)))
    assert any("again while" in line for line in check(evidence)) is wrong


def test_i2_another_credential_of_the_same_target_is_fair():
    unauthorised = Outcome(OutcomeKind.AUTH_FAILED, 401)
    rotated = with_record(sound(), attempt("a/m", 1.0, unauthorised), attempt("a/m", 1.0, OK, credential="a#2"))
    assert check(rotated) == []
    same = with_record(sound(), attempt("a/m", 1.0, unauthorised), attempt("a/m", 1.0, OK))
    assert any(line.startswith("I2") for line in check(same))


def test_i3_one_answer_per_response():
    evidence = sound()
    mixed = replace(evidence, clients=[answered("r1", GOOD + GOOD.replace(b"a-1", b"b-9")), evidence.clients[1]])
    assert any("I3: r1 received bytes of several answers" in line for line in check(mixed))
    assert check(replace(mixed, resumes=True)) == []


def test_i4_open_means_no():
    went = with_record(sound(), attempt("a/m", 5.0, OK))
    assert any(line.startswith("I4") for line in check(opened(went, change("a/m", 4.0, "closed", "open"))))
    assert check(opened(went, change("a/m", 5.0, "closed", "open"))) == []
    assert check(opened(went, change("a/m", 4.0, "closed", "open", "embeddings"))) == []
    credential = opened(went, change("a#1", 4.0, "ok", "open", None))
    assert any("sent to a#1" in line for line in check(credential))
    trial = with_record(sound(), attempt("a/m", 5.0, OK, trial=True))
    assert check(opened(trial, change("a/m", 4.0, "closed", "open"))) == []


def test_i5_what_was_sent_is_what_is_written():
    evidence = sound()
    unseen = replace(evidence, contacts=evidence.contacts[1:])
    assert any("nobody saw" in line for line in check(unseen))
    unwritten = replace(evidence, contacts=[*evidence.contacts, contact("c/m", 0.0, "r2")])
    assert any("stands in no record" in line for line in check(unwritten))
    gone = with_record(sound(), attempt("a/m", 1.0, Outcome(OutcomeKind.CLIENT_GONE)))
    assert check(replace(gone, contacts=[c for c in gone.contacts if c.label != "r3"])) == []


def test_i5_reported_tokens_are_the_vendors():
    evidence = sound()
    evidence.records[0].attempts[0].usage = Usage(1, 8)
    assert any(line.startswith("I5") for line in check(evidence))
    evidence.records[0].attempts[0].usage = Usage(1, 8, source=UsageSource.ESTIMATE)
    assert check(evidence) == []


def crowded(count: int, *outcomes: str) -> Evidence:
    """`count` requests within a second, each with attempts on these targets."""
    evidence = sound()
    clients, contacts, records = [], [], []
    for number in range(count):
        at = 20.0 + number / count
        made = [attempt(target, at, OK if place == len(outcomes) - 1 else BROKEN) for place, target in enumerate(outcomes)]
        records.append(record(f"n{number}", *made))
        client = answered(f"n{number}")
        client.downstream.finished_at = at
        clients.append(client)
        contacts += [
            contact(one.target, at, f"n{number}", status=one.status, tokens=7 if one.outcome.ok else 0) for one in made
        ]
    return replace(evidence, clients=clients, contacts=contacts, records=records)


def test_i6_third_attempts_are_budgeted():
    assert any("budgeted retries on c/m" in line for line in check(crowded(10, "a/m", "b/m", "c/m")))
    assert check(crowded(3, "a/m", "b/m", "c/m")) == []


def test_i6_attempts_are_not_amplified():
    doubled = crowded(30, "a/m", "b/m")
    assert any("60 attempts for the 30 requests" in line for line in check(doubled))
    assert check(replace(doubled, faults=[19.5])) == []


def test_i7_nobody_works_for_the_gone():
    evidence = sound()
    left = answered("r1", leaves=3.0)
    evidence = replace(evidence, clients=[left, evidence.clients[1]])
    evidence.records[0].outcome = OutcomeKind.CLIENT_GONE
    evidence.contacts[0].ended_at = 3.9
    assert check(evidence) == []
    for end in (4.1, None):
        evidence.contacts[0].ended_at = end
        assert any("I7: a/m still worked for r1" in line for line in check(evidence))


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        (["closed open", "open half_open", "half_open open", "open half_open", "half_open closed"], None),
        (["closed half_open"], "went from closed to half_open"),
        (["closed open", "open closed"], "went from open to closed"),
        (["closed open", "half_open closed"], "left half_open at 1.000 s but was open"),
        (["held free"], None),
    ],
)
def test_i8_paths(steps: list[str], complaint: str | None):
    changes = [change("z/m", float(at), *step.split()) for at, step in enumerate(steps)]
    found = check(opened(sound(), *changes))
    assert any(complaint in line for line in found) if complaint else found == []


def test_i8_time_goes_forward():
    found = check(opened(sound(), change("z/m", 5.0, "closed", "open"), change("z/m", 4.0, "open", "half_open")))
    assert any("after a change at 5.000 s" in line for line in found)
