"""How good an answer is: what an attempt has at hand when it ends, put together for the detectors.

Costs nothing where nobody watches, and little where somebody does: the finish reason and the pace are there already; text is
looked at where JSON or a tool's arguments can be checked, and in one answer of four for the rest. No text leaves this file.
"""

from collections.abc import Mapping

from proxy.core.call import Call
from proxy.core.endpoints import Endpoint
from proxy.core.records import AttemptRecord
from proxy.core.usage import Usage
from proxy.policy import quality
from proxy.policy.quality import Flaw
from proxy.policy.targets import Permit
from proxy.wire.glance import Glance, glance
from proxy.wire.reading import Answer, StreamReader

#: Bytes of body up to which a request is small, and up to which it is of middle size.
SMALL, MIDDLE = 8 * 1024, 64 * 1024
#: Answers of fewer tokens say little about the pace.
TOKENS = 16
#: Bytes of a text's end that are decoded: enough for `quality.TAIL` characters of any script.
_TAIL = 4 * quality.TAIL
_HEAD = 160
#: Bytes of a request in which letters of other scripts are looked for.
_ASKED = 16 * 1024
_GENERATED = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.RESPONSES, Endpoint.MESSAGES})
_REASONING = frozenset({"reasoning_effort", "reasoning", "thinking"})
#: Fields in which requests ask for JSON.
_FORMATS = frozenset({"response_format", "text", "output_format", "output_config"})
_CALLED = frozenset({"tool_calls", "tool_use", "function_call"})


def sort_of(call: Call) -> int:
    """The sort of a request, among which speeds are comparable: size, reasoning, streamed."""
    envelope = call.envelope
    size = len(envelope.body)
    sort = 0 if size < SMALL else 4 if size < MIDDLE else 8
    if not _REASONING.isdisjoint(envelope.fields):
        sort += 2
    return sort + 1 if envelope.stream else sort


def examine(call: Call, permit: Permit, record: AttemptRecord, read: StreamReader | Answer | None, paused: bool) -> None:
    """Tell the permit what is wrong with an answer that came whole, and how fast it came. `paused`: the client did not keep
    up, so that the pace is not the provider's."""
    suspicion = permit.suspicion
    if suspicion is None or read is None or call.endpoint not in _GENERATED:
        return
    settings = suspicion.detector.settings
    if settings.slow and not paused:
        seconds = _pace(record, read.usage)
        if seconds is not None:
            permit.paced(seconds, record.ended_at)
    if settings.wrong:
        permit.flaws = _judge(call, read, suspicion.detector.sampled())


def _pace(record: AttemptRecord, usage: Usage | None) -> float | None:
    """Seconds a token, of a stream from its first content on; None: too short to tell."""
    tokens = 0 if usage is None else usage.output - usage.reasoning
    if tokens < TOKENS:
        return None
    began = record.first_content_at
    if began is None:
        return (record.ended_at - record.started_at) / tokens
    return (record.ended_at - began) / (tokens - 1)


def _judge(call: Call, read: StreamReader | Answer, sampled: bool) -> int:
    finish = read.finish
    flaws = quality.judge_finish(finish)
    if flaws & ~(1 << Flaw.UNFINISHED):
        return flaws
    called = finish in _CALLED
    wanted = not called and _wants_json(call.envelope.fields)
    if isinstance(read, Answer):
        if sampled or called or wanted:
            flaws |= _judge_whole(call, glance(call.endpoint, read.body), wanted, sampled)
    elif not read.content:
        flaws |= 1 << Flaw.EMPTY
    elif sampled or called or wanted:
        flaws |= _judge_stream(call, read, wanted, sampled)
    return flaws


def _judge_stream(call: Call, read: StreamReader, wanted: bool, sampled: bool) -> int:
    if read.fragments("refusal"):
        return 1 << Flaw.REFUSED
    if quality.has_broken_arguments(text.decode() for text in read.fragments("tool") if len(text) <= quality.MAX_JSON):
        return 1 << Flaw.BAD_ARGUMENTS
    contents = read.fragments("content")
    if not contents:
        return 0
    content = contents[0]
    if wanted and not quality.is_json(content):
        return 1 << Flaw.BAD_JSON
    if not sampled:
        return 0
    return _judge_text(call, content[:_HEAD].decode(errors="ignore"), content[-_TAIL:].decode(errors="ignore"))


def _judge_whole(call: Call, seen: Glance, wanted: bool, sampled: bool) -> int:
    if seen.refusal:
        return 1 << Flaw.REFUSED
    if quality.has_broken_arguments(seen.tool):
        return 1 << Flaw.BAD_ARGUMENTS
    if not seen.content:
        return 0
    content = seen.content[0]
    if wanted and not quality.is_json(content):
        return 1 << Flaw.BAD_JSON
    return _judge_text(call, content[:_HEAD], content[-quality.TAIL :]) if sampled else 0


def _judge_text(call: Call, head: str, tail: str) -> int:
    if quality.is_refusal(head):
        return 1 << Flaw.REFUSED
    flaws = 1 << Flaw.LOOPING if quality.is_looping(tail) else 0
    if not tail.isascii() and quality.has_foreign_script(tail) and _is_plain(call.envelope.body):
        flaws |= 1 << Flaw.FOREIGN_SCRIPT
    return flaws


def _is_plain(body: bytes) -> bool:
    """Is a request in ASCII, and not only because it is escaped?"""
    asked = body[-_ASKED:]
    return asked.isascii() and b"\\u" not in asked


def _wants_json(fields: Mapping[str, object]) -> bool:
    if _FORMATS.isdisjoint(fields):
        return False
    return any(b"json" in bytes(fields[name]) for name in _FORMATS.intersection(fields))  # type: ignore[call-overload]
