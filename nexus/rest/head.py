"""The head of a plain request: what most clients send almost always, and nothing else.

httptools (llhttp) does the parsing.  A head that is anything but plain is None here, and its
connection is aiohttp's to answer: not HTTP/1.1, broken, large, without a host, with a field twice,
a whole URL for a target, a transfer coding, an expectation or an upgrade.  So there is one place
that words refusals, and what is served here cannot be read in two ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import httptools

from nexus.rest.wire import is_request_id, split_target

HEAD_BYTES_MAX = 8_190
"""Longer heads are left to aiohttp, which has bounds for each line of them."""
FIELDS_MAX = 32
LENGTH_DIGITS_MAX = 12

_NOT_PLAIN = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"sec-websocket-key1"})


class HeaderFields(Mapping[str, str]):
    """Header fields by name, whatever its case."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[bytes, bytes]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower().encode("ascii", "replace")].decode(
            errors="surrogateescape"
        )

    def __iter__(self) -> Iterator[str]:
        return iter([name.decode("ascii") for name in self._values])

    def __len__(self) -> int:
        return len(self._values)


class Head:
    """One parsed head.  Shared by requests whose heads are the same bytes; never written to."""

    __slots__ = ("headers", "keep_alive", "length", "method", "path", "query_string", "request_id")

    def __init__(
        self, method: str, target: str, values: dict[bytes, bytes], length: int, keep_alive: bool
    ) -> None:
        self.method = method
        self.path, self.query_string = split_target(target)
        self.headers = HeaderFields(values)
        self.length = length
        self.keep_alive = keep_alive
        request_id = self.headers.get("X-Request-ID")
        self.request_id = request_id if request_id and is_request_id(request_id) else None


class _Fields:
    """What httptools calls while it reads one head."""

    __slots__ = ("began", "count", "keep_alive", "parser", "target", "values")

    def __init__(self) -> None:
        self.target = b""
        self.values: dict[bytes, bytes] = {}
        self.count = 0
        self.began = 0
        self.keep_alive: bool | None = None
        self.parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self.began += 1

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.count += 1
        self.values[name.lower()] = value.rstrip(b" \t")

    def on_headers_complete(self) -> None:
        # Asked here: the parser forgets it with the end of the message.
        assert self.parser is not None
        self.keep_alive = self.parser.should_keep_alive()

    def on_body(self, _body: bytes) -> None:
        # The head ended before its last byte, by a bare line feed, say.
        self.began += 1


def parse_head(data: bytes) -> Head | None:
    """The head in these bytes, which end with its empty line; None if it is not plain."""
    if len(data) > HEAD_BYTES_MAX:
        return None
    fields = _Fields()
    parser = fields.parser
    assert parser is not None
    try:
        parser.feed_data(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    finally:
        fields.parser = None  # each holds the other
    values = fields.values
    if fields.keep_alive is None or fields.began != 1:
        return None
    if parser.get_http_version() != "1.1" or not fields.target.startswith(b"/"):
        return None
    if fields.count > FIELDS_MAX or fields.count > len(values):
        return None
    if b"host" not in values or not _NOT_PLAIN.isdisjoint(values):
        return None
    length = values.get(b"content-length", b"0")
    if len(length) > LENGTH_DIGITS_MAX or not length.isdigit():
        return None
    try:
        target = fields.target.decode("ascii")
    except UnicodeDecodeError:
        return None
    method = parser.get_method().decode("ascii")
    return Head(method, target, values, int(length), fields.keep_alive)
