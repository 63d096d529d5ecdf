"""What is set aside for a request: a ceiling of what it sends, a sensible guess at what it gets back."""

import base64
import json

import pytest
from pipeline_stage import make_call

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.exchange import ClientRequest
from proxy.core.facts import ModelFacts
from proxy.core.records import CallRecord
from proxy.core.settings import Target
from proxy.core.usage import Price
from proxy.pipeline.demand import IMAGES, SMALL_BODY, USUAL_OUTPUT, Demand, holds_media
from proxy.pipeline.journey import Journey
from proxy.wire.formats import FORMATS

PRICE = Price(1_000_000, 10_000_000)
TARGET = Target("a", "m", price=PRICE)


def measure(
    demand: Demand, endpoint: Endpoint, body: bytes, target: Target = TARGET, method: str = "POST"
) -> tuple[int, int | None]:
    """Tokens and nano-dollars of a request."""
    request = ClientRequest(endpoint, {}, body, None, None, 0.0)
    if endpoint in (Endpoint.FILES, Endpoint.STORED, Endpoint.BATCHES, Endpoint.IMAGES):
        envelope = make_call().envelope
    else:
        envelope = FORMATS[endpoint].read(request)
    call = Call("call-1", endpoint, envelope, {}, method=method)
    record = CallRecord("call-1", "", endpoint, False, None, 0.0, 0.0)
    journey = Journey.__new__(Journey)
    journey.call, journey.record, journey.format = call, record, FORMATS[endpoint]
    quantity = demand.measure(journey, target)
    assert quantity.cost_at(PRICE) >= 0
    return quantity.tokens, quantity.cost


def chat(text: str = "go", **more: object) -> bytes:
    return json.dumps({"model": "lamp", "messages": [{"role": "user", "content": text}], **more}).encode()


@pytest.fixture
def demand() -> Demand:
    return Demand(lambda: 1.0e9)


@pytest.mark.parametrize(
    ("more", "output"),
    [
        ({}, USUAL_OUTPUT),
        ({"max_tokens": 10}, 10),
        ({"max_completion_tokens": 10, "max_tokens": 20}, 10),
        ({"max_tokens": 10**6}, USUAL_OUTPUT),
        ({"max_tokens": -5}, USUAL_OUTPUT),
        ({"max_tokens": "many"}, USUAL_OUTPUT),
        ({"max_tokens": 10, "n": 3}, 30),
        ({"max_tokens": 10, "n": 10**9}, 10),
        ({"max_tokens": 10, "n": "x"}, 10),
    ],
)
def test_output_is_what_is_allowed_within_reason(demand: Demand, more: dict[str, object], output: int) -> None:
    body = chat(**more)
    given = len(body) // 3 + 1
    assert measure(demand, Endpoint.CHAT, body) == (given + output, given + 10 * output)


def test_a_model_that_writes_no_more(demand: Demand) -> None:
    target = Target("a", "m", price=PRICE, facts=ModelFacts(max_output=100))
    assert measure(demand, Endpoint.CHAT, chat(), target)[0] == len(chat()) // 3 + 1 + 100


def test_the_longest_answers_are_remembered_for_a_while(demand: Demand) -> None:
    demand.note(TARGET.id, 100)
    assert measure(demand, Endpoint.CHAT, chat())[0] < USUAL_OUTPUT + 100
    demand.note(TARGET.id, 50_000)
    assert measure(demand, Endpoint.CHAT, chat())[0] > 50_000
    assert measure(demand, Endpoint.CHAT, chat(), Target("b", "m"))[0] < USUAL_OUTPUT + 100
    for _ in range(300):
        demand.note(TARGET.id, 100)
    assert measure(demand, Endpoint.CHAT, chat())[0] < USUAL_OUTPUT + 100


def test_media_in_a_long_body_are_no_text(demand: Demand) -> None:
    image = "data:image/png;base64," + "A" * (SMALL_BODY * 10)
    parts = [{"type": "text", "text": "word " * 1000}, {"type": "image_url", "image_url": {"url": image}}]
    body = json.dumps({"model": "lamp", "messages": [{"role": "user", "content": parts}], "max_tokens": 1}).encode()
    tokens, _ = measure(demand, Endpoint.CHAT, body)
    assert 5000 / 3 + IMAGES < tokens < 5000 / 3 + IMAGES + 200
    tokens, _ = measure(demand, Endpoint.CHAT, chat("word " * 4000, max_tokens=1))
    assert 20_000 / 3 < tokens < 20_000 / 3 + 50


def test_embeddings_have_no_output(demand: Demand) -> None:
    body = json.dumps({"model": "lamp", "input": "text"}).encode()
    assert measure(demand, Endpoint.EMBEDDINGS, body) == (len(body) // 3 + 1, len(body) // 3 + 1)


def test_what_has_no_price(demand: Demand) -> None:
    assert measure(demand, Endpoint.CHAT, chat(), Target("a", "m"))[1] is None


def test_endpoints_without_text(demand: Demand) -> None:
    assert measure(demand, Endpoint.IMAGES, b"") == (2, 11), "the least that is not nothing"
    assert measure(demand, Endpoint.BATCHES, b"") == (2, 11)
    assert measure(demand, Endpoint.BATCHES, b"", method="GET") == (0, 0)
    assert measure(demand, Endpoint.FILES, b"", Target("a", "#1")) == (0, 0), "free, priced or not"


def test_the_price_of_the_day_counts(demand: Demand) -> None:
    class Sale:
        def price(self, wall: float, served: str | None = None, tier: str = "") -> Price | None:
            return Price(0, 0) if wall == 1.0e9 else None

    assert measure(demand, Endpoint.CHAT, chat(), Target("a", "m", price=PRICE, tariff=Sale()))[1] == 0


PROSE = "A lamp that does not dim is a lamp that somebody looks after. " * 400
KEYS = json.dumps({f"key{n}": n for n in range(3000)})
DATA_URL = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 40).decode()


def spoken(*texts: str) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": text} for text in texts]}).encode()


@pytest.mark.parametrize("text", [PROSE, KEYS])
def test_words_and_json_are_not_looked_into(text: str) -> None:
    assert not holds_media(spoken(text))


@pytest.mark.parametrize("before", ["", PROSE])
def test_encoded_media_are_noticed(before: str) -> None:
    assert holds_media(spoken(before, DATA_URL))
