"""What a target can carry: certain misfits, doubts about models, and the operator's word against a doubt."""

from dataclasses import replace

import pytest
from policy_builders import CHAT, make_candidate, make_choice, make_target, open_breaker

from proxy.core.call import Needs
from proxy.core.endpoints import Endpoint
from proxy.core.facts import ModelFacts
from proxy.core.features import Feature
from proxy.core.settings import When
from proxy.policy.abilities import ANYTHING, Ability, doubt, is_plain, misfit
from proxy.policy.selection import Selection, select
from proxy.policy.strategies import Candidate, ordered

AUDIO = Needs(features=frozenset({Feature.AUDIO_INPUT}))
TOOLS = Needs(tools=True, features=frozenset({Feature.TOOLS}))
DEAF = Ability(refuses={CHAT: frozenset({Feature.AUDIO_INPUT})})
NO_TOOLS = ModelFacts(lacks=frozenset({Feature.TOOLS, Feature.IMAGES}))


@pytest.mark.parametrize(
    ("when", "needs", "reason"),
    [
        (When(tools=True), Needs(tools=True), None),
        (When(tools=True), Needs(), "it is for requests with tools"),
        (When(tools=False), Needs(tools=True), "it is for requests without tools"),
        (When(images=True), Needs(), "it is for requests with images"),
        (When(audio=True), Needs(), "it is for requests with audio"),
        (When(audio=False), AUDIO, "it is for requests without audio"),
        (When(reasoning=True), Needs(features=frozenset({Feature.REASONING})), None),
        (When(documents=True), Needs(), "it is for requests with documents"),
        (
            When(json_schema=False),
            Needs(features=frozenset({Feature.JSON_SCHEMA})),
            "it is for requests without json_schema",
        ),
        (When(stream=False), Needs(stream=True), "it is for requests without stream"),
        (When(), Needs(tools=True, images=True, stream=True, tokens=9), None),
        (When(min_tokens=10), Needs(tokens=9), "it is for requests of at least 10 tokens, this has about 9"),
        (When(min_tokens=10), Needs(tokens=10), None),
        (When(max_tokens=10), Needs(tokens=11), "it is for requests of at most 10 tokens, this has about 11"),
        (When(max_tokens=10), Needs(tokens=10), None),
        (None, Needs(tools=True), None),
    ],
)
def test_conditions(when: When | None, needs: Needs, reason: str | None) -> None:
    assert misfit(make_target(when=when), ANYTHING, CHAT, needs) == reason


@pytest.mark.parametrize(
    ("tokens", "reason"), [(4096, None), (4097, "the request has about 4097 tokens, its context holds 4096")]
)
def test_a_context_window_that_the_operator_wrote_is_certain(tokens: int, reason: str | None) -> None:
    target = replace(make_target(window=4096), facts=ModelFacts(context_window=10))
    assert misfit(target, ANYTHING, CHAT, Needs(tokens=tokens)) == reason
    assert doubt(target, Needs(tokens=tokens)) is None


def test_what_a_wire_format_has_no_words_for() -> None:
    assert misfit(make_target(), DEAF, CHAT, AUDIO) == "its wire format cannot carry audio.input"
    assert misfit(make_target(), DEAF, Endpoint.EMBEDDINGS, AUDIO) is None
    assert misfit(make_target(), DEAF, CHAT, TOOLS) is None
    assert misfit(make_target(), Ability(serves=frozenset({CHAT})), Endpoint.EMBEDDINGS, Needs()) == (
        "its provider does not serve embeddings"
    )


@pytest.mark.parametrize(
    ("facts", "needs", "reason"),
    [
        (ModelFacts(), TOOLS, None),
        (NO_TOOLS, TOOLS, "its model cannot do tools"),
        (NO_TOOLS, Needs(), None),
        (ModelFacts(context_window=10), Needs(tokens=11), "the request has about 11 tokens, its model's context holds 10"),
        (ModelFacts(context_window=10), Needs(tokens=10), None),
        (ModelFacts(max_output=10), Needs(output=11), "the request allows 11 tokens of answer, its model writes 10"),
        (ModelFacts(max_output=10), Needs(output=10), None),
    ],
)
def test_doubts_about_a_model(facts: ModelFacts, needs: Needs, reason: str | None) -> None:
    assert doubt(replace(make_target(), facts=facts), needs) == reason


def test_the_operators_word_silences_a_doubt() -> None:
    assert doubt(replace(make_target(when=When(tools=True)), facts=NO_TOOLS), TOOLS) is None
    assert doubt(replace(make_target(when=When(images=True)), facts=NO_TOOLS), TOOLS) == "its model cannot do tools"


def test_plain_targets_need_no_look_at_the_request() -> None:
    assert is_plain(make_target(), ANYTHING, CHAT)
    assert not is_plain(make_target(when=When(tools=True)), ANYTHING, CHAT)
    assert not is_plain(replace(make_target(), facts=NO_TOOLS), ANYTHING, CHAT)
    assert not is_plain(make_target(), DEAF, CHAT)
    assert is_plain(make_target(), DEAF, Endpoint.EMBEDDINGS)
    assert not is_plain(make_target(), Ability(serves=frozenset()), CHAT)


def doubtful(name: str) -> Candidate:
    candidate = make_candidate(name)
    return replace(candidate, target=replace(candidate.target, facts=NO_TOOLS))


def run(*tiers: list[Candidate], needs: Needs = TOOLS, tried: frozenset[str] = frozenset()) -> Selection:
    return select(tiers, ordered, make_choice(), tried, {}, needs)


def test_a_doubtful_target_is_passed_over_while_the_route_has_another() -> None:
    first, second = doubtful("a/m"), make_candidate("b/m")
    selection = run([first], [second])
    assert selection.candidate is second
    assert selection.reasons() == [("a/m", "its model cannot do tools")]
    assert run([first], [second], needs=Needs()).candidate is first


def test_an_outage_does_not_make_a_doubtful_target_able() -> None:
    first, second = doubtful("a/m"), make_candidate("b/m")
    open_breaker(second.state, 100.0)
    assert run([first], [second]).candidate is None


def test_where_all_are_doubtful_their_vendors_are_asked() -> None:
    first, second = doubtful("a/m"), doubtful("b/m")
    assert run([first], [second]).candidate is first
    assert run([first], [second], tried=frozenset({"a/m"})).candidate is second


def test_a_misfit_does_not_count_as_another() -> None:
    deaf = replace(make_candidate("b/m"), ability=Ability(refuses={CHAT: frozenset({Feature.TOOLS})}))
    first = doubtful("a/m")
    assert run([deaf], [first]).candidate is first
