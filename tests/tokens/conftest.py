"""Encoders are slow to build: once for all tests of this folder."""

import pytest
import tiktoken

from proxy.stores.vocabulary import load
from proxy.tokens.count import Counter
from proxy.tokens.encoding import CL100K, O200K, build


@pytest.fixture(scope="session")
def encodings() -> dict[str, tiktoken.Encoding]:
    return {name: build(name, load(name)) for name in (O200K, CL100K)}


@pytest.fixture
def counter(encodings: dict[str, tiktoken.Encoding]) -> Counter:
    return Counter(encodings)
