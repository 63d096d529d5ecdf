"""Errors that stop us, as opposed to outcomes, which are data."""

from dataclasses import dataclass


@dataclass(slots=True)
class ConfigProblem:
    """One mistake in a configuration: where it stands, what it is, what to do."""

    message: str
    file: str = ""
    line: int | None = None
    key: str = ""

    def __str__(self) -> str:
        place = self.file
        if self.line is not None:
            place += f":{self.line}"
        parts = [part for part in (place, self.key, self.message) if part]
        return ": ".join(parts)


class ConfigError(Exception):
    """A configuration that cannot be used; carries every mistake found, not only the first."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
