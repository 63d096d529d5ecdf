from proxy.core.endpoints import Endpoint
from proxy.core.problem import Problem
from proxy.wire.formats import FORMATS


def test_every_endpoint_has_a_format_that_works() -> None:
    assert set(FORMATS) <= set(Endpoint)
    for endpoint, form in FORMATS.items():
        envelope = form.read_envelope(b'{"model":"m","messages":[]}', endpoint)
        assert form.needs_of(envelope).tokens == 0
        assert form.affinity_of(envelope) == ""
        problem = Problem(500, "x")
        assert form.error_body(problem)[1:] in form.error_event(problem)
        assert form.error_headers(problem)
        assert form.closing_comment({}).startswith(b":")
        assert form.waiting.startswith(b":")
