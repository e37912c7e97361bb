"""The port: aiohttp's low-level server in front of the app.

aiohttp parses requests and keeps connections; the app gets an `HttpRequest` and its `HttpReply` is
written in one piece.  aiohttp's own response object (header dict, payload writer, hooks) costs more
than the rest of our work together, so replies with a body in hand do not pass through it; streams
do.  Everything a client can hold is bounded here: connections, heads, bodies, and the time that
each may take.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import secrets
import ssl
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, cast

import msgspec
from aiohttp import web

from nexus.errors import NexusError, validation
from nexus.rest.app import App
from nexus.rest.http import HttpReply, HttpRequest, error_reply
from nexus.telemetry.metrics import Metrics

REQUEST_ID = "X-Request-ID"
REQUEST_ID_CHARS_MAX = 128
BACKLOG = 1_024
SWEEP_INTERVAL_S = 1.0
FILES_RESERVED = 128
"""Descriptors kept for the log, the store, other ports and the interpreter."""
ONE_WRITE_BYTES_MAX = 65_536
"""Up to here head and body are joined; above, copying costs more than a second write."""


class Limits(msgspec.Struct, frozen=True):
    """What clients may hold, and for how long.

    The idle limit is above the 90 s after which Go clients drop an idle connection themselves, so
    that they rarely write into one that we are closing.
    """

    body_bytes_max: int = 1_048_576
    connections_max: int = 4_096
    head_line_bytes_max: int = 8_190
    head_fields_max: int = 64
    head_timeout_s: float = 10.0
    body_timeout_s: float = 20.0
    write_stall_s: float = 20.0
    idle_timeout_s: float = 120.0
    linger_s: float = 2.0


def connections_allowed(connections_max: int) -> int:
    """The bound on connections, lowered to what RLIMIT_NOFILE allows."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections_max
    return max(1, min(connections_max, soft - FILES_RESERVED))


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


class _Connection(web.RequestHandler):
    """One connection: counted, and watched by the sweeper while a head or a write is stuck."""

    __slots__ = ("_admitted", "_server", "actor", "head_since", "stalled_since")

    def __init__(self, server: RestServer, manager: web.Server, **limits: Any) -> None:
        super().__init__(manager, loop=asyncio.get_running_loop(), **limits)
        self._server = server
        self._admitted = False
        self.actor = "anonymous"
        self.head_since = 0.0
        self.stalled_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        metrics = self._server.metrics
        if metrics.connections_open >= self._server.connections_max:
            metrics.connections_refused += 1
            cast(asyncio.Transport, transport).abort()
            return
        self._admitted = True
        metrics.connections_open += 1
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.actor = f"anonymous@{peer[0]}"
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._admitted:
            self._admitted = False
            self._server.metrics.connections_open -= 1
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Bytes came, yet the request loop still waits: a head that is not complete.
        waiter = self._waiter
        if waiter is None or waiter.done():
            self.head_since = 0.0
        elif not self.head_since:
            self.head_since = self._loop.time()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.stalled_since = self._loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.stalled_since = 0.0

    def cut(self) -> None:
        """Drop a client that is too slow."""
        self._server.metrics.connections_cut += 1
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP in the API's error shape, without a line in the log."""
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            first_line = (message or "is not HTTP").strip().splitlines()[0][:200]
            error = validation("request", first_line)
        else:
            self._server.app.log_defect(request.method, request.raw_path, exc)
            error = NexusError("internal_error", "internal error; see the log", definite=False)
        cause_id = self._server.new_cause_id()
        return self._server.to_aiohttp(error_reply(error, cause_id), cause_id, close=True)


class RestServer:
    """Serves an `App` on one or more sockets.

    Parameters
    ----------
    app : where requests go.
    metrics : connections are counted there.
    limits : bounds on what clients hold.
    """

    def __init__(self, app: App, metrics: Metrics, limits: Limits | None = None) -> None:
        self.app = app
        self.metrics = metrics
        self.limits = Limits() if limits is None else limits
        self.connections_max = connections_allowed(self.limits.connections_max)
        self._cause_prefix = secrets.token_hex(6)
        self._cause_count = 0
        self._date = b""
        self._manager: web.Server | None = None
        self._listeners: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None

    async def start(
        self, host: str, port: int, ssl_context: ssl.SSLContext | None = None
    ) -> list[int]:
        """Listen; the ports bound (one for each address of the host).  OSError if that fails."""
        loop = asyncio.get_running_loop()
        if self._manager is None:
            self._manager = web.Server(self._serve)
            self._refresh_date()
            self._sweeper = loop.create_task(self._sweep(), name="rest-sweeper")
        listener = await loop.create_server(
            self._connection, host, port, backlog=BACKLOG, ssl=ssl_context
        )
        self._listeners.append(listener)
        return [socket.getsockname()[1] for socket in listener.sockets]

    def stop_accepting(self) -> None:
        """Close the listening sockets; open connections go on."""
        for listener in self._listeners:
            listener.close()

    async def close(self, grace_s: float = 5.0) -> None:
        """Stop accepting, let running requests finish, then close every connection.

        Streams run until their hub is closed, or are cut when the grace is over.
        """
        self.stop_accepting()
        if self._manager is not None:
            self._manager.pre_shutdown()  # idle ones go at once
            await self._manager.shutdown(grace_s)
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper

    def new_cause_id(self) -> str:
        """An id for a request that brought none: unique over restarts, cheap to make."""
        self._cause_count += 1
        return f"{self._cause_prefix}-{self._cause_count:x}"

    def _connection(self) -> _Connection:
        limits = self.limits
        assert self._manager is not None
        return _Connection(
            self,
            self._manager,
            keepalive_timeout=limits.idle_timeout_s,
            max_line_size=limits.head_line_bytes_max,
            max_field_size=limits.head_line_bytes_max,
            max_headers=limits.head_fields_max,
            lingering_time=limits.linger_s,
            auto_decompress=False,
            access_log=None,
        )

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request from aiohttp to the app and back."""
        headers = request.headers
        cause_id = headers.get(REQUEST_ID)
        if cause_id is None or not _is_request_id(cause_id):
            cause_id = self.new_cause_id()
        connection = cast(_Connection, request.protocol)
        content = request.content
        body = b""
        try:
            if content.is_eof():
                body = content.read_nowait()
                if len(body) > self.limits.body_bytes_max:
                    raise _too_large(self.limits.body_bytes_max)
            else:
                body = await self._read_slowly(request)
        except NexusError as refusal:
            return self.to_aiohttp(error_reply(refusal, cause_id), cause_id, close=True)
        except TimeoutError:
            connection.cut()
            return cast(web.StreamResponse, _Gone())
        except ConnectionError:
            return cast(web.StreamResponse, _Gone())
        path, query = _split_target(request.raw_path)
        reply = await self.app.handle(
            HttpRequest(
                request.method,
                path,
                query,
                headers,
                body,
                cause_id=cause_id,
                actor=connection.actor,
            )
        )
        if reply.stream is not None and request.method != "HEAD":
            return await self._stream(request, reply, cause_id)
        return self.to_aiohttp(
            reply,
            cause_id,
            close=not request.keep_alive,
            head_only=request.method == "HEAD",
            old_http=request.version.minor == 0,
        )

    async def _read_slowly(self, request: web.BaseRequest) -> bytes:
        """A body that was not there with its head: piece by piece, bounded in size and time."""
        limit = self.limits.body_bytes_max
        if (request.content_length or 0) > limit:
            raise _too_large(limit)
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        pieces = bytearray()
        async with asyncio.timeout(self.limits.body_timeout_s):
            try:
                while piece := await request.content.readany():
                    pieces += piece
                    if len(pieces) > limit:
                        raise _too_large(limit)
            except web.RequestPayloadError as problem:
                raise validation("request", "the body's transfer coding is broken") from problem
        return bytes(pieces)

    async def _stream(
        self, request: web.BaseRequest, reply: HttpReply, cause_id: str
    ) -> web.StreamResponse:
        """Write a stream until it ends, the client goes, or it does not read."""
        response = web.StreamResponse(status=reply.status, headers=dict(reply.headers))
        response.content_type = reply.content_type
        response.headers[REQUEST_ID] = cause_id
        assert reply.stream is not None
        try:
            await response.prepare(request)
            async for chunk in reply.stream:
                async with asyncio.timeout(self.limits.write_stall_s):
                    await response.write(chunk)
        except TimeoutError:
            cast(_Connection, request.protocol).cut()
        except ConnectionError:
            pass
        finally:
            await reply.stream.aclose()
        response.force_close()
        return response

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
        parts = [_STATUS_LINES[reply.status], self._date, b"\r\nX-Request-ID: ", cause_id.encode()]
        if reply.content_type:
            parts += (b"\r\nContent-Type: ", reply.content_type.encode())
        for name, value in reply.headers:
            parts.append(f"\r\n{name}: {value}".encode())
        if reply.status != HTTPStatus.NO_CONTENT:
            parts.append(b"\r\nContent-Length: %d" % len(reply.body))
        if close:
            parts.append(b"\r\nConnection: close")
        elif old_http:
            parts.append(b"\r\nConnection: keep-alive")
        parts.append(b"\r\n\r\n")
        body = b"" if head_only else reply.body
        return cast(web.StreamResponse, _Reply(b"".join(parts), body, not close))

    def _refresh_date(self) -> None:
        self._date = b"Server: nexus\r\nDate: " + formatdate(usegmt=True).encode()

    async def _sweep(self) -> None:
        """Cut clients that neither send their head nor read their reply; keep the date."""
        loop = asyncio.get_running_loop()
        assert self._manager is not None
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            self._refresh_date()
            now = loop.time()
            for connection in cast(list[_Connection], self._manager.connections):
                head, stalled = connection.head_since, connection.stalled_since
                if (head and now - head > self.limits.head_timeout_s) or (
                    stalled and now - stalled > self.limits.write_stall_s
                ):
                    connection.cut()


_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


def _too_large(limit_bytes: int) -> NexusError:
    return NexusError("body_too_large", f"request body too large: at most {limit_bytes} bytes")


def _is_request_id(text: str) -> bool:
    return 0 < len(text) <= REQUEST_ID_CHARS_MAX and text.isascii() and text.isprintable()


def _split_target(target: str) -> tuple[str, str]:
    """Path and query of a request target, in origin form or, from proxies, in absolute form."""
    path, _, query = target.partition("?")
    if not path.startswith("/") and "://" in path:
        slash = path.find("/", path.index("://") + 3)
        path = path[slash:] if slash >= 0 else "/"
    return path, query.partition("#")[0]
