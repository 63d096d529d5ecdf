"""The token vocabularies that ship with the package.

They are read here and nowhere else, so counting needs no download: tiktoken's own loader would go to the network, and
on a damaged cache it deletes the file and downloads again.
"""

import gzip
import hashlib
import zlib
from pathlib import Path

DIRECTORY = Path(__file__).with_name("vocabularies")

#: SHA-256 of the uncompressed files; the same sums stand in tiktoken (`tiktoken_ext/openai_public.py`).
CHECKSUMS = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}


class VocabularyError(Exception):
    """A vocabulary file is missing or damaged: the installation is broken."""


def load(name: str, directory: Path = DIRECTORY) -> bytes:
    """The rank file of an encoding (`o200k_base`, `cl100k_base`), uncompressed and checked.

    Raises VocabularyError. Takes about 30 ms for o200k_base.
    """
    path = directory / f"{name}.tiktoken.gz"
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise VocabularyError(f"{path.name}: cannot be read ({error}); install undimmed again") from error
    if hashlib.sha256(data).hexdigest() != CHECKSUMS[name]:
        raise VocabularyError(f"{path.name}: damaged (wrong checksum); install undimmed again")
    return data
