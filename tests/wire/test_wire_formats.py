from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest
from proxy.core.problem import Problem
from proxy.wire.formats import FORMATS, find_format


def test_every_endpoint_has_a_format_that_works() -> None:
    assert set(FORMATS) <= set(Endpoint)
    for endpoint, form in FORMATS.items():
        if endpoint is Endpoint.REALTIME:
            continue
        envelope = form.read_envelope(b'{"model":"m","messages":[]}', endpoint)
        assert form.needs_of(envelope).tokens == 0
        assert form.affinity_of(envelope) == ""
        problem = Problem(500, "x")
        assert form.error_body(problem)[1:] in form.error_event(problem)
        assert form.error_headers(problem)
        assert form.closing_comment({}).startswith(b":")
        assert form.waiting.startswith(b":")


def test_in_a_file_or_a_session_nothing_is_said() -> None:
    speech = FORMATS[Endpoint.SPEECH].read(request(Endpoint.SPEECH, b'{"model":"m","input":"x","voice":"y"}'))
    mute = find_format(Call("id", Endpoint.SPEECH, speech, {}))
    for form in (mute, FORMATS[Endpoint.REALTIME]):
        problem = Problem(500, "x")
        assert (form.error_event(problem), form.closing_comment({}), form.waiting) == (b"", b"", b"")
        assert b'"x"' in form.error_body(problem)


def request(endpoint: Endpoint, body: bytes) -> ClientRequest:
    return ClientRequest(endpoint, {}, body, None, None, 0.0)


def test_a_request_is_read_whole_where_its_body_does_not_say_it_all() -> None:
    asked = request(Endpoint.REALTIME, b"")
    asked.query = "model=m"
    assert FORMATS[Endpoint.REALTIME].read(asked).model == "m"
    assert FORMATS[Endpoint.CHAT].read(request(Endpoint.CHAT, b'{"model":"c"}')).model == "c"
