import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config.shapes import Kind, PriceModel, Strategy, Text, as_list
from proxy.policy.strategies import STRATEGIES
from proxy.providers.presets import PRESETS
from proxy.providers.table import KINDS


def test_kinds_are_wire_formats_and_presets() -> None:
    kind: TypeAdapter[str] = TypeAdapter(Kind)
    for name in [*KINDS, *PRESETS]:
        assert kind.validate_python(name) == name
    assert kind.json_schema()["enum"][0] == "openai"


def test_strategies_are_those_of_the_table() -> None:
    assert TypeAdapter(Strategy).json_schema()["enum"] == list(STRATEGIES)


@pytest.mark.parametrize("value", ["", " x", "x\n", 3, None])
def test_text_has_something_in_it(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Text).validate_python(value)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), 10**9])
def test_prices_are_dollars(value: float) -> None:
    with pytest.raises(ValidationError):
        PriceModel(input=value, output=1, cached=None, per_request=None)


@pytest.mark.parametrize("value", [0.00000125, 0.0004])
def test_prices_per_token_are_told_apart(value: float) -> None:
    with pytest.raises(ValidationError, match="price per token"):
        PriceModel(input=value, output=1)
    assert PriceModel(input=0, output=0.0005).output == 0.0005


def test_a_single_item_is_a_list_of_one() -> None:
    assert as_list("x") == ["x"]
    assert as_list(["x"]) == ["x"]
