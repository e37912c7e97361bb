"""Which heads are plain, and what is read of them."""

from __future__ import annotations

import pytest

from nexus.rest.head import FIELDS_MAX, HEAD_BYTES_MAX, parse_head


def head(first: str = "GET /a?b=c HTTP/1.1", *lines: str) -> bytes:
    return ("\r\n".join([first, "Host: x", *lines]) + "\r\n\r\n").encode("latin-1")


def test_a_plain_head() -> None:
    lines = ("Content-Length: 12", "x-request-id: r 1", "Accept:  a \t")
    found = parse_head(head("POST /api//%41?q=%20&r HTTP/1.1", *lines))
    assert found is not None
    assert (found.method, found.path, found.query_string) == ("POST", "/api//%41", "q=%20&r")
    assert (found.length, found.keep_alive, found.request_id) == (12, True, "r 1")
    assert found.headers.get("aCCept") == "a"
    assert found.headers.get("Nope", "no") == "no"
    assert "Ä" not in found.headers
    assert set(found.headers) == {"host", "content-length", "x-request-id", "accept"}
    assert len(found.headers) == 4


def test_what_the_id_and_the_connection_say() -> None:
    long_id = parse_head(head("GET / HTTP/1.1", "X-Request-ID: " + "x" * 129))
    assert long_id is not None
    assert long_id.request_id is None
    last = parse_head(head("GET / HTTP/1.1", "Connection: close"))
    assert last is not None
    assert not last.keep_alive


@pytest.mark.parametrize(
    "data",
    [
        head("GET / HTTP/1.0"),
        head("GET / HTTP/2.0"),
        head("GET /ä HTTP/1.1"),
        head("GET http://h/a HTTP/1.1"),
        head("OPTIONS * HTTP/1.1"),
        b"GET / HTTP/1.1\r\n\r\n",
        head("GET / HTTP/1.1", "A: b", "a: c"),
        head("GET / HTTP/1.1", "Sec-WebSocket-Key1: x"),
        head("CONNECT x:1 HTTP/1.1"),
        head("NONSENSE / HTTP/1.1"),
        head("GET / HTTP/1.1", "Transfer-Encoding: chunked"),
        head("GET / HTTP/1.1", "Transfer-Encoding: chunked", "Content-Length: 1"),
        head("GET / HTTP/1.1", "Expect: 100-continue"),
        head("GET / HTTP/1.1", "Connection: upgrade", "Upgrade: h2c"),
        head("GET / HTTP/1.1", "Content-Length: 1", "Content-Length: 1"),
        head("GET / HTTP/1.1", "Content-Length: 1", "Content-Length: 2"),
        head("GET / HTTP/1.1", "Content-Length: +1"),
        head("GET / HTTP/1.1", "Content-Length: 1234567890123"),
        head("GET / HTTP/1.1", "no colon"),
        head("GET / HTTP/1.1", "A : b"),
        head("GET / HTTP/1.1", "A: b\0"),
        head("GET / HTTP/1.1", *[f"A{i}: b" for i in range(FIELDS_MAX)]),
        head("GET / HTTP/1.1", "A: " + "b" * HEAD_BYTES_MAX),
        b"GET / HTTP/1.1\nHost: x\n\nGET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\nhello\r\n\r\n",
        b"\r\n\r\n",
        b"GET /\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ],
)
def test_what_is_not_plain(data: bytes) -> None:
    assert parse_head(data) is None
