"""Usage in its one normal form: buckets that do not overlap, so that each token is priced once.

Vendors report wholes and parts in every combination (cached as part of the input or beside it, audio inside and outside
the cached part). The readers in `wire` turn that into `Usage`, whose parts lie inside their wholes; here the parts are taken
out of the wholes. Whatever contradicts itself is clamped (the readers have noted that, `Usage.contradicts`): the input
buckets always add up to the input, the output buckets to the output, and none is negative.
"""

from msgspec import Struct

from proxy.core.usage import Usage


class Buckets(Struct, frozen=True, gc=False):
    """Tokens. `input` and `cached` are text, or whatever was not said to be anything else, and so is `output`."""

    input: int
    cached: int
    cache_write_5m: int
    cache_write_1h: int
    audio_in: int
    audio_cached: int
    image_in: int
    image_cached: int
    output: int
    reasoning: int
    audio_out: int
    image_out: int


def split(usage: Usage) -> Buckets:
    """Take a usage apart. Where the vendor says what it bills, that goes before what it counted.

    A cached part whose kind is not said counts as text; only what is left over of it is taken from audio and images.
    """
    given, written = usage.billed or (usage.input, usage.output)
    whole_in, whole_out = max(given, 0), max(written, 0)
    cached = _clamp(usage.cached, whole_in)
    rest = whole_in - cached
    stored = _clamp(usage.cache_write, rest)
    rest -= stored
    stored_long = _clamp(usage.cache_write_1h, stored)
    audio_cached = _clamp(usage.audio_cached, cached)
    image_cached = _clamp(usage.image_cached, cached - audio_cached)
    audio_in = _clamp(usage.audio_in - audio_cached, rest)
    image_in = _clamp(usage.image_in - image_cached, rest - audio_in)
    reasoning = _clamp(usage.reasoning, whole_out)
    audio_out = _clamp(usage.audio_out, whole_out - reasoning)
    image_out = _clamp(usage.image_out, whole_out - reasoning - audio_out)
    return Buckets(
        input=rest - audio_in - image_in,
        cached=cached - audio_cached - image_cached,
        cache_write_5m=stored - stored_long,
        cache_write_1h=stored_long,
        audio_in=audio_in,
        audio_cached=audio_cached,
        image_in=image_in,
        image_cached=image_cached,
        output=whole_out - reasoning - audio_out - image_out,
        reasoning=reasoning,
        audio_out=audio_out,
        image_out=image_out,
    )


def _clamp(count: int, whole: int) -> int:
    return max(0, min(count, whole))
