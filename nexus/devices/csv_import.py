"""Rows of ``serial,site_id`` out of whatever a spreadsheet saves as CSV (RFC 4180, roughly).

Good rows are taken though others are bad; a bad row is told by the line of the file on which it
starts.  What puts the whole file in doubt refuses it, before anything is changed: another encoding,
a quote that never ends, a row of another width (cells may have slipped), a header that names no
site, more rows than the bound.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import StringIO

import msgspec

from nexus.devices.requests import ImportRow
from nexus.devices.views import ImportFault
from nexus.errors import NexusError
from nexus.model.ids import check_serial, check_site_id

ROWS_MAX = 10_000
"""Rows of one file; about 50 ms of work for the member that executes them."""

SERIAL_COLUMN = "serial"
SITE_COLUMN = "site_id"

_DELIMITERS = ";\t"
"""What spreadsheets write instead of the comma, by country."""


class ParsedCsv(msgspec.Struct, frozen=True):
    """Rows that may be executed, and the faults of the others, both by line."""

    rows: tuple[ImportRow, ...]
    faults: tuple[ImportFault, ...]


def parse_csv(data: bytes) -> ParsedCsv:
    """Read a file of devices and their sites.

    Parameters
    ----------
    data : UTF-8 with or without a byte order mark, any line ending, header row optional.

    Raises
    ------
    NexusError : validation_failed, when the file as a whole cannot be read.
    """
    rows: list[ImportRow] = []
    faults: list[ImportFault] = []
    columns: _Columns | None = None
    for line, cells in _records(_text(data)):
        if columns is None:
            columns = _columns(cells)
            if columns.from_header:
                continue
        if len(rows) + len(faults) >= ROWS_MAX:
            raise _refused(f"failed to parse CSV: more than {ROWS_MAX} rows, split the file")
        taken = _row(line, cells, columns)
        if isinstance(taken, ImportRow):
            rows.append(taken)
        else:
            faults.append(taken)
    if columns is None:
        raise _refused("CSV file is empty")
    return ParsedCsv(tuple(rows), tuple(faults))


class _Columns(msgspec.Struct, frozen=True):
    """Where the two values stand in every row."""

    serial_at: int
    site_at: int
    width: int
    from_header: bool


def _columns(first: Sequence[str]) -> _Columns:
    names = [cell.strip().lower() for cell in first]
    if SERIAL_COLUMN not in names:
        return _Columns(0, 1, 2, from_header=False)
    if SITE_COLUMN not in names:
        raise _refused(f"failed to parse CSV: the header has no column '{SITE_COLUMN}'")
    serial_at, site_at = names.index(SERIAL_COLUMN), names.index(SITE_COLUMN)
    return _Columns(serial_at, site_at, len(names), from_header=True)


def _row(line: int, cells: Sequence[str], columns: _Columns) -> ImportRow | ImportFault:
    if len(cells) != columns.width:
        raise _refused(
            f"failed to parse CSV: line {line}: expected {columns.width} columns,"
            f" found {len(cells)}"
        )
    serial, site_id = cells[columns.serial_at].strip(), cells[columns.site_at].strip()
    try:
        check_serial(serial)
    except ValueError as problem:
        return ImportFault(line, f"line {line}: serial {problem}")
    try:
        check_site_id(site_id)
    except ValueError as problem:
        return ImportFault(line, f"line {line} (serial {serial}): site_id {problem}")
    return ImportRow(line, serial, site_id)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise _refused(
            f"failed to parse CSV: byte {problem.start} is not UTF-8; save the file as UTF-8"
        ) from problem


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Records that are not blank, each with the line on which it starts."""
    reader = csv.reader(
        StringIO(text, newline=""), delimiter=_delimiter(text), strict=True, skipinitialspace=True
    )
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as problem:
            raise _refused(f"failed to parse CSV: line {line}: {problem}") from problem
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


def _delimiter(text: str) -> str:
    head = text.lstrip().splitlines()[0] if text.strip() else ""
    if "," in head:
        return ","
    return next((mark for mark in _DELIMITERS if mark in head), ",")


def _refused(text: str) -> NexusError:
    return NexusError("validation_failed", text)
