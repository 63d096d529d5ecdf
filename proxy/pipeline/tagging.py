"""The tags of a call: those of its key, and those that a request gives itself in a header.

Tags are what money is told apart by, and may be limited. So a request cannot take one that belongs to some key: that would
put its costs on somebody else's account. Number, length and characters are bounded, since tags become rows and labels.
"""

import re
from collections.abc import Collection

from proxy.core.problem import Problem

TAGS_HEADER = "x-undimmed-tags"
MAX_TAGS = 8
MAX_HEADER = 512
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,47}", re.ASCII)


def is_tag(text: str) -> bool:
    """1 to 48 letters, digits and `. _ : / -`, the first of them a letter or digit."""
    return _TAG.fullmatch(text) is not None


def read_tags(given: str, own: tuple[str, ...], reserved: Collection[str]) -> tuple[str, ...] | Problem:
    """The tags of a call, sorted. `given`: the header, tags between commas; `own`: of its key; `reserved`: of any key."""
    if len(given) > MAX_HEADER:
        return _bad(f"the header is longer than {MAX_HEADER} characters")
    tags = {tag for part in given.split(",") if (tag := part.strip())}
    if len(tags) > MAX_TAGS:
        return _bad(f"at most {MAX_TAGS} tags can be given")
    if not all(map(is_tag, tags)):
        return _bad("a tag has 1 to 48 letters, digits and . _ : / -, and begins with a letter or digit")
    for tag in sorted(tags.difference(own)):
        if tag in reserved:
            return _bad(f"the tag `{tag}` belongs to other keys", 403, "tag_not_allowed")
    return tuple(sorted(tags.union(own)))


def _bad(why: str, status: int = 400, code: str = "invalid_value") -> Problem:
    return Problem(status, f"Invalid '{TAGS_HEADER}': {why}.", code=code, param=TAGS_HEADER)
