"""How others got token counts wrong, as cases: which test holds us against each.

The number is that of the list of cases; a case that another folder's tests hold is named here and tested there, so that no
fact is written twice. What is tested in this file are the ones that concern counting alone.
"""

import base64
import json
from pathlib import Path

import msgspec
import pytest

from proxy.core.endpoints import Endpoint
from proxy.tokens.estimate import estimate

TESTS = Path(__file__).parent.parent

HELD = {
    1: ["wire/test_wire_usage_kinds.py::test_deltas_replace_what_the_start_said"],
    2: [
        "tokens/test_tokens_prices.py::test_each_token_is_priced_once",
        "stores/test_stores_price_file.py::test_published_examples",
    ],
    3: ["wire/test_wire_usage_kinds.py::test_the_prompt_is_counted_once"],
    4: [
        "stores/test_stores_price_file.py::test_published_examples",
        "wire/test_wire_usage_kinds.py::test_openai_tier_streamed_and_whole",
    ],
    5: ["config/test_config_conversion.py::test_a_written_price_is_charged_once"],
    6: ["wire/test_wire_usage_kinds.py::test_responses_streamed_and_whole"],
    7: ["wire/test_wire_usage_kinds.py::test_gemini_kinds", "stores/test_stores_price_file.py::test_published_examples"],
    8: ["pipeline/test_pipeline_accounting.py::test_what_a_client_left_behind_is_estimated"],
    9: ["pipeline/test_pipeline_accounting.py::test_an_estimate_says_so"],
    10: [
        "pipeline/test_pipeline_leaving.py::test_the_providers_own_count",
        "pipeline/test_pipeline_accounting.py::test_what_a_client_left_behind_is_estimated",
    ],
    11: ["pipeline/test_pipeline_accounting.py::test_a_number_that_the_provider_had_given_already_wins"],
    12: ["tokens/test_tokens_cases.py::test_case_12"],
    13: ["pipeline/test_pipeline_accounting.py::test_silence_may_be_billed"],
    14: ["sim/test_conservation.py::test_ledger_and_bills_agree"],
    15: [
        "tokens/test_tokens_price_list.py::test_the_model_that_answered_counts",
        "pipeline/test_pipeline_accounting.py::test_cost_is_that_of_the_model_that_answered_when_the_call_began",
    ],
    16: ["stores/test_stores_ledger_suite.py::test_nothing_is_written_twice"],
    17: ["pipeline/test_pipeline_accounting.py::test_ids_are_ours"],
    18: ["stores/test_stores_price_file.py::test_unknown_is_unknown"],
    19: ["pipeline/test_pipeline_gate.py::test_fifty_at_a_time_overshoot_by_one_request_at_most"],
    20: [
        "live/test_live_ledger.py::test_no_delivered_call_is_missing_and_none_is_there_twice",
        "stores/test_stores_ledger_faults.py::test_the_dead_are_booked_once_and_what_they_had_begun_is_lost",
    ],
    21: ["stores/test_stores_forecast.py::test_midnight_is_that_of_the_budgets_zone"],
    22: [
        "wire/test_wire_websocket.py::test_kinds_of_realtime_tokens_are_summed_too",
        "stores/test_stores_price_file.py::test_published_examples",
    ],
    23: ["sim/test_degrading.py::test_an_answer_given_before_is_given_again"],
}


@pytest.mark.parametrize("case", HELD)
def test_every_case_has_its_test(case: int) -> None:
    for place in HELD[case]:
        name, _, test = place.partition("::")
        assert f"def {test}(" in (TESTS / name).read_text(), place


def picture() -> tuple[bytes, str]:
    """A megabyte of a picture of 1024 x 1024, and its data URL."""
    data = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (1024).to_bytes(4, "big") * 2 + bytes(range(256)) * 4096
    return data, "data:image/png;base64," + base64.b64encode(data).decode()


DATA, URL = picture()
RAW = base64.b64encode(DATA).decode()
IN_CHAT = {"type": "image_url", "image_url": {"url": URL}}
IN_MESSAGES = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": RAW}}
TOOL_RESULT = {"type": "tool_result", "tool_use_id": "t", "content": [IN_MESSAGES]}


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        (Endpoint.CHAT, {"messages": [{"role": "user", "content": [IN_CHAT]}]}),
        (Endpoint.CHAT, {"messages": [{"role": "user", "content": f"look: {URL} and {{}}"}]}),
        (Endpoint.CHAT, {"messages": [{"role": "tool", "content": json.dumps({"screenshot": URL})}]}),
        (Endpoint.CHAT, {"messages": [{"role": "tool", "content": json.dumps({"type": "image", "data": RAW})}]}),
        (Endpoint.CHAT, {"messages": [{"role": "user", "content": [{"type": "hologram", "deep": [{"er": RAW}]}]}]}),
        (Endpoint.MESSAGES, {"messages": [{"role": "user", "content": [IN_MESSAGES]}]}),
        (Endpoint.MESSAGES, {"messages": [{"role": "user", "content": [TOOL_RESULT]}]}),
        (Endpoint.MESSAGES, {"messages": [], "system": [{"type": "text", "text": URL}]}),
        (Endpoint.RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": URL}]}]}),
        (Endpoint.RESPONSES, {"input": [{"type": "function_call_output", "call_id": "c", "output": URL}]}),
        (
            Endpoint.RESPONSES,
            {"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": URL}}]},
        ),
        (Endpoint.RESPONSES, {"input": [{"type": "image_generation_call", "result": RAW}]}),
        (Endpoint.RESPONSES, {"input": URL, "instructions": "x"}),
        (Endpoint.COMPLETIONS, {"prompt": f"look: {RAW}"}),
        (Endpoint.EMBEDDINGS, {"input": ["x", URL]}),
    ],
)
def test_case_12(counter, endpoint: Endpoint, fields: dict[str, object]) -> None:
    """A megabyte of base64 anywhere costs what the picture costs: 765 tokens at this size."""
    raw = msgspec.json.decode(json.dumps(fields), type=dict[str, msgspec.Raw])
    usage = estimate(counter, endpoint, raw, None, "gpt-4o")
    assert usage.image_in == 765
    assert usage.input < 765 + 40
