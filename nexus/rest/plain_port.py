"""Plain requests without aiohttp: the same handlers at a third of the cost.

A connection begins here.  A request whose head and body are plain (see `nexus.rest.head`) is
answered by the app at once.  The first one that is not, or that asks for a stream, is handed over
with its connection: aiohttp reads it from its first byte and keeps the connection until it ends.
So aiohttp stays the server for everything that is rare, slow or wrong, and nothing of it is told
twice.

One request of a connection is served at a time, in the order in which they came, as aiohttp does;
what a client sends ahead is kept up to `AHEAD_BYTES_MAX` and then not read.  There is no task for
a request: handlers wait for nothing but the core, so their coroutine is driven by the future that
the core settles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, cast

from nexus.rest.app import STREAM, App
from nexus.rest.head import Head, parse_head
from nexus.rest.http import HttpReply, HttpRequest
from nexus.rest.limits import Limits
from nexus.rest.wire import ONE_WRITE_BYTES_MAX, ReplyWriter
from nexus.telemetry.metrics import Metrics

AHEAD_BYTES_MAX = 65_536
"""Sent ahead of an answer; more stays in the kernel, and then with the client."""
TURN_REQUESTS_MAX = 16
"""Requests of one connection that are answered before other connections get their turn."""
ANONYMOUS = "anonymous"
END_OF_HEAD = b"\r\n\r\n"


class Server(Protocol):
    """What a connection needs of the server it belongs to."""

    app: App
    metrics: Metrics
    limits: Limits
    replies: ReplyWriter
    plain: set[PlainConnection]

    def admit(self, transport: asyncio.BaseTransport) -> bool: ...

    def new_cause_id(self) -> str: ...

    def adopt(self, transport: asyncio.Transport, actor: str, data: bytes) -> None:
        """Give a connection that is admitted already to aiohttp, with what was read of it."""


def actor_of(transport: asyncio.BaseTransport) -> str:
    """Who asks, for the audit log."""
    peer = transport.get_extra_info("peername")
    return f"{ANONYMOUS}@{peer[0]}" if isinstance(peer, tuple) else ANONYMOUS


class PlainConnection(asyncio.Protocol):
    """One connection, until it ends or is handed over.

    ``stalled_since``: since when (on the loop's clock) the client does not read; 0 if it does.
    ``idle_sweeps``: sweeps in a row that found nothing under way here.
    """

    __slots__ = (
        "_actor",
        "_ahead",
        "_body_timer",
        "_cause_id",
        "_closing",
        "_ended",
        "_head",
        "_head_bytes",
        "_loop",
        "_needed",
        "_reading_paused",
        "_running",
        "_server",
        "_transport",
        "_turn",
        "_waited",
        "idle_sweeps",
        "stalled_since",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._actor = ANONYMOUS
        self._ahead = bytearray()
        """Read and not served yet."""
        self._needed = 0
        """So many bytes of it make the request whole whose body is arriving."""
        self._head_bytes = b""
        self._head: Head | None = None
        """The last head: a client's next one is mostly the same."""
        self._cause_id = ""
        self._running: Coroutine[Any, Any, HttpReply] | None = None
        self._waited: asyncio.Future[Any] | None = None
        self._turn: asyncio.Handle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._reading_paused = False
        self._closing = False
        """The next answer is the last one."""
        self._ended = False
        """That one is written."""
        self.idle_sweeps = 0
        self.stalled_since = 0.0

    # ---- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._server.admit(transport):
            return
        self._transport = cast(asyncio.Transport, transport)
        self._server.plain.add(self)
        self._actor = actor_of(transport)

    def connection_lost(self, _problem: BaseException | None) -> None:
        if self._transport is None:
            return
        self._server.metrics.connections_open -= 1
        self._leave()
        if self._waited is not None:
            # Nobody is left to hear the answer; `_go_on` ends the handler.
            self._waited.cancel()

    def data_received(self, data: bytes) -> None:
        self.idle_sweeps = 0
        if self._running is not None or self._turn is not None or self.stalled_since:
            self._ahead += data
            if len(self._ahead) > AHEAD_BYTES_MAX and not self._reading_paused:
                self._reading_paused = True
                assert self._transport is not None
                self._transport.pause_reading()
        elif self._ahead:
            self._ahead += data
            if len(self._ahead) >= self._needed:
                self._serve_ahead()
        else:
            self._serve(data)

    def pause_writing(self) -> None:
        self.stalled_since = self._loop.time()

    def resume_writing(self) -> None:
        self.stalled_since = 0.0
        if self._running is None and self._turn is None:
            self._serve_ahead()

    # ---- what the server calls

    @property
    def busy(self) -> bool:
        """Whether a request is under way: arriving, or at the core."""
        return self._running is not None or bool(self._ahead)

    @property
    def transport(self) -> asyncio.Transport | None:
        """Where answers go; None before the beginning and after the end."""
        return self._transport

    def cut(self) -> None:
        """Drop a client that is too slow."""
        self._server.metrics.connections_cut += 1
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        """Close when the request that is under way is answered, at once if none is."""
        self._closing = True
        if not self.busy:
            self._end()

    def abort(self) -> None:
        """Close, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    # ---- requests

    def _serve_ahead(self) -> None:
        """Go on with what was read before."""
        self._turn = None
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()
        if self._ahead and self._transport is not None:
            data = bytes(self._ahead)
            self._ahead.clear()
            self._serve(data)

    def _serve(self, data: bytes) -> None:
        """Serve the requests in these bytes, as far as they go."""
        at, size = 0, len(data)
        for _ in range(TURN_REQUESTS_MAX):
            end = data.find(END_OF_HEAD, at) + 4
            head = None
            if end > 3:
                head_bytes = data[at:end]
                if head_bytes != self._head_bytes:
                    self._head_bytes = head_bytes
                    self._head = parse_head(head_bytes)
                head = self._head
            if head is None or head.length > self._server.limits.body_bytes_max:
                self._hand_over(data[at:])
                return
            stop = end + head.length
            if stop > size:
                self._wait_for_body(data[at:], stop - at)
                return
            if not self._request(head, data[end:stop]):
                self._hand_over(data[at:])
                return
            at = stop
            if at == size or self._ended:
                return
            if self._running is not None or self.stalled_since:
                break
        self._ahead += data[at:]
        if self._running is None and not self.stalled_since:
            self._turn = self._loop.call_soon(self._serve_ahead)

    def _wait_for_body(self, data: bytes, needed: int) -> None:
        self._ahead += data
        self._needed = needed
        if self._body_timer is None:
            limit_s = self._server.limits.body_timeout_s
            self._body_timer = self._loop.call_later(limit_s, self.cut)

    def _request(self, head: Head, body: bytes) -> bool:
        """Start one request; False if it is not one that can be answered here."""
        server = self._server
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        self._cause_id = cause_id = head.request_id or server.new_cause_id()
        request = HttpRequest(
            head.method,
            head.path,
            head.query_string,
            head.headers,
            body,
            cause_id,
            self._actor,
            False,  # takes no streams
        )
        running = server.app.handle(request)
        try:
            waited = running.send(None)
        except StopIteration as done:
            if done.value is STREAM:
                return False
            self._reply(done.value)
            return True
        self._running = running
        self._wait(waited)
        return True

    def _wait(self, waited: asyncio.Future[Any] | None) -> None:
        """What a task does with what its coroutine yields."""
        if waited is None:
            self._loop.call_soon(self._go_on)
            return
        waited._asyncio_future_blocking = False
        self._waited = waited
        waited.add_done_callback(self._go_on)

    def _go_on(self, _settled: object = None) -> None:
        """What the handler waited for came, or its client went."""
        running = self._running
        assert running is not None
        self._waited = None
        try:
            waited = running.send(None)
        except StopIteration as done:
            self._running = None
            self._reply(done.value)
            if self._ahead and not self._ended:
                self._serve_ahead()
        except asyncio.CancelledError:
            self._running = None
            self.abort()
        else:
            self._wait(waited)

    def _reply(self, reply: HttpReply) -> None:
        transport, head = self._transport, self._head
        if transport is None:
            return
        assert head is not None
        self.idle_sweeps = 0
        close = self._closing or not head.keep_alive
        head_bytes = self._server.replies.head(reply, self._cause_id, close=close)
        body = b"" if head.method == "HEAD" else reply.body
        if len(body) <= ONE_WRITE_BYTES_MAX:
            transport.write(head_bytes + body)
        else:
            transport.write(head_bytes)
            transport.write(body)
        if close:
            self._end()

    # ---- the end

    def _end(self) -> None:
        """Close as soon as what is written is sent."""
        self._ended = True
        self._ahead.clear()
        if self._transport is not None:
            self._transport.close()

    def _hand_over(self, data: bytes) -> None:
        """From here on it is aiohttp's connection, beginning with this request."""
        transport = self._transport
        assert transport is not None
        self._leave()
        self._server.adopt(transport, self._actor, data)

    def _leave(self) -> None:
        self._transport = None
        self._server.plain.discard(self)
        self._ahead.clear()
        for timer in (self._body_timer, self._turn):
            if timer is not None:
                timer.cancel()
        self._body_timer = self._turn = None
