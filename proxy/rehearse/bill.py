"""What a simulated vendor would charge: its own books, to hold the proxy's against."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class BillEntry:
    """One request as the vendor saw it. `output` counts what was generated before the end, whoever ended it;
    `complete`: the answer went out whole."""

    at: float
    request: str
    model: str
    key: str
    input: int
    output: int = 0
    complete: bool = False


@dataclass(slots=True)
class Bill:
    """Every request that reached the model. Errors, refusals and black holes cost nothing."""

    entries: list[BillEntry] = field(default_factory=list)

    def open(self, entry: BillEntry) -> BillEntry:
        self.entries.append(entry)
        return entry

    def tokens(self, model: str | None = None, *, complete: bool | None = None) -> tuple[int, int]:
        """Input and output tokens, of one model or all, of whole or broken answers or both."""
        chosen = [
            entry
            for entry in self.entries
            if model in (None, entry.model) and (complete is None or entry.complete is complete)
        ]
        return sum(entry.input for entry in chosen), sum(entry.output for entry in chosen)
