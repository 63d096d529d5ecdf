"""The block `detect`."""

import pytest

from proxy.config.load import parse
from proxy.core.detection import OFF, ON, DetectSettings, Sensitivity
from proxy.core.errors import ConfigError

TEXT = "providers: {{a: {{kind: {kind}{own}}}}}\nroutes: [{{model: m, targets: [a/m]}}]\ndefaults: {{{defaults}}}\n"


def read(kind: str = "vllm", own: str = "", defaults: str = "") -> DetectSettings:
    text = TEXT.format(kind=kind, own=f", detect: {own}" if own else "", defaults=f"detect: {defaults}" if defaults else "")
    return parse(text, "f.yaml", {}).providers["a"].detect


def test_it_is_on_and_patient_with_local_servers() -> None:
    assert read("openai, credentials: [k]") == ON
    assert read("ollama") == DetectSettings(min_rate=0.0)
    assert read("ollama", "{min_rate: 2}").min_rate == 2.0


def test_off_is_all_of_it() -> None:
    assert read("openai, credentials: [k]", defaults="off") == OFF
    assert read("openai, credentials: [k]", own='"on"') == ON


def test_providers_go_before_defaults() -> None:
    found = read("openai, credentials: [k]", "{sensitivity: high}", "{sensitivity: low, wrong: false}")
    assert found == DetectSettings(wrong=False, sensitivity=Sensitivity.HIGH)


def test_a_sensitivity_of_nothing_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"providers\.a\.detect\.sensitivity.*no effect"):
        read("openai, credentials: [k]", "{slow: false, wrong: false, sensitivity: high}")
