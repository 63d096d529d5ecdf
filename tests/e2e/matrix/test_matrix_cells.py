"""Three client formats, all kinds of vendors, and everything that a request may be: each cell is played and asserted."""

from collections.abc import Iterator

import pytest
from e2e.matrix.cells import CELLS
from e2e.matrix.stage import Play, hold_stage
from e2e.matrix.vendors import VENDORS

pytestmark = pytest.mark.live

CLIENTS = ("chat", "responses", "messages")


@pytest.fixture(scope="module")
def play() -> Iterator[Play]:
    with hold_stage() as on_stage:
        yield on_stage


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("client", CLIENTS)
def test_cell(play: Play, client: str, vendor: str, cell: str) -> None:
    word = play(lambda stage: CELLS[cell](stage.scene(client, vendor)))
    print(client, vendor, cell, word)
