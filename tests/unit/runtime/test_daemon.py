"""The daemon around a small node: start, serve, snapshot, stop, and every way not to start."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.config.schema import ServeConfig
from nexus.core.operations.read_pools import ListPools
from nexus.core.operations.release import Release
from nexus.errors import NexusError
from nexus.runtime import real, snapshots
from nexus.runtime.identity import FILE_NAME
from nexus.runtime.real import Daemon
from nexus.store.lock import PathLock
from nexus.store.sqlite_log import SqliteStore
from tests.support.counting_node import BREAKING_KEY, make_counting_node
from tests.support.daemon import free_ports

LIMIT_S = 10.0


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def config(path: Path, **keys: Any) -> ServeConfig:
    http_port, metrics_port = free_ports(2)
    keys = {"http_port": http_port, "metrics_port": metrics_port, **keys}
    return ServeConfig(data_path=str(path), shutdown_grace_ns=10**9, **keys)


async def until(probe: Callable[[], bool]) -> None:
    while not probe():  # noqa: ASYNC110 (what is waited for has no event)
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def serving(settings: ServeConfig) -> AsyncIterator[Daemon]:
    daemon = Daemon(settings, make_counting_node)
    task = asyncio.get_running_loop().create_task(daemon.serve())
    try:
        async with asyncio.timeout(LIMIT_S):
            await until(lambda: task.done() or daemon.unhealthy() is None)
        if task.done():
            task.result()
        yield daemon
    finally:
        daemon.stop()
        async with asyncio.timeout(LIMIT_S):
            await task


async def add(daemon: Daemon, *keys: str) -> None:
    await asyncio.gather(*(daemon.call(Release(key), "cause", "test") for key in keys))


async def count(daemon: Daemon) -> int:
    page = await daemon.call(ListPools(), "cause", "test")
    total: int = page.total
    return total


async def get(port: int, path: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    text = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = text.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_what_was_answered_is_there_after_a_good_stop_and_the_log_is_empty(tmp_path: Path) -> None:
    settings = config(tmp_path)

    async def first() -> None:
        async with serving(settings) as daemon:
            await add(daemon, "a", "b", "c")
            assert await get(settings.http_port, "/health") == (200, b"ok")
            assert (await get(settings.metrics_port, "/metrics"))[0] == 200

    async def second() -> None:
        async with serving(settings) as daemon:
            assert await count(daemon) == 3
            assert daemon._store.log_bytes == 0

    asyncio.run(first())
    asyncio.run(second())
    lines = (tmp_path / "audit" / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["target"] for line in lines] == ["a", "b", "c"]


def test_an_ephemeral_daemon_leaves_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with serving(config(tmp_path / "none", ephemeral=True)) as daemon:
            await add(daemon, "a")
            assert await count(daemon) == 1

    asyncio.run(body())
    assert list(tmp_path.iterdir()) == []


def test_term_stops_in_good_order_with_status_0(tmp_path: Path) -> None:
    class Terminated(Daemon):
        async def serve(self) -> None:
            asyncio.get_running_loop().call_later(0.5, os.kill, os.getpid(), signal.SIGTERM)
            await super().serve()

    assert Terminated(config(tmp_path), make_counting_node).run() == 0
    assert list(tmp_path.glob("snapshot-*")) == []  # nothing was ever written


def test_each_start_is_a_session_of_the_same_member(tmp_path: Path) -> None:
    seen = []
    for _ in range(3):

        async def body() -> None:
            async with serving(config(tmp_path)) as daemon:
                await add(daemon, "a")

        asyncio.run(body())
        seen.append(json.loads((tmp_path / FILE_NAME).read_bytes()))
    assert [each["session"] for each in seen] == [1, 2, 3]
    assert len({(each["node_id"], each["cluster_id"], each["incarnation"]) for each in seen}) == 1


def test_a_snapshot_is_taken_by_log_size_while_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "CHECK_INTERVAL_S", 0.01)
    monkeypatch.setattr(real, "MIB", 1000)
    settings = config(tmp_path, snapshot_log_mib=20)
    added = 0

    async def body() -> None:
        nonlocal added
        async with serving(settings) as daemon:
            async with asyncio.timeout(LIMIT_S):
                while not any("snapshot" in name for name in os.listdir(tmp_path)):
                    await add(daemon, *(f"key-{added + each}" for each in range(50)))
                    added += 50
            assert daemon._store.log_bytes < 40_000

    asyncio.run(body())

    async def again() -> None:
        async with serving(settings) as daemon:
            assert await count(daemon) == added

    asyncio.run(again())


def test_a_port_in_use_is_one_line_and_status_1(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert Daemon(config(tmp_path, http_port=port), make_counting_node).run() == 1
    (line,) = [text for text in capfd.readouterr().err.splitlines() if "error" in text]
    assert f"port {port} on 127.0.0.1 is in use by another program; see http_port" in line


def test_a_locked_data_path_is_status_1(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lock = PathLock(tmp_path)
    assert Daemon(config(tmp_path), make_counting_node).run() == 1
    assert f"is in use by another process (pid {os.getpid()})" in capfd.readouterr().err
    lock.release()


def test_a_data_path_that_is_a_file_is_status_1(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert Daemon(config(tmp_path / "file"), make_counting_node).run() == 1
    assert "is unusable" in capfd.readouterr().err


def test_another_node_id_on_a_data_path_is_status_1(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def body() -> None:
        async with serving(config(tmp_path, node_id="olt-1")):
            pass

    asyncio.run(body())
    assert Daemon(config(tmp_path, node_id="olt-2"), make_counting_node).run() == 1
    assert "belongs to node olt-1, not to olt-2" in capfd.readouterr().err


def test_a_damaged_log_is_status_1(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def body() -> None:
        async with serving(config(tmp_path)) as daemon:
            await add(daemon, "a")

    asyncio.run(body())
    (path,) = tmp_path.glob("snapshot-*.nxs")
    data = bytearray(path.read_bytes())
    data[33] ^= 1
    path.write_bytes(data)
    assert Daemon(config(tmp_path), make_counting_node).run() == 1
    assert "is damaged: chunk 0 has a wrong checksum" in capfd.readouterr().err


def test_a_broken_invariant_stops_the_process_and_says_why(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Broken(Daemon):
        async def serve(self) -> None:
            async def provoke() -> None:
                await until(lambda: self.unhealthy() is None)
                with pytest.raises(NexusError, match="stopped"):
                    await self.call(Release(BREAKING_KEY), "cause", "test")
                with pytest.raises(NexusError, match="stopped"):
                    await self.call(Release("x"), "cause", "test")

            self._state = "starting"
            task = asyncio.get_running_loop().create_task(provoke())
            await super().serve()
            await task

    assert Broken(config(tmp_path), make_counting_node).run() == real.EXIT_DEFECT
    assert "invariant I0 is broken" in capfd.readouterr().err


def test_after_storage_failed_writes_are_refused_reads_go_on_and_health_says_so(
    tmp_path: Path,
) -> None:
    async def body() -> None:
        settings = config(tmp_path)
        async with serving(settings) as daemon:
            await add(daemon, "a")
            store = daemon._store
            assert isinstance(store, SqliteStore)
            store._db.close()  # every commit from here on fails
            with pytest.raises(NexusError) as first:
                await add(daemon, "b")
            with pytest.raises(NexusError) as second:
                await add(daemon, "c")
            assert (first.value.code, first.value.definite) == ("storage_failed", False)
            assert (second.value.code, second.value.definite) == ("storage_failed", True)
            assert await count(daemon) == 2
            status, text = await get(settings.http_port, "/health")
            assert (status, text[:14]) == (503, b"storage failed")

    asyncio.run(body())

    async def again() -> None:
        async with serving(config(tmp_path)) as daemon:
            assert await count(daemon) == 1

    asyncio.run(again())


def test_a_request_whose_caller_hung_up_before_its_turn_is_not_carried_out(tmp_path: Path) -> None:
    # A machine wakes up after a suspend: the request is there, and so is its caller's hang-up.
    async def body() -> None:
        async with serving(config(tmp_path)) as daemon:
            gone = asyncio.ensure_future(daemon.call(Release("gone"), "cause", "test"))
            kept = asyncio.ensure_future(daemon.call(Release("kept"), "cause", "test"))
            gone.cancel()
            await asyncio.wait_for(kept, 5)
            assert (await daemon.call(ListPools(), "cause", "test")).total == 1

    asyncio.run(body())
