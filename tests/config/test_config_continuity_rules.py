"""What a route says about streams that are held back or cut."""

import pytest
from config_texts import route

from proxy.config.load import parse
from proxy.core.continuity import FIRST_CONTENT, WHOLE, Resume


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("", Resume.OFF),
        ("resume: off", Resume.OFF),
        ("resume: 'off'", Resume.OFF),
        ("resume: splice", Resume.SPLICE),
        ("resume: continue", Resume.CONTINUE),
        ("resume: auto", Resume.AUTO),
    ],
)
def test_modes(text: str, mode: Resume) -> None:
    (made,) = parse(route(f"targets: [a/x, b/x], {text}"), "f.yaml", {}).routes
    assert made.resume is mode


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", FIRST_CONTENT),
        ("hold: first-content", FIRST_CONTENT),
        ("hold: 50 tokens", 50),
        ("hold: 1 token", 1),
        ("hold: 50", 50),
        ("hold: '50'", 50),
        ("hold: whole", WHOLE),
    ],
)
def test_holds(text: str, tokens: int) -> None:
    (made,) = parse(route(f"targets: [a/x, b/x], {text}"), "f.yaml", {}).routes
    assert made.hold == tokens


@pytest.mark.parametrize("value", ["on", "true", "later", "[splice]", "null2"])
def test_what_is_no_mode_is_refused(complain, value: str) -> None:
    (problem,) = complain(route(f"targets: [a/x, b/x], resume: {value}"))
    assert "routes[0].resume" in problem
    assert "off, splice, continue or auto" in problem


@pytest.mark.parametrize("value", ["0", "-5", "1.5", "true", "some tokens", "50 words", "9999999 tokens", "[1]"])
def test_what_is_no_hold_is_refused(complain, value: str) -> None:
    (problem,) = complain(route(f"targets: [a/x, b/x], hold: {value}"))
    assert "routes[0].hold" in problem
    assert "first-content, whole, or a number of tokens" in problem


def test_what_is_held_whole_is_never_resumed(complain) -> None:
    (problem,) = complain(route("targets: [a/x, b/x], hold: whole, resume: auto"))
    assert "has no effect with hold: whole" in problem
    assert complain(route("targets: [a/x, b/x], hold: whole, resume: off")) == []
    assert complain(route("targets: [a/x, b/x], hold: 20 tokens, resume: auto")) == []
