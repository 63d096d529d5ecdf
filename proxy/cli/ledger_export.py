"""The ledger's rows for other programs: lines of JSON, CSV or Parquet, in bounded memory however many there are.

One table says what becomes of a column: money is dollars as exact decimals (`cost` is `cost_usd` there), times are times,
what is 0 or 1 in the database is a flag. JSON has one line per call with its attempts inside; CSV and Parquet have a row per
attempt, and one for a call that made none. A file is put in its place only when it is whole.
"""

import argparse
import contextlib
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from proxy.cli.ledger_place import add_span, span_of
from proxy.cli.terminal import OutputLost

if TYPE_CHECKING:
    from proxy.stores.ledger.contract import Reader, Row, Span

EXTRA = 'needs a package that is not installed: pip install "undimmed[parquet]"'
#: Rows of a row group of Parquet, which is what is held in memory at a time.
GROUP = 20_000
_MONEY = frozenset(("cost", "failover_cost", "cache_saved", "saved"))
_FLAGS = frozenset(("stream", "committed", "lower_bound", "delivered", "possibly_billed", "trial"))
#: Columns that say what the shape of the export says already.
_IMPLIED = frozenset(("attempts", "call"))

Record = dict[str, object]


class Unwritable(Exception):
    """It cannot be exported like this; the message says why."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column as it is exported. `kind`: text, list, count, real, flag, money or time."""

    column: str
    name: str
    kind: str

    def read(self, row: "Row") -> object:
        """The value: text, a list of texts, a number, a flag, dollars or a time; None where it is unknown."""
        value = row[self.column]
        return None if value is None else _READ[self.kind](value)


def _read_list(value: object) -> list[str]:
    text = str(value)
    return json.loads(text) if text.startswith("[") else text.split(",") if text else []


_READ: Mapping[str, Callable[[object], object]] = {
    "text": str,
    "list": _read_list,
    "count": lambda value: value,
    "real": lambda value: value,
    "flag": bool,
    "money": lambda nano: Decimal(str(nano)).scaleb(-9),
    "time": lambda wall: datetime.fromtimestamp(int(str(wall)) / 1000, UTC),
}


def fields_of(table: str, prefix: str = "") -> list[Field]:
    """What is exported of a table, in order."""
    from proxy.stores.ledger.schema import COUNT, REAL, TABLES

    found = []
    for column, said in next(known for known in TABLES if known.name == table).columns:
        kind = {COUNT: "count", REAL: "real"}.get(said.rstrip("?"), "text")
        name = column
        if column in _IMPLIED:
            continue
        if column in _MONEY:
            kind, name = "money", f"{column}_usd"
        elif column in _FLAGS:
            kind = "flag"
        elif column in ("tags", "features"):
            kind = "list"
        elif column == "wall":
            kind, name = "time", "at"
        found.append(Field(column, prefix + name, kind))
    return found


def _shape(row: "Row", fields: Iterable[Field]) -> Record:
    return {field.name: field.read(row) for field in fields}


def _rows(reader: "Reader", span: "Span", probes: bool) -> tuple[list[Field], Iterator[Record]]:
    """Flat rows: of attempts with their calls, or of probes."""
    if probes:
        fields = fields_of("probes")
        return fields, (_shape(row, fields) for row in reader.probes(span))
    of_call, of_attempt = fields_of("calls"), fields_of("attempts", "attempt_")

    def flatten() -> Iterator[Record]:
        for call, attempts in reader.calls(span):
            shared = _shape(call, of_call)
            for attempt in attempts:
                yield {**shared, **_shape(attempt, of_attempt)}
            if not attempts:
                yield shared

    return [*of_call, *of_attempt], flatten()


def _nested(reader: "Reader", span: "Span", probes: bool) -> Iterator[Record]:
    """Calls with their attempts inside, or probes."""
    if probes:
        yield from _rows(reader, span, True)[1]
        return
    of_call, of_attempt = fields_of("calls"), fields_of("attempts")
    for call, attempts in reader.calls(span):
        yield {**_shape(call, of_call), "attempts": [_shape(attempt, of_attempt) for attempt in attempts]}


def _plain(value: object) -> object:
    """A value as JSON and CSV can say it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def _cell(value: object) -> object:
    return (json.dumps(value) if value else "") if isinstance(value, list) else _plain(value)


def write_json(stream: TextIO, reader: "Reader", span: "Span", probes: bool) -> None:
    """A line for each call, or for each probe."""
    for record in _nested(reader, span, probes):
        stream.write(json.dumps(record, default=_plain) + "\n")


def write_csv(stream: TextIO, reader: "Reader", span: "Span", probes: bool) -> None:
    """A head, and a line for each attempt or probe; lists are JSON."""
    fields, rows = _rows(reader, span, probes)
    writer = csv.DictWriter(stream, [field.name for field in fields], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})


def write_parquet(stream: BinaryIO, reader: "Reader", span: "Span", probes: bool) -> None:
    """A row for each attempt or probe, in row groups. Unwritable: the library is missing."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Unwritable(f"--format parquet {EXTRA}") from None
    types = {
        "text": pyarrow.string(), "list": pyarrow.list_(pyarrow.string()), "count": pyarrow.int64(),
        "real": pyarrow.float64(), "flag": pyarrow.bool_(), "money": pyarrow.decimal128(28, 9),
        "time": pyarrow.timestamp("ms", tz="UTC"),
    }  # fmt: skip
    fields, rows = _rows(reader, span, probes)
    schema = pyarrow.schema([(field.name, types[field.kind]) for field in fields])
    with parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        while group := list(islice(rows, GROUP)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema=schema), row_group_size=GROUP)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its place when all of it is written and safe; until then nothing is there, or what was before."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def add_parser(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """What, as what, whereto."""
    export = actions.add_parser(
        "export",
        help="print every call and attempt",
        description="Write every call with its attempts, the oldest first: one line of JSON per call, or one row of CSV or "
        "Parquet per attempt. Costs are dollars, empty or null where they are unknown.",
    )
    export.add_argument("--format", choices=("csv", "jsonl", "parquet"), default="jsonl", help="default: jsonl")
    export.add_argument("--output", type=Path, metavar="FILE", help="instead of printing; there once it is whole")
    export.add_argument("--probes", action="store_true", help="the probes that used tokens, instead of the calls")
    add_span(export)


def run(reader: "Reader", args: argparse.Namespace) -> int:
    """Unwritable; OSError where the file cannot be written."""
    span = span_of(args)
    write = write_csv if args.format == "csv" else write_json
    if args.output is None:
        if args.format == "parquet":
            raise Unwritable("--format parquet needs --output FILE")
        try:
            write(sys.stdout, reader, span, args.probes)
        except OSError as error:
            raise OutputLost(error) from error
        return 0
    with whole_file(args.output) as stream:
        if args.format == "parquet":
            write_parquet(stream, reader, span, args.probes)
        else:
            text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
            write(text, reader, span, args.probes)
            text.detach()
    return 0
