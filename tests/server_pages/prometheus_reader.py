"""A strict reader of Prometheus' text format."""

import re
from decimal import Decimal

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)")
UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def parse(text):
    """A strict reader of the text format: {name: (type, {(sample name, labels): value})}."""
    assert text.endswith("\n")
    assert "\n\n" not in text
    families, current = {}, ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert NAME.fullmatch(current)
            assert current not in families
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current
            families[name] = (kind, {})
        else:
            kind, samples = families[current]
            name, inner, value = SAMPLE.fullmatch(line).groups()
            suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            assert name in {current + suffix for suffix in suffixes}
            key = (name, labels(inner or ""))
            assert key not in samples
            samples[key] = Decimal(value)
    return families


def labels(inner):
    found, at = [], 0
    while at < len(inner):
        match = LABEL.match(inner, at)
        assert match, inner
        found.append((match[1], re.sub(r"\\.", lambda escaped: UNESCAPED[escaped[0]], match[2])))
        at = match.end()
    assert len({key for key, _ in found}) == len(found)
    return tuple(found)
