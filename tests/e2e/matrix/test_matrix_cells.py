"""Three client formats, all kinds of vendors, and everything that a request may be: each cell is played and asserted, and
gives what the README says of it."""

from collections.abc import Iterator

import pytest
from e2e.matrix.cells import CELLS
from e2e.matrix.stage import Play, hold_stage
from e2e.matrix.table import CLIENTS, README, find_table, read_table, write_table
from e2e.matrix.vendors import VENDORS

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def play() -> Iterator[Play]:
    with hold_stage() as on_stage:
        yield on_stage


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("client", CLIENTS)
def test_cell(play: Play, client: str, vendor: str, cell: str) -> None:
    word = play(lambda stage: CELLS[cell](stage.scene(client, vendor)))
    written = read_table(find_table(README.read_text()))
    assert word == written[client, vendor, cell], "the README says something else: make matrix"


def test_the_table_in_the_readme_is_whole() -> None:
    table = find_table(README.read_text())
    assert write_table(read_table(table)) == table
