"""Bodies of generateContent requests, and Google's own types as their judge."""

import json
from typing import Any

from google.genai import types

from proxy.core.facts import UNKNOWN, ModelFacts
from proxy.core.features import Fate, Feature
from proxy.wire.dialogue import Dialogue, Part, Text, Turn
from proxy.wire.gemini.format import GEMINI_FORMAT
from proxy.wire.translation import VendorFormat

MODEL = "gemini-3-flash-preview"
_BESIDE_CONFIG = ("contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "serviceTier")


def user(*parts: Part | str) -> Turn:
    return Turn("user", [Text(part) if isinstance(part, str) else part for part in parts])


def assistant(*parts: Part | str) -> Turn:
    return Turn("assistant", [Text(part) if isinstance(part, str) else part for part in parts])


def system(*texts: str) -> Turn:
    return Turn("system", [Text(text) for text in texts])


def write(
    dialogue: Dialogue | list[Turn],
    model: str = MODEL,
    facts: ModelFacts = UNKNOWN,
    vendor: VendorFormat = GEMINI_FORMAT,
) -> tuple[dict[str, Any], dict[Feature, Fate]]:
    """The body, after Google's SDK has accepted every part of it, and what this request lost."""
    written = vendor.write(dialogue if isinstance(dialogue, Dialogue) else Dialogue(dialogue), model, facts)
    body = json.loads(written.body)
    judge_body(body)
    return body, written.fates


def judge_body(body: dict[str, Any]) -> None:
    assert set(body) <= set(_BESIDE_CONFIG)
    for content in body["contents"]:
        checked = types.Content.model_validate(content)
        assert checked.role in ("user", "model")
        assert checked.parts
    config = dict(body.get("generationConfig", {}))
    config |= {key: body[key] for key in ("systemInstruction", "tools", "toolConfig", "serviceTier") if key in body}
    types.GenerateContentConfig.model_validate(config)
