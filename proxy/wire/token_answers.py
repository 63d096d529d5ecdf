"""What token endpoints answer: bytes to a token with its life, or to a refusal that may be shown.

Every issuer has a dialect (`access_token` or `accessToken`, `expires_in` as a number or a string, `expires_on` in Unix time,
`expireTime` as RFC 3339), so names are tried in turn and nothing else of an answer is required. Points in time become
seconds from `asked`, the Unix time at which the request was made: a token counts from then, not from when it arrived.

Never raises, whatever the bytes. A token that no header can carry is none. A refusal is told in words of our own and in
codes from a fixed list, since an issuer may quote in its text what was sent to it.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from proxy.core.exchange import HeaderList
from proxy.core.sources import AwsKeys
from proxy.wire.delays import retry_after
from proxy.wire.trouble import Trouble

#: Seconds. Nothing that is renewed lives longer than this.
MAX_LIFE = 400 * 86400.0
MAX_TOKEN = 64 * 1024

_TOKEN_NAMES = ("access_token", "accessToken", "token")
_LIFE_NAMES = ("expires_in", "expiresIn", "expires_in_seconds")
_END_NAMES = ("expires_on", "expires_at", "expiration", "Expiration", "expireTime", "expirationTimestamp", "token_expiry")

#: OAuth 2 (RFC 6749 section 5.2) and what Google and Entra add: asking again soon cannot help.
_FINAL = {
    "invalid_client": "the client id or its secret is wrong or expired",
    "invalid_grant": "the grant is revoked or expired, or this machine's clock is wrong",
    "unauthorized_client": "the client may not ask for this",
    "invalid_scope": "the scope is wrong",
    "invalid_target": "the audience is wrong",
    "invalid_request": "the request lacks something",
    "unsupported_grant_type": "this way of asking is not allowed",
    "access_denied": "access is denied",
    "invalid_resource": "the resource is unknown",
    "interaction_required": "a person has to sign in",
}
_PASSING = frozenset({"server_error", "temporarily_unavailable", "internal_failure", "slow_down"})
#: Entra's numbers for the mistakes that are made.
_AADSTS = {
    90002: "no such tenant",
    700016: "no such application in this tenant",
    700024: "the assertion is out of its time",
    700027: "the assertion's signature is wrong",
    700211: "no federated credential for this issuer",
    700213: "no federated credential for this subject",
    7000215: "wrong client secret",
    7000222: "the client secret has expired",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """A token, or keys. `life`: seconds from the request on, None: not told. `renew_in`: seconds after which whoever issued
    it wants it to be renewed."""

    secret: str | None = field(default=None, repr=False)
    aws: AwsKeys | None = field(default=None, repr=False)
    life: float | None = None
    renew_in: float | None = None


@dataclass(frozen=True, slots=True)
class Denial:
    """Why there is no token: words that can be shown after the issuer's name. `final`: asking again soon cannot help.
    `retry_after` in seconds, as the issuer said it."""

    text: str
    final: bool = False
    retry_after: float | None = None


Verdict = Grant | Denial

UNREADABLE = Denial("answered something that is not a token")
ENDED = Denial("gave a token that has already expired")


def read_token(status: int, headers: HeaderList, body: bytes, asked: float) -> Verdict:
    """The answer of an OAuth 2 token endpoint, or of a metadata server that speaks like one."""
    if not 200 <= status < 300:
        return read_refusal(status, headers, body)
    fields = read_object(body)
    return UNREADABLE if fields is None else grant_of(fields, asked)


def grant_of(fields: Mapping[str, object], asked: float) -> Verdict:
    """The token among these fields."""
    token = next((text for name in _TOKEN_NAMES if isinstance(text := fields.get(name), str) and text), None)
    if token is None or not is_token(token):
        return UNREADABLE
    life = read_life(fields, asked)
    if life is not None and life <= 0:
        return ENDED
    hint = read_number(fields.get("refresh_in"))
    return Grant(secret=token, life=life, renew_in=hint if hint is not None and hint > 0 else None)


def read_refusal(status: int, headers: HeaderList, body: bytes) -> Denial:
    """An answer that is not 2xx."""
    hint = retry_after(headers, Trouble())
    fields = read_object(body) or {}
    code = fields.get("error")
    if isinstance(code, str) and code in _FINAL:
        numbers = fields.get("error_codes")
        known = [number for number in numbers if number in _AADSTS] if isinstance(numbers, list) else []
        words = f"AADSTS{known[0]}, {_AADSTS[known[0]]}" if known else _FINAL[code]
        return Denial(f"refused with {code} ({words})", True, hint)
    if isinstance(code, str) and code in _PASSING:
        return Denial(f"answered {status} with {code}", False, hint)
    return Denial(f"answered {status}", status in (401, 403), hint)


def read_printed(output: bytes, asked: float) -> Verdict:
    """What a program printed: a bare token, or JSON with a token (also kubectl's ExecCredential) or AWS keys (the format of
    `credential_process`)."""
    try:
        text = output.decode().strip()
    except UnicodeDecodeError:
        return Denial("printed something that is not text")
    if not text.startswith("{"):
        return Grant(secret=text) if is_token(text) else Denial("printed something that is not a token")
    fields = read_object(text.encode())
    if fields is None:
        return Denial("printed JSON that cannot be read")
    inner = fields.get("status")
    if isinstance(inner, dict):
        fields = inner
    verdict = aws_grant(fields, asked) if "AccessKeyId" in fields else grant_of(fields, asked)
    return Denial("printed JSON without a token") if verdict is UNREADABLE else verdict


def aws_grant(fields: Mapping[str, object], asked: float) -> Verdict:
    """Keys in the spelling that AWS has everywhere but in its own files."""
    access, secret = fields.get("AccessKeyId"), fields.get("SecretAccessKey")
    session = fields.get("Token") or fields.get("SessionToken")
    if not (isinstance(access, str) and isinstance(secret, str) and is_token(access) and is_token(secret)):
        return UNREADABLE
    if session is not None and not (isinstance(session, str) and is_token(session)):
        return UNREADABLE
    life = read_life(fields, asked)
    return ENDED if life is not None and life <= 0 else Grant(aws=AwsKeys(access, secret, session), life=life)


def read_life(fields: Mapping[str, object], asked: float) -> float | None:
    """Seconds from `asked` until what came with these fields ends; None: not told."""
    for name in _LIFE_NAMES:
        life = read_number(fields.get(name))
        if life is not None:
            return min(life, MAX_LIFE)
    for name in _END_NAMES:
        end = read_moment(fields.get(name))
        if end is not None:
            return min(end - asked, MAX_LIFE)
    return None


def read_number(value: object) -> float | None:
    """A finite number, however it is written."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_moment(value: object) -> float | None:
    """Unix time of a moment in Unix time or RFC 3339."""
    number = read_number(value)
    if number is not None or not isinstance(value, str):
        return number
    try:
        moment = datetime.fromisoformat(_shorten(value.strip()))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        return None


def _shorten(moment: str) -> str:
    """Without the nanoseconds that Go writes and Python does not read."""
    return re.sub(r"(\.\d{6})\d+", r"\1", moment)


def read_object(body: bytes) -> dict[str, object] | None:
    """A JSON object; None: it is something else."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return value if isinstance(value, dict) else None


def is_token(text: str) -> bool:
    """Can a header carry it?"""
    return 0 < len(text) <= MAX_TOKEN and text.isascii() and text.isprintable() and " " not in text
