"""Shared by the tests of the configuration: one valid text, and a way to collect complaints."""

from collections.abc import Callable, Mapping

import pytest

from proxy.config.load import parse
from proxy.core.errors import ConfigError

Complain = Callable[..., list[str]]


@pytest.fixture
def complain() -> Complain:
    """All mistakes of a text as `line: key: message`; none: empty."""

    def run(text: str, env: Mapping[str, str] | None = None) -> list[str]:
        try:
            parse(text, "f.yaml", {} if env is None else env)
        except ConfigError as error:
            return [f"{problem.line}: {problem.key}: {problem.message}" for problem in error.problems]
        return []

    return run
