"""Files of devices: what is written is read back, and no bytes do more than be refused."""

from __future__ import annotations

import csv
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st

from nexus.devices.csv_import import parse_csv
from nexus.errors import NexusError
from nexus.rest.multipart import form_file

serials = st.from_regex(r"[A-Za-z0-9._-]{4,64}", fullmatch=True).filter(
    lambda serial: serial.lower() != "serial"
)
sites = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,20}[A-Za-z0-9])?", fullmatch=True)
notes = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(
    rows=st.lists(st.tuples(serials, sites, notes), min_size=1, max_size=20),
    order=st.permutations([0, 1, 2]),
    dialect=st.sampled_from(["excel", "excel-tab", "unix"]),
    mark=st.booleans(),
)
def test_what_a_csv_writer_wrote_is_read_back(rows, order, dialect, mark):
    out = StringIO(newline="")
    writer = csv.writer(out, dialect=dialect)
    names = ("serial", "site_id", "note")
    for row in (names, *rows):
        writer.writerow([row[at] for at in order])
    parsed = parse_csv(out.getvalue().encode("utf-8-sig" if mark else "utf-8"))
    assert parsed.faults == ()
    assert [(row.serial, row.site_id) for row in parsed.rows] == [row[:2] for row in rows]
    lines = [row.line for row in parsed.rows]
    assert lines == sorted(set(lines)) and lines[0] > 1


scraps = st.lists(
    st.sampled_from(
        [b"OLT-1,s1", b"\n", b"\r", b'"', b",", b";", b"\0", b"\xff", b"serial,site_id"]
    )
    | st.binary(max_size=8),
    max_size=12,
).map(b"".join)


def outcome(call):
    """What a call gave, or the refusal; any other exception fails the test."""
    try:
        return call()
    except NexusError as refused:
        return refused


@given(scraps)
def test_any_bytes_are_rows_or_a_refusal(data):
    parsed = outcome(lambda: parse_csv(data))
    if isinstance(parsed, NexusError):
        assert parsed.code == "validation_failed" and parsed.message.isprintable()
    else:
        assert all(fault.text.isprintable() for fault in parsed.faults)


form_scraps = st.lists(
    st.sampled_from(
        [b"--B", b"--B--", b"\r\n", b"\r\n\r\n", b'Content-Disposition: form-data; name="file"']
    )
    | st.binary(max_size=8),
    max_size=12,
).map(b"".join)


@given(form_scraps, st.sampled_from(["B", '"B"', "", "B; charset=x", "*=utf-8''B"]))
def test_any_form_is_a_file_or_a_refusal(body, boundary):
    content_type = f"multipart/form-data; boundary={boundary}"
    content = outcome(lambda: form_file(content_type, body, "file"))
    if isinstance(content, NexusError):
        assert content.code == "validation_failed"
    else:
        assert content in body


@given(st.binary(max_size=200).filter(lambda content: b"\r\n--B" not in b"\r\n" + content))
def test_a_file_in_a_form_comes_back(content):
    head = b'--B\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    assert form_file("multipart/form-data; boundary=B", head + content + b"\r\n--B--", "file") == (
        content
    )
