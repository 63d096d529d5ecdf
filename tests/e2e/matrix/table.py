"""The matrix in the README: written from what the cells gave, and read again by the test that plays them.

`python -m e2e.matrix.table` (`make matrix`) plays every cell and writes the table anew.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from e2e.matrix.cells import APPROXIMATED, CARRIED, CELLS, DROPPED, REFUSED
from e2e.matrix.stage import hold_stage
from e2e.matrix.vendors import VENDORS

README = Path(__file__).parents[3] / "README.md"
BEGIN = "<!-- matrix: written by `make matrix`, checked by tests/e2e/matrix -->\n"
END = "<!-- end of the matrix -->\n"
CLIENTS = ("chat", "responses", "messages")
MARKS = {CARRIED: "✓", APPROXIMATED: "≈", DROPPED: "–", REFUSED: "✗"}
_WORDS = {mark: word for word, mark in MARKS.items()}

#: What became of a cell, by client, vendor and column.
Results = Mapping[tuple[str, str, str], str]


def write_table(results: Results) -> str:
    """One mark where all clients are alike, else one for each of them."""
    lines = ["| vendor | " + " | ".join(CELLS) + " |", "| --- |" + " :-: |" * len(CELLS)]
    for vendor in VENDORS:
        marks = []
        for cell in CELLS:
            each = [MARKS[results[client, vendor, cell]] for client in CLIENTS]
            marks.append(each[0] if len(set(each)) == 1 else " ".join(each))
        lines.append(f"| `{vendor}` | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"


def read_table(text: str) -> Results:
    """The results that a table tells; the opposite of `write_table`."""
    head, _, *rows = text.strip().splitlines()
    columns = _split(head)[1:]
    results: dict[tuple[str, str, str], str] = {}
    for row in rows:
        vendor, *marks = _split(row)
        for cell, mark in zip(columns, marks, strict=True):
            each = mark.split() if " " in mark else [mark] * len(CLIENTS)
            for client, one in zip(CLIENTS, each, strict=True):
                results[client, vendor.strip("`"), cell] = _WORDS[one]
    return results


def _split(row: str) -> list[str]:
    return [part.strip() for part in row.strip().strip("|").split("|")]


def find_table(readme: str) -> str:
    return readme.partition(BEGIN)[2].partition(END)[0]


def play_all() -> Results:
    results: dict[tuple[str, str, str], str] = {}
    with hold_stage() as play:
        for client in CLIENTS:
            for vendor in VENDORS:
                for cell, act in CELLS.items():
                    results[client, vendor, cell] = play(lambda stage, at=(client, vendor), act=act: act(stage.scene(*at)))
    return results


def main() -> int:
    readme = README.read_text()
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        print(f"{README} has no place for the matrix", file=sys.stderr)
        return 1
    README.write_text(before + begin + write_table(play_all()) + end + after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
