"""What a client is told when it does not get an answer, independent of the format it speaks."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Problem:
    """An error reply. `type` and `code` are OpenAI's words. `retry_after` in seconds: when asking again can help;
    `should_retry`: whether a client's own retry can (this proxy has made the attempts already, so mostly not).
    `attempts`: one dict per attempt, shown in the body and safe to show. `extra`: further keys of the error object.
    `request_id`: the call's, for formats that show it in the body; None: not known yet. `headers`: further ones of the
    reply."""

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None
    should_retry: bool = False
    attempts: list[dict[str, object]] = field(default_factory=list)
    extra: dict[str, object] = field(default_factory=dict)
    request_id: str | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
