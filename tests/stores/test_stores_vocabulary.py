import gzip

import pytest

from proxy.stores.vocabulary import CHECKSUMS, DIRECTORY, VocabularyError, load


@pytest.mark.parametrize(("name", "tokens"), [("o200k_base", 199_998), ("cl100k_base", 100_256)])
def test_shipped_vocabularies_are_whole(name, tokens):
    assert load(name).count(b"\n") == tokens


def test_notice_names_every_file():
    notice = (DIRECTORY / "NOTICE").read_text()
    for name, checksum in CHECKSUMS.items():
        assert f"{name}.tiktoken" in notice
        assert checksum in notice
    assert "OpenAI" in notice
    assert "Bazyli Brzoska" in notice


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "cannot be read"),
        (b"", "damaged"),
        (b"not gzip", "cannot be read"),
        (gzip.compress(b"IQ== 0\n" * 100)[:-9], "cannot be read"),
        (gzip.compress(b"IQ== 0\n"), "damaged"),
    ],
    ids=["absent", "empty", "not gzip", "cut off", "another file"],
)
def test_damaged_files_are_refused(tmp_path, data, words):
    if data is not None:
        (tmp_path / "o200k_base.tiktoken.gz").write_bytes(data)
    with pytest.raises(VocabularyError, match=words):
        load("o200k_base", tmp_path)
