import json

import pytest

from proxy.core.exchange import FailureKind
from proxy.core.settings import Credential, Origin, Provider
from proxy.providers.table import KINDS
from proxy.rehearse.vendor_errors import ERRORS, EVENTS, error_event

PROVIDER = Provider("p", "openai", "openai", Origin("http", "127.0.0.1", 1), (Credential("p#1", "k"),))


@pytest.mark.parametrize("name", ERRORS)
def test_bodies_are_what_their_content_type_says(name: str):
    error = ERRORS[name]
    headers = dict(error.headers)
    assert 400 <= error.status < 600
    if headers[b"content-type"] == b"application/json":
        body = json.loads(error.body)
        # Google wraps what it says without an event stream in a list of one.
        assert isinstance(body[0] if name == "vertex_capacity" else body, dict)
    else:
        assert error.body.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize("name", ERRORS)
def test_the_reader_of_answers_agrees_on_the_class(name: str):
    error = ERRORS[name]
    outcome = KINDS["openai"](PROVIDER).error(error.status, error.headers, error.body)
    assert outcome.kind is error.kind


@pytest.mark.parametrize("name", [*EVENTS, "openai_server_error", "anthropic_overloaded", "unheard_of"])
def test_events_are_whole_and_carry_an_error(name: str):
    event = error_event(name)
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    said = json.loads(event[6:])
    assert said.get("error") or said["message"]  # AWS and Cohere say it flat


def test_failure_kinds_of_the_transport_are_not_vendor_errors():
    assert not {kind.value for kind in FailureKind} & set(ERRORS)
