"""The table of paths."""

import pytest

from proxy.core.endpoints import Endpoint
from proxy.server.endpoints import ENDPOINTS, HEALTH, KNOWN_PATHS, find_page
from proxy.wire.formats import FORMATS
from proxy.wire.resources import RESOURCES


def test_every_endpoint_is_served_with_and_without_prefix() -> None:
    assert set(ENDPOINTS.values()) == set(FORMATS) - RESOURCES - {Endpoint.REALTIME}
    assert {path for path in ENDPOINTS if path.startswith("/v1/")} == {
        f"/v1{p}" for p in ENDPOINTS if not p.startswith("/v1/")
    }


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/health", "/health"),
        ("/v1/models", "/v1/models"),
        ("/models", "/v1/models"),
        ("/models/a/b", "/v1/models/a/b"),
        ("/v1/models/a", "/v1/models/a"),
        ("/modelsx", None),
        ("/v1/modelsx", None),
        ("/v1/health", None),
        ("", None),
    ],
)
def test_find_page(path: str, page: str | None) -> None:
    assert find_page(path) == page


def test_people_are_told_of_every_path() -> None:
    told = {line.split()[1] for line in KNOWN_PATHS}
    assert told >= HEALTH
    assert {path for path in ENDPOINTS if path.startswith("/v1")} <= told
