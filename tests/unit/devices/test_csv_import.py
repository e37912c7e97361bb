"""Files as spreadsheets, editors and scripts write them."""

from __future__ import annotations

import pytest

from nexus.devices import csv_import
from nexus.devices.csv_import import parse_csv
from nexus.errors import NexusError

GOOD = [(1, "OLT-0001", "s1"), (2, "OLT-0002", "s1")]


def rows(data: bytes) -> list[tuple[int, str, str]]:
    parsed = parse_csv(data)
    assert parsed.faults == ()
    return [(row.line, row.serial, row.site_id) for row in parsed.rows]


def faults(data: bytes) -> list[tuple[int, str]]:
    return [(fault.line, fault.text) for fault in parse_csv(data).faults]


@pytest.mark.parametrize(
    "data",
    [
        b"OLT-0001,s1\nOLT-0002,s1\n",
        b"OLT-0001,s1\nOLT-0002,s1",
        b"OLT-0001,s1\r\nOLT-0002,s1\r\n",
        b"OLT-0001,s1\rOLT-0002,s1\r",
        b"\xef\xbb\xbfOLT-0001,s1\nOLT-0002,s1\n",
        b'"OLT-0001","s1"\n OLT-0002 , s1 \n',
        b"OLT-0001;s1\nOLT-0002;s1\n",
        b"OLT-0001\ts1\nOLT-0002\ts1\n",
    ],
    ids=["plain", "no-newline", "crlf", "cr", "bom", "quoted", "semicolons", "tabs"],
)
def test_what_programs_save_as_csv_is_read(data):
    assert rows(data) == GOOD


@pytest.mark.parametrize(
    "header", [b"serial,site_id", b"\xef\xbb\xbfSerial,SITE_ID\r", b' "serial", "site_id"']
)
def test_a_header_is_skipped_and_still_counts_as_a_line(header):
    assert rows(header + b"\nOLT-0001,s1\n") == [(2, "OLT-0001", "s1")]


def test_a_header_says_where_the_columns_are():
    assert rows(b"model,site_id,serial\nX1,s1,OLT-0001\n") == [(2, "OLT-0001", "s1")]


def test_a_header_alone_is_no_device():
    assert rows(b"serial,site_id\n") == []


def test_blank_lines_and_quoted_newlines_keep_the_line_numbers_true():
    data = b'serial,site_id,note\n\n"OLT-0001",s1,"two\nlines"\n,,\nOLT-0002,s1,x\n'
    assert rows(data) == [(3, "OLT-0001", "s1"), (6, "OLT-0002", "s1")]


def test_bad_rows_are_told_and_good_ones_taken():
    data = b"OLT-0001,s1\nx!,s1\nOLT-0004,bad site\n,s1\nOLT-0005,s2\n"
    parsed = parse_csv(data)
    assert [row.serial for row in parsed.rows] == ["OLT-0001", "OLT-0005"]
    told = faults(data)
    assert [line for line, _ in told] == [2, 3, 4]
    assert told[0][1].startswith("line 2: serial must be 4 to 64")
    assert told[1][1].startswith("line 3 (serial OLT-0004): site_id must be")
    assert told[1][1].endswith("got 'bad site'")


def test_a_refused_value_is_shown_short_and_harmless():
    (fault,) = faults(b"\x1b[31m" + b"x" * 500 + b",s1\n")
    assert fault[1].isprintable() and len(fault[1]) < 300


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "CSV file is empty"),
        (b"\xef\xbb\xbf", "CSV file is empty"),
        (b" \r\n\n", "CSV file is empty"),
        (b"OLT-0001,s1\nOLT-0002\n", "line 2: expected 2 columns, found 1"),
        (b"OLT-0001,s1\nOLT-0002,s1,x\n", "line 2: expected 2 columns, found 3"),
        (b"OLT-0001\nOLT-0002\n", "line 1: expected 2 columns, found 1"),
        (b"serial,place\nOLT-0001,s1\n", "the header has no column 'site_id'"),
        ("OLT-0001,s1".encode("utf-16"), "byte 0 is not UTF-8"),
        (b"OLT-0001,s\xe9\n", "byte 10 is not UTF-8"),
        (b'OLT-0001,s1\n"OLT-0002,s1\nOLT-0003,s1\n', "failed to parse CSV: line 2: "),
        (b"OLT-0001," + b"s" * 140_000, "failed to parse CSV: line 1: "),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(data, text):
    with pytest.raises(NexusError) as refused:
        parse_csv(data)
    assert refused.value.code == "validation_failed" and text in refused.value.message


def test_rows_are_bounded(monkeypatch):
    monkeypatch.setattr(csv_import, "ROWS_MAX", 3)
    assert len(rows(b"serial,site_id\n" + b"OLT-0001,s1\n" * 3)) == 3
    with pytest.raises(NexusError, match="more than 3 rows"):
        parse_csv(b"OLT-0001,s1\n" * 4)
    # Bad rows count too: a megabyte of them must not become a megabyte of errors.
    with pytest.raises(NexusError, match="more than 3 rows"):
        parse_csv(b"x,s1\n" * 4)
