"""Which tools a simulated model calls, and in what fragments it writes the arguments; the same in every vendor's format.

A call of one token comes whole; longer ones open the arguments, add to them and close them, a token each. In style
`parallel` half of the tokens make a first call and the rest a second one, of another tool.
"""

import functools
from typing import NamedTuple

from proxy.rehearse.behaviour import Style

NAMES = ("light", "dim")
CALLING = frozenset((Style.TOOL, Style.PARALLEL))


class Fragment(NamedTuple):
    """One token of the arguments of the call number `call`. `opens`, `closes`: the first and the last of that call."""

    call: int
    text: str
    opens: bool
    closes: bool

    @property
    def name(self) -> str:
        return NAMES[self.call]


@functools.lru_cache(maxsize=256)
def plan_calls(count: int, style: Style) -> tuple[Fragment, ...]:
    """Token by token; empty for a style that calls nothing. Two calls need two tokens."""
    if style not in CALLING:
        return ()
    second = count // 2 if style is Style.PARALLEL else 0
    plan: list[Fragment] = []
    for call, size in enumerate((count - second, second)):
        plan.extend(Fragment(call, _write(at, size), at == 0, at == size - 1) for at in range(size))
    return tuple(plan)


def list_calls(count: int, style: Style) -> list[tuple[str, str]]:
    """The whole calls, in order: name and arguments."""
    plan = plan_calls(count, style)
    calls = dict.fromkeys(fragment.call for fragment in plan)
    return [(NAMES[call], "".join(fragment.text for fragment in plan if fragment.call == call)) for call in calls]


def name_call(prefix: str, identity: str, call: int) -> str:
    """The id of a call: the answer's, and its number from the second on."""
    return f"{prefix}_{identity}" if call == 0 else f"{prefix}_{identity}_{call + 1}"


def _write(at: int, size: int) -> str:
    opening = '{"lamps":[1' if at == 0 else ",1"
    if at < size - 1:
        return opening
    return opening + "]}" if size == 1 else "]}"
