"""The port: listens, bounds what clients hold, and shuts down; aiohttp's half of serving.

A connection begins at `nexus.rest.plain_port`, which answers plain requests itself and hands over
all others with their connections.  From then on aiohttp parses its requests and keeps it; the app
gets an `HttpRequest` and its `HttpReply` is written in one piece.  aiohttp's own response object
(header dict, payload writer, hooks) costs more than the rest of our work together, so replies with
a body in hand do not pass through it; streams do.  Everything a client can hold is bounded here:
connections, heads, bodies, and the time that each may take.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web

from nexus.errors import NexusError, validation
from nexus.rest.app import App
from nexus.rest.http import HttpReply, HttpRequest, error_reply
from nexus.rest.limits import Limits, connections_allowed, too_large
from nexus.rest.plain_port import ANONYMOUS, PlainConnection, actor_of
from nexus.rest.wire import ReplyWriter, gone, is_request_id, split_target
from nexus.telemetry.metrics import Metrics

REQUEST_ID = "X-Request-ID"
BACKLOG = 1_024
SWEEP_INTERVAL_S = 1.0
GRACE_S_MIN = 0.01


class _Connection(web.RequestHandler):
    """A connection of aiohttp's: watched by the sweeper while a head or a write is stuck."""

    __slots__ = ("_admitted", "_server", "actor", "head_since", "stalled_since")

    def __init__(self, server: RestServer, manager: web.Server, **limits: Any) -> None:
        super().__init__(manager, loop=asyncio.get_running_loop(), **limits)
        self._server = server
        self._admitted = False
        self.actor = ANONYMOUS
        self.head_since = 0.0
        self.stalled_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._admitted and not self._server.admit(transport):
            return
        self._admitted = True
        if self.actor == ANONYMOUS:
            self.actor = actor_of(transport)
        super().connection_made(transport)

    def adopt(self, transport: asyncio.Transport, actor: str) -> None:
        """Go on with a connection that is admitted already."""
        self._admitted = True
        self.actor = actor
        transport.set_protocol(self)
        self.connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._admitted:
            self._admitted = False
            self._server.metrics.connections_open -= 1
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Bytes came, yet the request loop still waits, or never had a request to begin with: a head
        # that is not complete.
        waiter = self._waiter
        if self._request_count and (waiter is None or waiter.done()):
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
        return self._server.replies.to_aiohttp(error_reply(error, cause_id), cause_id, close=True)


class RestServer:
    """Serves an `App` on one or more sockets.

    Parameters
    ----------
    app : where requests go.
    metrics : connections are counted there.
    limits : bounds on what clients hold.
    plain_first : whether connections begin at `PlainConnection`; else aiohttp has them all, and
        the answers are the same.
    """

    def __init__(
        self,
        app: App,
        metrics: Metrics,
        limits: Limits | None = None,
        *,
        plain_first: bool = True,
    ) -> None:
        self.app = app
        self.metrics = metrics
        self.limits = Limits() if limits is None else limits
        self.connections_max = connections_allowed(self.limits.connections_max)
        self._cause_prefix = secrets.token_hex(6)
        self._cause_count = 0
        self.replies = ReplyWriter()
        self.plain: set[PlainConnection] = set()
        self._plain_first = plain_first
        self._manager: web.Server | None = None
        self._listeners: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None

    async def start(
        self, host: str, port: int, ssl_context: ssl.SSLContext | None = None
    ) -> list[int]:
        """Listen; the ports bound (one for each address of the host).  OSError if that fails."""
        loop = asyncio.get_running_loop()
        if self._manager is None:
            self._manager = web.Server(self._serve, handler_cancellation=True)
            self._sweeper = loop.create_task(self._sweep(), name="rest-sweeper")
        listener = await loop.create_server(
            self._begin, host, port, backlog=BACKLOG, ssl=ssl_context
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
            deadline = asyncio.get_running_loop().time() + grace_s
            open_ones = [each.transport for each in self._manager.connections if each.transport]
            open_ones += [each.transport for each in self.plain if each.transport]
            self._manager.pre_shutdown()  # idle ones go at once
            for each in [*self.plain]:
                each.finish()
            # aiohttp takes 0 for "wait as long as it takes".
            await self._manager.shutdown(max(grace_s, GRACE_S_MIN))
            await self._finish_plain(deadline)
            await _flush(open_ones, deadline)
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper

    async def _finish_plain(self, deadline: float) -> None:
        """Let plain requests that are under way be answered; drop those that are not in time."""
        loop = asyncio.get_running_loop()
        while any(each.busy for each in self.plain) and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(GRACE_S_MIN)
        for each in [*self.plain]:
            if each.busy:
                each.abort()

    def admit(self, transport: asyncio.BaseTransport) -> bool:
        """Count one more connection, or refuse it because there are too many."""
        metrics = self.metrics
        if metrics.connections_open >= self.connections_max:
            metrics.connections_refused += 1
            cast(asyncio.Transport, transport).abort()
            return False
        metrics.connections_open += 1
        return True

    def adopt(self, transport: asyncio.Transport, actor: str, data: bytes) -> None:
        """Give a connection that is admitted already to aiohttp, with what was read of it."""
        connection = self._connection()
        connection.adopt(transport, actor)
        connection.data_received(data)

    def new_cause_id(self) -> str:
        """An id for a request that brought none: unique over restarts, cheap to make."""
        self._cause_count += 1
        return f"{self._cause_prefix}-{self._cause_count:x}"

    def _begin(self) -> asyncio.Protocol:
        return PlainConnection(self) if self._plain_first else self._connection()

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
        if cause_id is None or not is_request_id(cause_id):
            cause_id = self.new_cause_id()
        connection = cast(_Connection, request.protocol)
        content = request.content
        body = b""
        try:
            if content.is_eof():
                body = content.read_nowait()
                if len(body) > self.limits.body_bytes_max:
                    raise too_large(self.limits.body_bytes_max)
            else:
                body = await self._read_slowly(request)
        except NexusError as refusal:
            return self.replies.to_aiohttp(error_reply(refusal, cause_id), cause_id, close=True)
        except TimeoutError:
            connection.cut()
            return gone()
        except ConnectionError:
            return gone()
        path, query = split_target(request.raw_path)
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
        return self.replies.to_aiohttp(
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
            raise too_large(limit)
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        pieces = bytearray()
        async with asyncio.timeout(self.limits.body_timeout_s):
            try:
                while piece := await request.content.readany():
                    pieces += piece
                    if len(pieces) > limit:
                        raise too_large(limit)
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

    async def _sweep(self) -> None:
        """Cut clients that neither send their head nor read their reply; keep the date.

        Plain connections have no timer of their own for being idle; they are closed here.
        """
        loop = asyncio.get_running_loop()
        assert self._manager is not None
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            self.replies.refresh_date()
            now = loop.time()
            for connection in cast(list[_Connection], self._manager.connections):
                head, stalled = connection.head_since, connection.stalled_since
                if (head and now - head > self.limits.head_timeout_s) or (
                    stalled and now - stalled > self.limits.write_stall_s
                ):
                    connection.cut()
            for plain in [*self.plain]:
                if plain.stalled_since:
                    if now - plain.stalled_since > self.limits.write_stall_s:
                        plain.cut()
                elif not plain.busy:
                    plain.idle_sweeps += 1
                    if plain.idle_sweeps * SWEEP_INTERVAL_S > self.limits.idle_timeout_s:
                        plain.finish()


async def _flush(transports: list[asyncio.Transport], deadline: float) -> None:
    """Let closing connections send what is buffered; drop those that do not take it in time."""
    loop = asyncio.get_running_loop()
    left = [each for each in transports if each.get_write_buffer_size()]
    while left and loop.time() < deadline:
        await asyncio.sleep(GRACE_S_MIN)
        left = [each for each in left if each.get_write_buffer_size()]
    for transport in left:
        transport.abort()
    await asyncio.sleep(0)
