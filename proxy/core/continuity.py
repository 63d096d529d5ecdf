"""How a route treats a stream between its first word and its last: how much is held back, and what follows a cut."""

import enum

#: Tokens that are held back: none beyond the first content, and all there are.
FIRST_CONTENT = 0
WHOLE = 2**62


class Resume(enum.StrEnum):
    """What is done about a stream that is cut after the client has had some of it.

    OFF: it is told so. SPLICE: another target is asked the same, and its answer is used if it begins with what was sent.
    CONTINUE: a target that can is given what was sent, and goes on from there. AUTO: first the one, then the other."""

    OFF = "off"
    SPLICE = "splice"
    CONTINUE = "continue"
    AUTO = "auto"
