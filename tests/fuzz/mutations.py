"""Random damage to real bytes: what a parser meets when something upstream has gone wrong, or means harm."""

import json
from collections.abc import Callable, Sequence
from random import Random

#: Pieces that parsers tend to stumble over.
TOKENS = (
    b"null", b"{}", b"[]", b'""', b"-1", b"1e999", b"0" * 40, b"true", b"\\ud83d", b"\xff\xfe", b"\x00", b"\r", b"\n\n",
    b"\r\n\r\n", b"data: ", b"event: error\n", b'"', b"{", b"}", b"[", b"]", b":", b",", b"[" * 200, b'{"a":' * 200,
    b'"type":', b'"index":-5', b'"usage":[]', b'"choices":{}', b'"error":""', b"9" * 400,
)  # fmt: skip


def _flip(data: bytearray, rng: Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _delete(data: bytearray, rng: Random) -> None:
    start = rng.randrange(len(data) + 1)
    del data[start : start + rng.randint(1, 30)]


def _repeat(data: bytearray, rng: Random) -> None:
    start = rng.randrange(len(data) + 1)
    data[start:start] = data[start : start + rng.randint(1, 60)]


def _insert(data: bytearray, rng: Random) -> None:
    start = rng.randrange(len(data) + 1)
    data[start:start] = rng.choice(TOKENS)


def _replace(data: bytearray, rng: Random) -> None:
    """A value of the JSON becomes something of another type."""
    start = data.find(b":", rng.randrange(len(data) + 1))
    end = data.find(b",", start)
    if 0 <= start < end:
        data[start + 1 : end] = rng.choice(TOKENS)


def _cut(data: bytearray, rng: Random) -> None:
    del data[rng.randrange(len(data) + 1) :]


_DAMAGE: Sequence[Callable[[bytearray, Random], None]] = (_flip, _delete, _repeat, _insert, _replace, _replace, _cut)


#: What stands in the place of something else after `_reshape`.
_VALUES: Sequence[object] = (None, True, 0, -1, 1.5, 10**400, "", "x", "\ud83d", [], {}, [None], {"a": []}, [[]], "1")
_KEYS = ("type", "index", "error", "usage", "choices", "content", "text", "delta", "message", "id", "name", "parts")


def _reshape(value: object, rng: Random, depth: int = 0) -> object:
    """Somewhere inside a JSON value, another type, another key, or nothing at all."""
    if isinstance(value, dict) and value and (depth == 0 or rng.random() < 0.8):
        key = rng.choice(list(value))
        changed = dict(value)
        changed[rng.choice(_KEYS) if rng.random() < 0.1 else key] = _reshape(value[key], rng, depth + 1)
        if rng.random() < 0.1:
            changed.pop(key, None)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        return [*value[:place], _reshape(value[place], rng, depth + 1), *value[place + 1 :]]
    return rng.choice(_VALUES)


def _reshape_line(seed: bytes, rng: Random) -> bytes:
    """`seed` with one of its JSON lines (a whole body is one line) reshaped; as it was if it has none."""
    lines = seed.split(b"\n")
    places = [place for place, line in enumerate(lines) if line.rstrip().endswith((b"}", b"]"))]
    if not places:
        return seed
    place = rng.choice(places)
    prefix, brace, rest = lines[place].partition(b"{")
    try:
        value = json.loads(brace + rest)
    except ValueError:
        return seed
    lines[place] = prefix + json.dumps(_reshape(value, rng)).encode()
    return b"\n".join(lines)


def damage(seed: bytes, rng: Random) -> bytes:
    """Half of the time `seed` with one to three values of its JSON reshaped, else with one to six injuries to its bytes;
    seldom bytes that never were anything."""
    if rng.random() < 0.02:
        return rng.randbytes(rng.randrange(200))
    if rng.random() < 0.5:
        for _ in range(rng.randint(1, 3)):
            seed = _reshape_line(seed, rng)
        return seed
    data = bytearray(seed)
    for _ in range(rng.randint(1, 6)):
        rng.choice(_DAMAGE)(data, rng)
    return bytes(data)


def split(data: bytes, rng: Random) -> list[bytes]:
    """`data` as reads of random sizes."""
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        size = rng.choice((1, 2, 3, 7, 40, 400, 4000))
        pieces.append(data[at : at + size])
        at += size
    return pieces
