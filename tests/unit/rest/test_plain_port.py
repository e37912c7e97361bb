"""The plain port: what it serves itself, what it hands over, and what a client can hold of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from nexus.errors import NexusError
from nexus.rest import plain_port
from nexus.rest import server as server_module
from nexus.rest.limits import Limits
from tests.support.fake_api import allocation, page
from tests.support.rest_port import ALLOCATIONS, BODY, LIMIT_S, Port, get, post, running

LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
Run = Callable[..., None]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a scenario against a server that begins at the plain port."""

    def runner(scenario: Callable[[Port], Awaitable[None]], limits: Limits | None = None) -> None:
        async def main() -> None:
            async with running(limits) as port:
                await scenario(port)

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(main())

    return runner


class Gate:
    """An `Api` whose callers wait until they are let through."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.waiting: list[asyncio.Future[Any]] = []

    def call(self, request: Any, _cause_id: str, _actor: str) -> asyncio.Future[Any]:
        self.asked.append(request)
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting.append(waiter)
        return waiter

    def unhealthy(self) -> str | None:
        return None

    def open(self, answer: Any) -> None:
        waiter = self.waiting.pop(0)
        if isinstance(answer, Exception):
            waiter.set_exception(answer)
        else:
            waiter.set_result(answer)


def aiohttps(port: Port) -> int:
    """Connections that aiohttp has."""
    assert port.server._manager is not None
    return len(port.server._manager.connections)


def test_plain_requests_stay_and_others_go(run: Run) -> None:
    async def scenario(port: Port) -> None:
        wire = await port.open()
        for sent in (get("/health"), post(), get("/nope"), post(b"{")):
            wire.send(sent)
            await wire.reply()
        last = await port.open()
        last.send(get("/health", "Connection: close"))
        assert (await last.reply())[1]["connection"] == "close"
        assert await last.ended() == b""
        assert (len(port.server.plain), aiohttps(port)) == (1, 0)
        wire.send(get("/health", version="1.0").replace(b"Host", b"Connection: keep-alive\r\nHost"))
        await wire.reply()
        assert (len(port.server.plain), aiohttps(port)) == (0, 1)
        wire.send(post())
        assert (await wire.reply())[0] == 201
        assert port.edge.api.actors == ["anonymous@127.0.0.1"] * 2, "and it knows who asks"
        assert port.edge.metrics.connections_open == 1, "one connection is counted once"

    run(scenario)


def test_a_stream_is_counted_once_by_who_sends_it(run: Run) -> None:
    async def scenario(port: Port) -> None:
        wire = await port.open()
        wire.send(get("/health"))
        await wire.reply()
        wire.send(get("/api/v1/%77atch"))
        assert (await wire.head())[0] == 200
        assert aiohttps(port) == 1
        assert port.edge.metrics.route("GET", "/api/v1/watch").by_status == {200: 1}

    run(scenario)


def test_mixed_requests_sent_ahead_are_answered_in_order(run: Run) -> None:
    async def scenario(port: Port) -> None:
        chunked = f"POST {ALLOCATIONS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunked += f"{len(BODY):x}\r\n{BODY.decode()}\r\n0\r\n\r\n"
        sent = [get("/health"), post(), get("/nope"), chunked.encode(), post(), get("/health")]
        for cut in (1, 7, 50, 10_000):
            wire = await port.open()
            whole = b"".join(sent)
            for at in range(0, len(whole), cut):
                wire.send(whole[at : at + cut])
                await asyncio.sleep(0)
            found = [(await wire.reply())[0] for _ in sent]
            assert found == [200, 201, 404, 201, 201, 200], cut

    run(scenario)


def test_one_request_of_a_connection_is_under_way_at_a_time(run: Run) -> None:
    async def scenario(port: Port) -> None:
        gate = port.edge.app.api = Gate()
        wire = await port.open()
        wire.send(post() + post() + get("/health"))
        await port.until(lambda: bool(gate.waiting))
        await asyncio.sleep(0.02)
        assert len(gate.asked) == 1
        gate.open(NexusError("pool_exhausted", "full"))
        assert (await wire.reply())[0] == 503
        await port.until(lambda: bool(gate.waiting))
        gate.open(allocation())
        assert (await wire.reply())[0] == 201
        assert (await wire.reply())[0] == 200

    run(scenario)


def test_what_is_sent_ahead_is_bounded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_port, "AHEAD_BYTES_MAX", 1_000)
    kept: list[int] = []
    keep = plain_port.PlainConnection.data_received

    def data_received(self: plain_port.PlainConnection, data: bytes) -> None:
        keep(self, data)
        kept.append(len(self._ahead) - len(data))

    monkeypatch.setattr(plain_port.PlainConnection, "data_received", data_received)

    async def scenario(port: Port) -> None:
        gate = port.edge.app.api = Gate()
        wire = await port.open()
        wire.send(post())
        await port.until(lambda: bool(gate.waiting))
        count = 2_000
        for _ in range(count):
            wire.send(get("/health"))
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert max(kept) <= 1_000, "not a piece is taken beyond the bound"
        assert len(kept) < 1_000
        gate.open(allocation())
        assert (await wire.reply())[0] == 201
        for _ in range(count):
            assert (await wire.reply())[0] == 200

    run(scenario)


def test_many_sent_ahead_leave_others_their_turn(run: Run) -> None:
    async def scenario(port: Port) -> None:
        greedy, other = await port.open(), await port.open()
        await port.until(lambda: port.edge.metrics.connections_open == 2)
        greedy.send(get("/health") * 400)
        other.send(get("/health"))
        assert (await other.reply())[0] == 200
        for _ in range(400):
            assert (await greedy.reply())[0] == 200

    run(scenario)


def test_who_hangs_up_is_not_waited_for(run: Run) -> None:
    async def scenario(port: Port) -> None:
        gate = port.edge.app.api = Gate()
        wire = await port.open()
        wire.send(post())
        await port.until(lambda: bool(gate.waiting))
        wire.writer.transport.abort()
        await port.until(lambda: gate.waiting[0].cancelled())
        await port.until(lambda: port.edge.metrics.connections_open == 0)

    run(scenario)


def test_a_reader_that_rests_gets_all_answers_later(run: Run) -> None:
    async def scenario(port: Port) -> None:
        port.edge.api.answer = page(*[allocation()] * 5_000)
        wire = await port.open()
        transport = wire.writer.transport
        transport.pause_reading()  # type: ignore[attr-defined]
        wire.send(get(ALLOCATIONS) * 20)
        await asyncio.sleep(0.05)
        assert len(port.edge.api.asked) < 20, "what nobody reads is not made"
        transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(20):
            assert json.loads((await wire.reply())[2])["count"] == 5_000

    run(scenario)


def test_a_body_that_arrives_while_we_stop_is_served(run: Run) -> None:
    async def scenario(port: Port) -> None:
        wire = await port.open()
        wire.send(post()[:-5])
        await port.until(lambda: any(each.busy for each in port.server.plain))
        closing = asyncio.ensure_future(port.server.close(grace_s=LIMIT_S))
        await asyncio.sleep(0.02)
        wire.send(post()[-5:] + get("/health"))
        status, headers, _body = await wire.reply()
        assert (status, headers["connection"]) == (201, "close")
        assert await wire.ended() == b""
        await closing

    run(scenario)


def test_who_never_ends_cannot_hold_up_our_end(run: Run) -> None:
    async def scenario(port: Port) -> None:
        gate = port.edge.app.api = Gate()
        half, waits = await port.open(), await port.open()
        half.send(post()[:-5])
        waits.send(post())
        await port.until(lambda: bool(gate.waiting))
        await asyncio.wait_for(port.server.close(grace_s=0.05), LIMIT_S)
        assert await half.ended() == await waits.ended() == b""
        assert port.edge.metrics.connections_open == 0

    run(scenario)


def test_idle_is_counted_from_the_last_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SWEEP_INTERVAL_S", 0.02)

    async def scenario(port: Port) -> None:
        gate = port.edge.app.api = Gate()
        wire = await port.open()
        wire.send(post())
        await port.until(lambda: bool(gate.waiting))
        await asyncio.sleep(0.3)
        gate.open(allocation())
        assert (await wire.reply())[0] == 201, "a request under way is not idle"
        assert await wire.ended() == b""
        assert port.edge.metrics.connections_cut == 0

    run(scenario, Limits(idle_timeout_s=0.1))
