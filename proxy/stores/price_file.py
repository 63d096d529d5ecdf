"""The price list that ships with the package. Read here and nowhere else; nothing is downloaded.

A list that is missing or damaged costs prices, never requests: then there are none, and `trouble` says why.
"""

from functools import lru_cache
from pathlib import Path

import msgspec

from proxy.tokens.price_list import ListFile, PriceList

FILE = Path(__file__).with_name("prices") / "prices.json"

_DECODE = msgspec.json.Decoder(ListFile).decode


def load(path: Path = FILE) -> PriceList:
    """About 5 ms. Never raises for what is in the file or that it is not there."""
    try:
        return PriceList(_DECODE(path.read_bytes()))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        return PriceList(trouble=f"{path.name} cannot be read ({error}); install undimmed again")


@lru_cache(maxsize=1)
def bundled() -> PriceList:
    """The list, read once in a process."""
    return load()
