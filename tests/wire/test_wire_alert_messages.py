"""Bodies of webhooks: our own shape, and Slack's held against Block Kit's rules."""

import base64
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.alarming import Notice, NoticeState, Severity, Topic
from proxy.wire.alert_messages import encode_json, encode_slack
from proxy.wire.webhook_signature import read_secret, sign

NOTICE = Notice(
    alert="alert_1",
    step=2,
    state=NoticeState.FIRING,
    topic=Topic.TARGET,
    condition="target.open",
    severity=Severity.CRITICAL,
    subject="a/m (chat)",
    text="a/m (chat) is out of traffic since 14:00 UTC: 5 failures",
    since=1_764_079_200.0,
    at=1_764_079_230.5,
    provider="a",
    value=30.5,
    threshold=30.0,
    hint="status page: major",
)


def check_text(value: Any, kind: str, limit: int) -> None:
    assert set(value) <= {"type", "text", "emoji", "verbatim"}
    assert value["type"] == kind
    assert isinstance(value["text"], str)
    assert 1 <= len(value["text"]) <= limit
    if kind == "mrkdwn":
        assert "emoji" not in value
        bare = (
            re.sub(r"<!date\^\d+\^[^|<>]+\|[^|<>]+>", "", value["text"])
            .replace("&amp;", "")
            .replace("&lt;", "")
            .replace("&gt;", "")
        )
        assert not set("&<>") & set(bare), "control characters are escaped, and no escape is cut in two"


def check_slack(body: bytes) -> dict[str, Any]:
    """By docs.slack.dev/reference/block-kit/blocks: header, section and context."""
    message: dict[str, Any] = json.loads(body)
    assert set(message) == {"text", "blocks"}
    assert 1 <= len(message["text"]) <= 4000
    assert 1 <= len(message["blocks"]) <= 50
    for block in message["blocks"]:
        if block["type"] == "header":
            assert set(block) == {"type", "text"}
            check_text(block["text"], "plain_text", 150)
        elif block["type"] == "section":
            assert set(block) == {"type", "text"}
            check_text(block["text"], "mrkdwn", 3000)
        else:
            assert block["type"] == "context"
            assert set(block) == {"type", "elements"}
            assert 1 <= len(block["elements"]) <= 10
            for element in block["elements"]:
                check_text(element, "mrkdwn", 3000)
    return message


def test_json() -> None:
    assert json.loads(encode_json(NOTICE)) == {
        "type": "alert.firing",
        "timestamp": "2025-11-25T14:00:30.500Z",
        "version": 1,
        "data": {
            "id": "alert_1.firing.2",
            "alert": "alert_1",
            "state": "firing",
            "step": 2,
            "topic": "target",
            "condition": "target.open",
            "severity": "critical",
            "subject": "a/m (chat)",
            "provider": "a",
            "text": NOTICE.text,
            "since": "2025-11-25T14:00:00.000Z",
            "value": 30.5,
            "threshold": 30.0,
            "status_page": "status page: major",
        },
    }


def test_what_is_not_there_is_null() -> None:
    test = replace(NOTICE, state=NoticeState.TEST, topic=None, provider="", value=None, threshold=None, hint="")
    data = json.loads(encode_json(test))["data"]
    assert [key for key, value in data.items() if value is None] == [
        "topic",
        "provider",
        "value",
        "threshold",
        "status_page",
    ]
    assert json.loads(encode_json(test))["type"] == "alert.test"


@pytest.mark.parametrize(
    ("state", "severity", "title", "sign"),
    [
        (NoticeState.FIRING, Severity.CRITICAL, "Critical: a/m (chat) (target.open)", ":red_circle:"),
        (NoticeState.FIRING, Severity.INFO, "Info: a/m (chat) (target.open)", ":large_blue_circle:"),
        (NoticeState.RESOLVED, Severity.CRITICAL, "Resolved: a/m (chat) (target.open)", ":large_green_circle:"),
        (NoticeState.TEST, Severity.INFO, "Test of Undimmed's alerts", ":large_green_circle:"),
    ],
)
def test_slack(state: NoticeState, severity: Severity, title: str, sign: str) -> None:
    message = check_slack(encode_slack(replace(NOTICE, state=state, severity=severity)))
    header, section, context = message["blocks"]
    assert header["text"]["text"] == title
    assert section["text"]["text"] == f"{sign} a/m (chat) is out of traffic since 14:00 UTC: 5 failures."
    assert [element["text"] for element in context["elements"]] == [
        "a says: status page: major",
        f"{severity} · since <!date^1764079200^{{date_short_pretty}} {{time}}|2025-11-25T14:00:00.000Z> · `alert_1`",
    ]
    assert message["text"].startswith(f"{title}: a/m (chat) is out")


def test_nobody_is_mentioned_by_a_providers_words() -> None:
    body = encode_slack(replace(NOTICE, text="<!channel> & <@U1>", hint=""))
    message = check_slack(body)
    assert "&lt;!channel&gt; &amp; &lt;@U1&gt;" in message["blocks"][1]["text"]["text"]
    assert len(message["blocks"][2]["elements"]) == 1


@given(text=st.text("<&>ab ", min_size=1, max_size=12), times=st.integers(1, 3000), subject=st.text("<ab", min_size=1))
def test_any_text_fits_into_slacks_limits(text: str, times: int, subject: str) -> None:
    check_slack(encode_slack(replace(NOTICE, text=text * times, subject=subject * 20, hint=text * times)))


def test_whatever_a_client_calls_a_model_can_be_sent_and_is_bounded() -> None:
    strange = replace(NOTICE, subject="a/\ud800" + "x" * 5000, text="a/\udfff " + "y" * 50_000)
    check_slack(encode_slack(strange))
    assert len(encode_json(strange)) < 4000


def test_what_is_too_long_is_cut_and_says_so() -> None:
    message = check_slack(encode_slack(replace(NOTICE, text="&" * 5000)))
    assert message["blocks"][1]["text"]["text"].endswith("&amp;….")


def test_signature_of_the_standards_own_example() -> None:
    """From the specification's section on signatures, and its libraries' tests."""
    key = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}') == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_secrets() -> None:
    assert read_secret("a plain secret of 24 bytes") == b"a plain secret of 24 bytes"
    assert read_secret("whsec_" + base64.b64encode(b"x" * 32).decode()) == b"x" * 32
    for text in ("short", "whsec_" + base64.b64encode(b"x" * 23).decode()):
        with pytest.raises(ValueError, match="shorter than 24 bytes"):
            read_secret(text)
    for text in ("whsec_!!!!", "whsec_abc", "whsec_ä"):
        with pytest.raises(ValueError, match="not base64"):
            read_secret(text)
