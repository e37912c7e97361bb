"""Rows of ``serial,site_id`` out of whatever a spreadsheet saves as CSV (RFC 4180, roughly).

Good rows are taken though others are bad; a bad row is told by the line of the file on which it
starts.  Only what makes the rest of the file unreadable refuses the whole: another encoding, a
quote that never ends, more rows than the bound, a header that names no serial.
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
    records = _records(_text(data))
    first = next(records, None)
    if first is None:
        raise _refused("CSV file is empty")
    serial_at, site_at, width = 0, 1, 2
    names = [cell.strip().lower() for cell in first[1]]
    rows: list[ImportRow] = []
    faults: list[ImportFault] = []
    if SERIAL_COLUMN in names:
        if SITE_COLUMN not in names:
            raise _refused(f"failed to parse CSV: the header has no column '{SITE_COLUMN}'")
        serial_at, site_at = names.index(SERIAL_COLUMN), names.index(SITE_COLUMN)
        width = len(names)
    else:
        _take(first, serial_at, site_at, width, rows, faults)
    for record in records:
        if len(rows) + len(faults) >= ROWS_MAX:
            raise _refused(f"failed to parse CSV: more than {ROWS_MAX} rows, split the file")
        _take(record, serial_at, site_at, width, rows, faults)
    return ParsedCsv(tuple(rows), tuple(faults))


def _take(
    record: tuple[int, Sequence[str]],
    serial_at: int,
    site_at: int,
    width: int,
    rows: list[ImportRow],
    faults: list[ImportFault],
) -> None:
    line, cells = record
    if len(cells) != width:
        text = f"line {line}: expected {width} columns, found {len(cells)}"
        faults.append(ImportFault(line, text))
        return
    serial, site_id = cells[serial_at].strip(), cells[site_at].strip()
    try:
        check_serial(serial)
    except ValueError as problem:
        text = f"line {line}: serial {problem}"
        faults.append(ImportFault(line, text))
        return
    try:
        check_site_id(site_id)
    except ValueError as problem:
        text = f"line {line} (serial {serial}): site_id {problem}"
        faults.append(ImportFault(line, text))
        return
    rows.append(ImportRow(line, serial, site_id))


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
