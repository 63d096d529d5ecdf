"""Where a ledger can be, and what cannot be meant of it."""

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from proxy.config.source import Path
from proxy.config.validation import Draft
from proxy.stores.ledger.postgres_link import installed

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
Findings = Iterator[tuple[Path, str]]


def check_ledger(draft: Draft) -> Findings:
    """A ledger whose folder is missing would never be written, nor one whose driver is."""
    ledger = draft.document.ledger
    if ledger is None:
        return
    if ledger.url.startswith("sqlite:"):
        yield from _check_file(draft, "url", ledger.url.removeprefix("sqlite:"))
        if ledger.journal is not None:
            yield ("ledger", "journal"), "does nothing here: the journal of a file of SQLite stands beside it; leave it out"
        return
    if ledger.journal is not None:
        yield from _check_file(draft, "journal", ledger.journal)
    mode = dict(parse_qsl(urlsplit(ledger.url).query)).get("sslmode", SSL_MODES[0])
    if mode not in SSL_MODES:
        yield ("ledger", "url"), f"sslmode {mode} is none of {', '.join(SSL_MODES)}"
    if not installed():
        yield ("ledger", "url"), 'needs a package that is not installed: pip install "undimmed[postgres]"'


def _check_file(draft: Draft, key: str, name: str) -> Findings:
    path = draft.source.folder / name
    if path.is_dir():
        yield ("ledger", key), f"{path} is a folder"
    elif not path.parent.is_dir():
        yield ("ledger", key), f"there is no folder {path.parent}"
