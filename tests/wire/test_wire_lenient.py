import pytest

from proxy.wire import lenient
from proxy.wire.lenient import repair


def test_lone_surrogates_become_question_marks() -> None:
    assert repair(b'{"a": "\\ud83d", "b": "\\ud83d\\ude00"}') == '{"a": "?", "b": "😀"}'.encode()


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"\\ud83d", b'{"a":"\\ud83d","b":NaN}', b"[" * 100_000 + b'"\\ud83d"', b'"\\u00']
)
def test_what_is_no_json_stays_so(payload: bytes) -> None:
    assert repair(payload) is None


def test_huge_payloads_get_no_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lenient, "MAX_REPAIRED", 5)
    assert repair(b'"\\ud83d"') is None
