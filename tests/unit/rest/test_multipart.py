"""Forms as browsers and curl send them."""

from __future__ import annotations

import pytest

from nexus.errors import NexusError
from nexus.rest.multipart import form_file, is_multipart

TYPE = "multipart/form-data; boundary=----x7"


def form(*parts: tuple[str, bytes], end: bytes = b"------x7--\r\n") -> bytes:
    body = b""
    for name, content in parts:
        head = f'Content-Disposition: form-data; name="{name}"; filename="d.csv"\r\n'
        body += b"------x7\r\n" + head.encode() + b"Content-Type: text/csv\r\n\r\n"
        body += content + b"\r\n"
    return body + end


@pytest.mark.parametrize(
    "content", [b"a,b\r\nc,d\r\n", b"", b"\r\n\r\n--x7\r\n", bytes(range(256)), b"a--\r\n"]
)
def test_the_content_comes_back_byte_for_byte(content):
    assert form_file(TYPE, form(("note", b"hi"), ("file", content)), "file") == content


def test_a_boundary_may_be_quoted_and_a_preamble_is_skipped():
    body = b"preamble\r\n" + form(("file", b"x"))
    assert form_file('Multipart/Form-Data; charset=utf-8; boundary="----x7"', body, "file") == b"x"


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("multipart/form-data", form(("file", b"x")), "names no boundary"),
        (TYPE, b"", "has no end"),
        (TYPE, form(("other", b"x")), "'file': the form has no such part"),
        (TYPE, form(("file", b"x"), end=b""), "the last part has no end"),
        (TYPE, b"------x7\r\nno header", "a part has no header"),
        (TYPE, b"------x7y\r\n\r\n\r\n", "a part has no header"),
        (TYPE, form(*[("p", b"")] * 40), "too many parts"),
    ],
)
def test_a_malformed_form_is_refused_with_its_reason(content_type, body, text):
    with pytest.raises(NexusError) as refused:
        form_file(content_type, body, "file")
    assert refused.value.code == "validation_failed" and text in refused.value.message


def test_only_forms_are_forms():
    assert is_multipart(" Multipart/form-data; boundary=x")
    assert not is_multipart("text/csv") and not is_multipart("")
