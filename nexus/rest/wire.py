"""The bytes of replies, and what aiohttp's request loop wants in place of a response object."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from typing import cast

from aiohttp import web

from nexus.rest.http import HttpReply

REQUEST_ID_CHARS_MAX = 128
ONE_WRITE_BYTES_MAX = 65_536
"""Up to here head and body are joined; above, copying costs more than a second write."""

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class _Reply:
    """What aiohttp's request loop needs of a response: the whole reply, written at once."""

    __slots__ = ("_body", "_head", "keep_alive")

    def __init__(self, head: bytes, body: bytes, keep_alive: bool) -> None:
        self._head = head
        self._body = body
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write; wait only where the client reads slower than we write."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError
        if len(self._body) <= ONE_WRITE_BYTES_MAX:
            transport.write(self._head + self._body)
        else:
            transport.write(self._head)
            transport.write(self._body)
        if request.protocol.writing_paused:
            await request.writer.drain()

    async def write_eof(self) -> None:
        """Nothing is left to write."""


class _Gone:
    """The answer to a client that was cut off."""

    keep_alive = False

    async def prepare(self, _request: web.BaseRequest) -> None:
        raise ConnectionResetError

    async def write_eof(self) -> None:
        """Nothing to write to nobody."""


class ReplyWriter:
    """Makes replies; holds the date, which is refreshed once a second."""

    def __init__(self) -> None:
        self._date = b""
        self._beginnings: dict[tuple[int, str], bytes] = {}
        """Heads up to the request's id, by status and type: a handful, made anew with the date."""
        self.refresh_date()

    def refresh_date(self) -> None:
        """To be called about once a second."""
        self._date = b"Server: nexus\r\nDate: " + formatdate(usegmt=True).encode()
        self._beginnings.clear()

    def head(
        self, reply: HttpReply, cause_id: str, *, close: bool = False, old_http: bool = False
    ) -> bytes:
        """Status line and fields of a reply, with the empty line that ends them."""
        beginning = self._beginnings.get((reply.status, reply.content_type))
        if beginning is None:
            beginning = self._begin(reply.status, reply.content_type)
        if not (reply.headers or close or old_http) and reply.status != HTTPStatus.NO_CONTENT:
            return b"%b%b\r\nContent-Length: %d\r\n\r\n" % (
                beginning,
                cause_id.encode(),
                len(reply.body),
            )
        parts = [beginning, cause_id.encode()]
        for name, value in reply.headers:
            parts.append(f"\r\n{name}: {value}".encode())
        if reply.status != HTTPStatus.NO_CONTENT:
            parts.append(b"\r\nContent-Length: %d" % len(reply.body))
        if close:
            parts.append(b"\r\nConnection: close")
        elif old_http:
            parts.append(b"\r\nConnection: keep-alive")
        parts.append(b"\r\n\r\n")
        return b"".join(parts)

    def _begin(self, status: int, content_type: str) -> bytes:
        parts = [_STATUS_LINES[status], self._date]
        if content_type:
            parts += (b"\r\nContent-Type: ", content_type.encode())
        parts.append(b"\r\nX-Request-ID: ")
        beginning = self._beginnings[status, content_type] = b"".join(parts)
        return beginning

    def to_aiohttp(
        self,
        reply: HttpReply,
        cause_id: str,
        *,
        close: bool = False,
        head_only: bool = False,
        old_http: bool = False,
    ) -> web.StreamResponse:
        """The bytes of a reply, as the object that aiohttp's request loop wants."""
        head = self.head(reply, cause_id, close=close, old_http=old_http)
        body = b"" if head_only else reply.body
        return cast(web.StreamResponse, _Reply(head, body, not close))


def gone() -> web.StreamResponse:
    """The answer to a client that was cut off."""
    return cast(web.StreamResponse, _Gone())


def is_request_id(text: str) -> bool:
    """Whether a caller's id is one that we repeat."""
    return 0 < len(text) <= REQUEST_ID_CHARS_MAX and text.isascii() and text.isprintable()


def split_target(target: str) -> tuple[str, str]:
    """Path and query of a request target, in origin form or, from proxies, in absolute form."""
    path, _, query = target.partition("?")
    if not path.startswith("/") and "://" in path:
        slash = path.find("/", path.index("://") + 3)
        path = path[slash:] if slash >= 0 else "/"
    return path, query.partition("#")[0]
