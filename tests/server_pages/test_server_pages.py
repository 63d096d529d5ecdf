import json

import pytest
from openai.types import Model

from proxy.core.problem import Problem
from proxy.server.metrics import CONTENT_TYPE
from proxy.server.pages import (
    health_page,
    live_page,
    metrics_page,
    model_page,
    models_page,
    problem_page,
    ready_page,
    usage_page,
)
from proxy.stores.tally import Tally


def body(page):
    assert page.content_type == "application/json"
    return json.loads(page.body)


def test_models_have_exactly_the_shape_of_openai():
    page = models_page(["gpt-5", "claude", "gpt-5"], 1_700_000_000)
    assert page.status == 200
    assert body(page) == {
        "object": "list",
        "data": [
            {"id": "gpt-5", "object": "model", "created": 1_700_000_000, "owned_by": "undimmed"},
            {"id": "claude", "object": "model", "created": 1_700_000_000, "owned_by": "undimmed"},
        ],
    }
    for entry in body(page)["data"]:
        assert Model.model_validate(entry, strict=True).model_extra == {}


def test_no_models():
    assert body(models_page([], 1)) == {"object": "list", "data": []}


def test_one_model():
    page = model_page("org/gpt-5", 5)
    assert (page.status, body(page)) == (200, {"id": "org/gpt-5", "object": "model", "created": 5, "owned_by": "undimmed"})
    assert body(model_page("x\udcff", 5))["id"] == "x?"


def test_unknown_model():
    page = problem_page(Problem(404, "The model `gpt5` does not exist.", code="model_not_found", param="model"))
    assert page.status == 404
    assert body(page) == {
        "error": {
            "message": "The model `gpt5` does not exist.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


def test_live():
    assert (live_page().status, body(live_page())) == (200, {"status": "live"})


@pytest.mark.parametrize(
    ("ready", "draining", "reasons", "status", "expected"),
    [
        (True, False, [], 200, {"status": "ready"}),
        (False, False, ["gpt-5: all targets open"], 503, {"status": "not_ready", "reasons": ["gpt-5: all targets open"]}),
        (True, True, [], 503, {"status": "draining"}),
        (False, True, [], 503, {"status": "draining"}),
    ],
)
def test_ready(ready, draining, reasons, status, expected):
    page = ready_page(ready, draining, reasons)
    assert (page.status, body(page)) == (status, expected)


def test_health_is_the_view():
    view = {"status": "ok", "routes": [{"name": "gpt-5", "ready": False, "next_trial_s": 1.5}]}
    page = health_page(view)
    assert (page.status, body(page)) == (200, view)


def test_usage():
    view = body(usage_page(Tally(since=0.0)))
    assert view["since"] == "1970-01-01T00:00:00+00:00"
    assert view["totals"]["calls"] == 0


def test_metrics_say_what_they_are():
    page = metrics_page(b"x 1\n")
    assert (page.status, page.body, page.content_type) == (200, b"x 1\n", CONTENT_TYPE)
