"""The watch buffer and its stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from nexus.core.effects import Watch
from nexus.errors import NexusError
from nexus.rest.http import HttpRequest
from nexus.rest.times import rfc3339, rfc3339_ms
from nexus.rest.watch import WATCHERS_MAX, WatchEndpoint
from nexus.rest.watch_hub import IDS_PER_SESSION, WatchHub
from nexus.telemetry.metrics import Metrics
from tests.support.fake_api import NOON_US, FakeApi, allocation

HEARTBEAT_S = 0.05
BASE = 7 * IDS_PER_SESSION


def change(n: int, prefix: str = "allocations", kind: str = "put", value: Any = None) -> Watch:
    return Watch(kind, prefix, f"{prefix}/{n}", NOON_US + 123_456, value)


class Watcher:
    """Opens one stream and reads frames, inside a running loop."""

    def __init__(self, hub: WatchHub) -> None:
        self.metrics = Metrics()
        self.endpoint = WatchEndpoint(hub, self.metrics, HEARTBEAT_S)

    async def open(self, query: str = "", last_id: str = "") -> AsyncGenerator[bytes, None]:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        request = HttpRequest("GET", "/api/v1/watch", query, headers)
        reply = await self.endpoint.handle(request, FakeApi())
        assert reply.content_type == "text/event-stream"
        assert reply.stream is not None
        return reply.stream


async def read(stream: AsyncGenerator[bytes, None]) -> bytes:
    return await asyncio.wait_for(anext(stream), 5)


def ids(frames: bytes) -> list[int]:
    return [int(line[4:]) for line in frames.splitlines() if line.startswith(b"id: ")]


def test_a_frame() -> None:
    hub = WatchHub(7)
    hub.publish(change(1, value=allocation()))
    _position, frames = hub.frames(BASE, frozenset(), 10)
    lines = frames.decode().split("\n")
    assert lines[:2] == [f"id: {BASE + 1}", "event: change"]
    assert lines[3:] == ["", ""]
    data = json.loads(lines[2].removeprefix("data: "))
    assert data["value"]["ip"] == "10.0.0.7"
    assert {key: data[key] for key in ("type", "key", "prefix", "timestamp")} == {
        **{"type": "put", "key": "allocations/1", "prefix": "allocations"},
        "timestamp": "2026-01-01T12:00:00.123Z",
    }
    hub.publish(change(1, kind="delete"))
    assert b"value" not in hub.frames(BASE + 1, frozenset(), 10)[1]


def test_live_heartbeat_and_end() -> None:
    async def scenario() -> None:
        hub = WatchHub(7)
        hub.publish(change(1))
        watcher = Watcher(hub)
        stream = await watcher.open()
        assert await read(stream) == b": connected\n\n", "what was before is not told"
        assert watcher.metrics.watchers == 1
        assert await read(stream) == b": heartbeat\n\n"
        hub.publish(change(2))
        assert ids(await read(stream)) == [BASE + 2]
        waiting = asyncio.ensure_future(read(stream))
        await asyncio.sleep(0)
        hub.publish(change(3))
        assert ids(await waiting) == [BASE + 3]
        hub.close()
        with pytest.raises(StopAsyncIteration):
            await read(stream)
        assert watcher.metrics.watchers == 0

    asyncio.run(scenario())


def test_resume_replays_then_says_connected() -> None:
    async def scenario() -> None:
        hub = WatchHub(7)
        for n in range(1, 6):
            hub.publish(change(n))
        stream = await Watcher(hub).open(last_id=str(BASE + 2))
        assert ids(await read(stream)) == [BASE + 3, BASE + 4, BASE + 5]
        assert await read(stream) == b": connected\n\n"
        by_query = await Watcher(hub).open(f"last_event_id={BASE + 5}")
        assert await read(by_query) == b": connected\n\n"
        await stream.aclose()
        await by_query.aclose()

    asyncio.run(scenario())


@pytest.mark.parametrize("last_id", ["0", "5", str(BASE - 1), str(BASE + 99), "9" * 20])
def test_an_id_that_cannot_be_continued_gets_a_gap_first(last_id: str) -> None:
    """G26: too old, of an earlier session, or from a data path that is gone."""

    async def scenario() -> None:
        hub = WatchHub(7, capacity=10)
        for n in range(1, 26):
            hub.publish(change(n))
        stream = await Watcher(hub).open(last_id=last_id)
        gap = (await read(stream)).decode()
        assert gap == f'id: {BASE + 15}\nevent: gap\ndata: {{"first_id":{BASE + 16}}}\n\n'
        assert ids(await read(stream)) == list(range(BASE + 16, BASE + 26))
        await stream.aclose()

    asyncio.run(scenario())


def test_a_slow_watcher_is_told_what_it_missed() -> None:
    async def scenario() -> None:
        hub = WatchHub(7, capacity=10)
        stream = await Watcher(hub).open()
        await read(stream)
        for n in range(1, 12):
            hub.publish(change(n))
        assert b"event: gap" in await read(stream)
        assert ids(await read(stream)) == list(range(BASE + 2, BASE + 12))
        await stream.aclose()

    asyncio.run(scenario())


def test_ids_rise_over_restarts() -> None:
    before, after = WatchHub(7), WatchHub(8)
    before.publish(change(1))
    after.publish(change(1))
    assert after.last_id > before.last_id
    assert after.is_gap(before.last_id)
    assert after.last_id < 2**53, "numbers of JavaScript hold it for 2**21 starts"


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("", ["pools", "allocations", "devices"]),
        ("prefix=pools", ["pools"]),
        ("prefix=pool", ["pools"]),
        ("prefix=pools,device", ["pools", "devices"]),
        ("prefix=pools%2Callocations", ["pools", "allocations"]),
        ("prefix=shards", []),
    ],
)
def test_prefixes(query: str, seen: list[str]) -> None:
    async def scenario() -> None:
        hub = WatchHub(7)
        for prefix in ("pools", "allocations", "devices"):
            hub.publish(change(1, prefix))
        stream = await Watcher(hub).open(query, last_id=str(BASE))
        frames = await read(stream)
        datas = [line[6:] for line in frames.splitlines() if line.startswith(b"data: ")]
        assert [json.loads(data)["prefix"] for data in datas] == seen
        await stream.aclose()

    asyncio.run(scenario())


def test_what_is_refused() -> None:
    async def scenario() -> None:
        watcher = Watcher(WatchHub(7))
        with pytest.raises(NexusError) as caught:
            await watcher.open("prefix=pools,nonsense")
        assert caught.value.status == 400
        watcher.metrics.watchers = WATCHERS_MAX
        with pytest.raises(NexusError) as caught:
            await watcher.open()
        assert (caught.value.status, caught.value.code) == (429, "rate_limited")

    asyncio.run(scenario())


def test_an_id_that_is_no_number_is_ignored() -> None:
    async def scenario() -> None:
        hub = WatchHub(7)
        hub.publish(change(1))
        for odd in ("x", "-1", "1.5", "9" * 21, "\u0661"):
            stream = await Watcher(hub).open(last_id=odd)
            assert await read(stream) == b": connected\n\n"
            await stream.aclose()

    asyncio.run(scenario())


def test_times() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(NOON_US + 1_000_001) == "2026-01-01T12:00:01.000001Z"
    assert rfc3339(-1) == "1969-12-31T23:59:59.999999Z"
    assert rfc3339_ms(NOON_US + 999_999) == "2026-01-01T12:00:00.999Z"
    many = [rfc3339(second * 1_000_000) for second in range(3_000)]
    assert many[-1] == "1970-01-01T00:49:59.000000Z"
