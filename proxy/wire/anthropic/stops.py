"""Why an answer ended, in the words of the Messages format and in ours. Source: the official SDK's types."""

from collections.abc import Mapping
from typing import Any

from proxy.wire.pieces import Finish, Finished

_READ: Mapping[str, Finish] = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP_SEQUENCE,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "tool_use": Finish.TOOL_CALLS,
    "pause_turn": Finish.PAUSE,
    "refusal": Finish.REFUSAL,
}
_WRITTEN: Mapping[Finish, str] = {
    Finish.STOP: "end_turn",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
    Finish.PAUSE: "pause_turn",
    Finish.REFUSAL: "refusal",
    Finish.CONTENT_FILTER: "refusal",
}


def read_stop(reason: str, sequence: str | None, details: object) -> Finished:
    """A reason that is not known yet is an end like any other."""
    explanation = details.get("explanation") if isinstance(details, dict) else None
    return Finished(
        _READ.get(reason, Finish.STOP), sequence, explanation=explanation if isinstance(explanation, str) else ""
    )


def write_stop(finished: Finished, called: bool) -> dict[str, Any]:
    """`stop_reason` and what goes with it. `called`: the answer holds tool calls. Clients look for them only where the
    reason says so, and there are vendors that call tools and say that they stopped."""
    reason = finished.reason
    if called and reason in (Finish.STOP, Finish.STOP_SEQUENCE):
        reason = Finish.TOOL_CALLS
    refused = reason in (Finish.REFUSAL, Finish.CONTENT_FILTER)
    return {
        "stop_reason": _WRITTEN[reason],
        "stop_sequence": finished.sequence if reason is Finish.STOP_SEQUENCE else None,
        "stop_details": {"type": "refusal", "category": None, "explanation": finished.explanation or None}
        if refused
        else None,
    }
