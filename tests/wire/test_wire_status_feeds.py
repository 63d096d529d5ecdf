"""Status pages: the two shapes, whatever is missing in them, and whatever else comes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.hints import FeedReport, Level
from proxy.wire.status_feeds import MAX_TEXT, Unreadable, read_feed

WELL = {"status": {"indicator": "none", "description": "All Systems Operational"}, "incidents": [], "page": {"id": "x"}}


def incident(name: str, impact: str, status: str = "investigating", **more: Any) -> dict[str, Any]:
    return {"name": name, "impact": impact, "status": status, "created_at": "2026-11-25T13:40:00.000Z", **more}


def google(impact: str, product: str, end: str | None = None, **more: Any) -> dict[str, Any]:
    found = {"begin": "2026-11-25T13:00:00+00:00", "external_desc": "Errors", "status_impact": impact, **more}
    return {**found, "affected_products": [{"title": product}], **({"end": end} if end else {})}


CASES = [
    (WELL, FeedReport(Level.NONE)),
    ({"status": {}}, FeedReport(Level.NONE)),
    ({"status": {"indicator": None, "description": None}, "incidents": None}, FeedReport(Level.NONE)),
    ({"status": {"indicator": "minor", "description": "Partial"}}, FeedReport(Level.MINOR, "Partial")),
    (
        {
            "status": {"indicator": "major", "description": "Partial System Outage"},
            "incidents": [incident("Slow images", "minor"), incident("Elevated errors on Opus", "major")],
        },
        FeedReport(Level.MAJOR, "Partial System Outage: “Elevated errors on Opus”", "2026-11-25T13:40:00.000Z"),
    ),
    (
        {**WELL, "incidents": [incident("Chat is down", "critical", started_at="2026-11-25T13:30:00Z")]},
        FeedReport(Level.CRITICAL, "All Systems Operational: “Chat is down”", "2026-11-25T13:30:00Z"),
    ),
    ({**WELL, "incidents": [incident("It was", "critical", "resolved")]}, FeedReport(Level.NONE)),
    (
        {"status": {}, "incidents": [{"name": "Something"}]},
        FeedReport(Level.NONE, "Something"),
    ),
    ([], FeedReport(Level.NONE)),
    (
        [google("SERVICE_OUTAGE", "Cloud Storage"), google("SERVICE_OUTAGE", "Vertex Gemini API", "2026-11-25")],
        FeedReport(0),
    ),
    (
        [google("SERVICE_INFORMATION", "Vertex AI Search"), google("SERVICE_DISRUPTION", "Vertex Gemini API")],
        FeedReport(Level.MAJOR, "Service disruption: “Errors”", "2026-11-25T13:00:00+00:00"),
    ),
    ([{"affected_products": [{"title": None}, {"title": "Gemini"}]}], FeedReport(Level.MINOR)),
    ([{}], FeedReport(Level.NONE)),
]


@pytest.mark.parametrize(("page", "report"), CASES)
def test_pages(page: object, report: FeedReport) -> None:
    assert read_feed(json.dumps(page).encode()) == report


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"7", b'"x"', b"{}", b'{"status": 1}', b"[1]", b"\xff", b"[" * 100_000]
)
def test_whatever_else_comes_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match="not a status feed"):
        read_feed(body)


def test_text_from_outside_is_cleaned_and_bounded() -> None:
    page = {
        "status": {"indicator": "major", "description": "a\x00\x1b[31m\n" + "b" * 500},
        "incidents": [incident("x" * 900, "minor")],
    }
    report = read_feed(json.dumps(page).encode())
    assert len(report.text) <= MAX_TEXT
    assert report.text.isprintable()
    for stamp in ("<script>", "2026\n", "2" * 60, 7):
        bad = {"status": {"indicator": "major"}, "incidents": [incident("x", "major", created_at=stamp)]}
        if isinstance(stamp, str):
            assert read_feed(json.dumps(bad).encode()).since == ""
        else:
            with pytest.raises(Unreadable):
                read_feed(json.dumps(bad).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["status", "indicator", "incidents", "name", "end", "begin"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_a_report_or_unreadable(value: object) -> None:
    try:
        report = read_feed(json.dumps(value).encode())
    except Unreadable:
        return
    assert len(report.text) <= MAX_TEXT
