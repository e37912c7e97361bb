"""The port itself, over loopback sockets: framing, ids, bounds, slow clients, shutdown."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from nexus.core.effects import Watch
from nexus.rest import server as server_module
from nexus.rest.limits import FILES_RESERVED, Limits, connections_allowed
from nexus.rest.metrics_port import MetricsServer
from nexus.rest.server import RestServer
from tests.support.fake_api import NOON_US, Edge, allocation, page
from tests.support.rest_port import ALLOCATIONS, BODY, LIMIT_S, Port, get, post, running

_loop_factories: list[Callable[[], asyncio.AbstractEventLoop]] = [uvloop.new_event_loop]
_plain_first = [True]


@pytest.fixture(params=["uvloop", "asyncio"], autouse=True)
def _loop(request: pytest.FixtureRequest) -> None:
    """The daemon runs on uvloop where it is installed, on asyncio's loop elsewhere."""
    uses_uvloop = request.param == "uvloop"
    _loop_factories[0] = uvloop.new_event_loop if uses_uvloop else asyncio.new_event_loop


@pytest.fixture(params=["plain", "aiohttp"], autouse=True)
def _first(request: pytest.FixtureRequest) -> None:
    """Whatever a client sees is the same, whether connections begin at our port or at aiohttp's."""
    _plain_first[0] = request.param == "plain"


def run_main(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=_loop_factories[0]) as runner:
        runner.run(main)


def run(scenario: Callable[[Port], Awaitable[None]], limits: Limits | None = None) -> None:
    async def main() -> None:
        async with running(limits, plain_first=_plain_first[0]) as port:
            await scenario(port)

    run_main(main())


def test_a_reply_and_the_next_on_one_connection() -> None:
    async def scenario(port: Port) -> None:
        wire = await port.open()
        for _ in range(3):
            wire.send(post())
            status, headers, body = await wire.reply()
            assert status == 201
            assert headers["content-type"] == "application/json"
            assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d gmt", headers["date"])
            assert "connection" not in headers
            assert body.endswith(b"}\n")
            assert json.loads(body)["ip"] == "10.0.0.7"
        assert port.edge.api.actors == ["anonymous@127.0.0.1"] * 3

    run(scenario)


def test_head_204_and_old_http() -> None:
    async def scenario(port: Port) -> None:
        wire = await port.open()
        wire.send(get("/health").replace(b"GET", b"HEAD"))
        status, headers = await wire.head()
        assert (status, headers["content-length"]) == (200, "2")
        wire.send(b"DELETE /api/v1/pools/wifi HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers, _body = await wire.reply()
        assert status == 204
        assert "content-length" not in headers
        wire.send(get("/health", "Connection: keep-alive", version="1.0"))
        _status, headers, body = await wire.reply()
        assert (headers["connection"], body) == ("keep-alive", b"ok")
        wire.send(get("/health", version="1.0"))
        _status, headers, body = await wire.reply()
        assert headers["connection"] == "close"
        assert await wire.ended() == b""

    run(scenario)


def test_request_ids() -> None:
    async def scenario(port: Port) -> None:
        _status, headers, body = await port.exchange(get("/nope", "X-Request-Id: abc 1"))
        assert headers["x-request-id"] == json.loads(body)["cause_id"] == "abc 1"
        made = [(await port.exchange(get("/nope", *line)))[1]["x-request-id"] for line in
                ((), (), ("X-Request-ID: " + "x" * 129,), ("X-Request-ID: ä",))]  # fmt: skip
        assert len(set(made)) == 4
        assert all(re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", text) for text in made)

    run(scenario)


def test_targets() -> None:
    async def scenario(port: Port) -> None:
        for target in ("/health?x=1", "//health", "http://h:1/health", "http://h/health?x#y"):
            assert (await port.exchange(get(target)))[0] == 200, target
        for target in ("http://h", "/%ff", "/a%00b", "/health/"):
            assert (await port.exchange(get(target)))[0] == 404, target
        options = b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"
        status, headers, _body = await port.exchange(options)
        assert (status, "delete" in headers["allow"]) == (204, True)

    run(scenario)


def test_bodies_in_pieces_chunked_or_after_100_continue() -> None:
    async def scenario(port: Port) -> None:
        wire = await port.open()
        for byte in post():
            wire.send(bytes([byte]))
            await wire.writer.drain()
        assert (await wire.reply())[0] == 201
        head = f"POST {ALLOCATIONS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        wire.send(head.encode() + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY))
        wire.send(b"0\r\n\r\n")
        assert (await wire.reply())[0] == 201
        sent = post(BODY, "Expect: 100-continue")
        wire.send(sent.removesuffix(BODY))
        assert (await wire.head())[0] == 100
        wire.send(BODY)
        assert (await wire.reply())[0] == 201
        assert len(port.edge.api.asked) == 3

    run(scenario)


def test_a_body_too_large_is_413_however_it_comes() -> None:
    async def scenario(port: Port) -> None:
        told = post(b"x" * 2000)
        status, headers, body = await port.exchange(told)
        assert (status, headers["connection"]) == (413, "close")
        assert "request body too large" in json.loads(body)["error"]
        head = f"POST {ALLOCATIONS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"190\r\n" + b" " * 400 + b"\r\n"
        assert (await port.exchange(head.encode() + chunks * 5))[0] == 413
        unsent = post(b"").replace(b"Content-Length: 0", b"Content-Length: 99999999")
        assert (await port.exchange(unsent))[0] == 413, "it is not waited for"
        assert (await port.exchange(post(BODY.ljust(1000))))[0] == 201, "the bound itself is fine"
        assert len(port.edge.api.asked) == 1

    run(scenario, Limits(body_bytes_max=1000, linger_s=0.1))


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /health HTTP/9.9.9\r\n\r\n",
        b"GET /health HTTP/1.1\r\nno colon here\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    ],
)
def test_what_is_no_http_is_400_and_closed(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(port: Port) -> None:
        wire = await port.open()
        wire.send(sent)
        status, headers, body = await wire.reply()
        assert (status, headers["connection"]) == (400, "close")
        error = json.loads(body)
        assert error["code"] == "validation_failed"
        assert error["error"].startswith("validation error for field 'request': ")
        assert len(body) < 1000
        assert await wire.ended() == b""
        assert (await port.exchange(get("/health")))[0] == 200

    run(scenario)
    assert not caplog.records, "strangers cannot fill the log"


def test_a_broken_chunked_body_is_400() -> None:
    async def scenario(port: Port) -> None:
        head = f"POST {ALLOCATIONS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert (await port.exchange(head.encode() + b"zz\r\nx\r\n"))[0] == 400
        assert not port.edge.api.asked

    run(scenario)


def test_more_connections_than_allowed_are_closed_and_counted() -> None:
    async def scenario(port: Port) -> None:
        kept = [await port.open() for _ in range(3)]
        await port.until(lambda: port.edge.metrics.connections_open == 3)
        over = [await port.open() for _ in range(5)]
        for wire in over:
            assert await wire.ended() == b""
        metrics = port.edge.metrics
        assert (metrics.connections_open, metrics.connections_refused) == (3, 5)
        for wire in kept:
            wire.send(get("/health"))
            assert (await wire.reply())[0] == 200
        kept[0].writer.close()
        await port.until(lambda: metrics.connections_open == 2)
        assert (await port.exchange(get("/health")))[0] == 200

    run(scenario, Limits(connections_max=3))


def test_connections_are_bounded_by_the_files_we_may_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def files(soft: int) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _which: (soft, soft))

    files(1024)
    assert connections_allowed(4096) == 1024 - FILES_RESERVED
    assert connections_allowed(10) == 10
    files(resource.RLIM_INFINITY)
    assert connections_allowed(4096) == 4096
    files(10)
    assert connections_allowed(4096) == 1


def test_slow_clients_are_cut_and_idle_ones_hinder_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SWEEP_INTERVAL_S", 0.02)

    async def scenario(port: Port) -> None:
        idle = [await port.open() for _ in range(50)]
        slow_head = await port.open()
        slow_head.send(b"GET /health HTTP/1.1\r\nX-Slow: ")
        slow_body = await port.open()
        slow_body.send(post()[:-5])
        again = await port.open()
        again.send(get("/health"))
        await again.reply()
        again.send(b"GET /hea")
        for wire in (slow_head, slow_body, again):
            assert await wire.ended() == b""
        assert port.edge.metrics.connections_cut == 3
        assert (await port.exchange(get("/health")))[0] == 200
        assert not any(wire.reader.at_eof() for wire in idle)

    run(scenario, Limits(head_timeout_s=0.1, body_timeout_s=0.1))


def test_a_head_that_stops_in_its_first_packet_is_cut_and_so_is_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bytes are there before the request loop has begun to wait for them."""
    monkeypatch.setattr(server_module, "SWEEP_INTERVAL_S", 0.02)

    async def scenario(port: Port) -> None:
        address = ("127.0.0.1", port.port)
        with socket.create_connection(address) as slow, socket.create_connection(address) as mute:
            slow.sendall(b"GET /health HTTP/1.1\r\nX-Slow: ")
            await port.until(lambda: port.edge.metrics.connections_cut == 1)
            assert await asyncio.to_thread(slow.recv, 1) == b""
            assert await asyncio.to_thread(mute.recv, 1) == b""
            assert port.edge.metrics.connections_cut == 1, "idle ones are closed, not cut"
        assert (await port.exchange(get("/health")))[0] == 200

    run(scenario, Limits(head_timeout_s=0.1, idle_timeout_s=0.4))


def test_who_does_not_read_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SWEEP_INTERVAL_S", 0.02)

    async def scenario(port: Port) -> None:
        port.edge.api.answer = page(*[allocation()] * 20_000)
        wire = await port.open()
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(20):
            wire.send(get(ALLOCATIONS))
        await port.until(lambda: port.edge.metrics.connections_cut == 1)
        await port.until(lambda: port.edge.metrics.connections_open == 0)

    run(scenario, Limits(write_stall_s=0.1))


def test_a_large_reply_arrives_whole() -> None:
    async def scenario(port: Port) -> None:
        port.edge.api.answer = page(*[allocation()] * 5_000)
        _status, _headers, body = await port.exchange(get(ALLOCATIONS))
        assert json.loads(body)["count"] == 5_000

    run(scenario)


def test_an_idle_connection_ends_in_time() -> None:
    async def scenario(port: Port) -> None:
        wire = await port.open()
        assert await wire.ended() == b""

    run(scenario, Limits(idle_timeout_s=0.05))


def test_a_watch_stream_over_the_wire() -> None:
    async def scenario(port: Port) -> None:
        wire = await port.open()
        wire.send(get("/api/v1/watch?prefix=pools"))
        status, headers = await wire.head()
        assert (status, headers["content-type"]) == (200, "text/event-stream")
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
        port.edge.hub.publish(Watch("put", "pools", "pools/a", NOON_US))
        seen = b""
        while b"pools/a" not in seen:
            seen += await asyncio.wait_for(wire.reader.read(1000), LIMIT_S)
        assert seen.index(b": connected") < seen.index(b"event: change")
        assert port.edge.metrics.watchers == 1
        wire.writer.close()
        port.edge.hub.publish(Watch("put", "pools", "pools/b", NOON_US))
        await port.until(lambda: port.edge.metrics.connections_open == 0)
        port.edge.hub.publish(Watch("put", "pools", "pools/c", NOON_US))
        await port.until(lambda: port.edge.metrics.watchers == 0)
        head = await port.open()
        head.send(get("/api/v1/watch").replace(b"GET", b"HEAD"))
        assert (await head.head())[0] == 200

    run(scenario)


def test_shutdown_lets_running_requests_finish() -> None:
    async def main() -> None:
        port = Port(plain_first=_plain_first[0])
        (port.port,) = await port.server.start("127.0.0.1", 0)
        gate = asyncio.Event()
        inside = asyncio.Event()

        class Slow:
            async def call(self, _request: Any, _cause_id: str, _actor: str) -> Any:
                inside.set()
                await gate.wait()
                return allocation()

            def unhealthy(self) -> str | None:
                return None

        port.edge.app.api = Slow()
        wire, idle = await port.open(), await port.open()
        wire.send(post())
        await inside.wait()
        closing = asyncio.ensure_future(port.server.close(grace_s=LIMIT_S))
        assert await idle.ended() == b""
        with pytest.raises(OSError):
            await port.open()
        gate.set()
        assert (await wire.reply())[0] == 201
        await closing
        await port.hang_up()
        assert port.edge.metrics.connections_open == 0

    run_main(main())


def test_a_client_that_does_not_read_cannot_hold_up_the_end() -> None:
    async def scenario(port: Port) -> None:
        port.edge.api.answer = page(*[allocation()] * 20_000)
        wire = await port.open()
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        wire.send(get(ALLOCATIONS))
        await port.until(lambda: len(port.edge.api.asked) == 1)
        await asyncio.wait_for(port.server.close(grace_s=0), LIMIT_S)
        assert port.edge.metrics.connections_open == 0
        await port.server.close(grace_s=0)

    run(scenario)


def test_a_port_in_use_is_an_os_error() -> None:
    async def scenario(port: Port) -> None:
        other = RestServer(port.edge.app, port.edge.metrics)
        with pytest.raises(OSError, match="in use"):
            await other.start("127.0.0.1", port.port)
        await other.close()

    run(scenario)


def test_the_metrics_port() -> None:
    async def main() -> None:
        edge = Edge()
        server = MetricsServer(edge.metrics.registry)
        port = Port()
        (port.port,) = await server.start("127.0.0.1", 0)
        status, headers, body = await port.exchange(get("/metrics"))
        assert (status, headers["content-type"][:10]) == (200, "text/plain")
        assert b"\nnexus_api_connections 0.0\n" in body
        assert (await port.exchange(get("/")))[0] == 404
        assert (await port.exchange(post(path="/metrics")))[0] == 405
        await port.hang_up()
        await server.close()

    run_main(main())
