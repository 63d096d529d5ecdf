"""Does a cheap answer do? One table: what an answer is, what a route asks of it, what is found."""

import pytest

from proxy.core.escalation import Escalation, Examined
from proxy.policy.checks import MAX_TEXT, Asked, find_fault, without_patterns

USUAL = Escalation()


def said(text: str = "All is well.", finish: str | None = "stop", **more: object) -> Examined:
    return Examined("r", "a/m", text, finish, **more)  # type: ignore[arg-type]


PASS = [
    (USUAL, said(), Asked()),
    (USUAL, said("", "tool_calls", tools=True), Asked(json=True)),
    (USUAL, said(finish="end_turn"), Asked()),
    (Escalation(finish=False), said(finish="length"), Asked()),
    (Escalation(refusal=False), said("I'm sorry, but I can't help with that."), Asked()),
    (USUAL, said("I'm sorry to hear that. Here is what can be done."), Asked()),
    (USUAL, said('{"a": 1}'), Asked(json=True)),
    (Escalation(valid_json=False), said("no JSON"), Asked(json=True)),
    (USUAL, said("x" * (MAX_TEXT + 1)), Asked(json=True)),
    (Escalation(valid_schema=True), said("[1]"), Asked(json=True, fits=lambda value: value == [1])),
    (Escalation(valid_schema=True), said("[1]"), Asked(json=True)),
    (Escalation(matches="well"), said(), Asked()),
    (Escalation(matches="nothing"), said("", "tool_use", tools=True), Asked()),
    (Escalation(rejects="as an AI"), said(), Asked()),
    (Escalation(min_length=5), said(), Asked()),
    (Escalation(min_length=5), said("", "tool_calls", tools=True), Asked()),
    (Escalation(min_logprob=-1.0), said(), Asked()),
    (Escalation(min_logprob=-1.0), said(logprob=-0.5), Asked()),
]
FAIL = [
    (USUAL, said(finish="length"), Asked(), "it ended with length"),
    (USUAL, said(finish=None), Asked(), "it has no finish reason"),
    (USUAL, said("I'm sorry, but I can't help with that."), Asked(), "it is a refusal"),
    (USUAL, said("I cannot assist with this request."), Asked(), "it is a refusal"),
    (USUAL, said("No.", refused=True), Asked(), "it is a refusal"),
    (Escalation(finish=False), said(finish="content_filter"), Asked(), "it is a refusal"),
    (USUAL, said("Here you are: {}"), Asked(json=True), "it is not the JSON that was asked for"),
    (USUAL, said("[" * 100_000), Asked(json=True), "it is not the JSON that was asked for"),
    (
        Escalation(valid_schema=True),
        said("[2]"),
        Asked(json=True, fits=lambda value: value == [1]),
        "it does not meet the schema that was asked for",
    ),
    (Escalation(matches="^No"), said(), Asked(), "it does not match what answers must match"),
    (Escalation(rejects="(?i)WELL"), said(), Asked(), "it matches what answers must not match"),
    (Escalation(min_length=50), said(), Asked(), "it has 12 characters, fewer than 50"),
    (Escalation(min_logprob=-1.0), said(logprob=-1.25), Asked(), "its mean logprob is -1.25, below -1"),
]


@pytest.mark.parametrize(("settings", "answer", "asked"), PASS)
def test_what_does(settings: Escalation, answer: Examined, asked: Asked) -> None:
    assert find_fault(settings, answer, asked) is None


@pytest.mark.parametrize(("settings", "answer", "asked", "fault"), FAIL)
def test_what_does_not(settings: Escalation, answer: Examined, asked: Asked, fault: str) -> None:
    assert find_fault(settings, answer, asked) == fault


def test_a_clients_patterns_are_left_out() -> None:
    schema = {
        "properties": {"a": {"type": "string", "pattern": "(a+)+$", "enum": ["x", {"pattern": "y"}]}},
        "anyOf": [{"format": "regex", "minLength": 1}],
        "patternProperties": {"(b+)+": {}},
    }
    assert without_patterns(schema) == {
        "properties": {"a": {"type": "string", "enum": ["x", {}]}},
        "anyOf": [{"minLength": 1}],
    }
