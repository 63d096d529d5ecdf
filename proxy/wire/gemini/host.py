"""The services that speak generateContent, as far as they want a request written differently."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Host:
    """`fetches`: takes media from any https address; else only from Google's own storage. `call_ids`: takes the ids of calls
    beside the names of functions, which is what results are matched by everywhere."""

    fetches: bool
    call_ids: bool


DEVELOPER = Host(fetches=False, call_ids=True)
VERTEX = Host(fetches=True, call_ids=False)
