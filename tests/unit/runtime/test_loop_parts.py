"""Clock, alarm, outbox and snapshot pacing on a real loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.core.effects import Audit, Watch
from nexus.model.time import NS_PER_MS
from nexus.runtime import snapshots
from nexus.runtime.alarm import LoopAlarm
from nexus.runtime.clock import RealClock, boot_id
from nexus.runtime.outbox import NOTHING, RealOutbox
from nexus.runtime.snapshots import SnapshotKeeper
from nexus.store.memory import MemoryDisk, MemoryStore

LIMIT_S = 5.0


# ---- clock


def test_the_clock_reads_all_clocks_forward() -> None:
    clock = RealClock()
    first, second = clock.read(), clock.read()
    assert second.mono_ns >= first.mono_ns
    assert second.boot_ns >= first.boot_ns
    assert first.boot_ns >= first.mono_ns - NS_PER_MS  # suspended time counts here only
    assert abs(first.wall_ns - time.time_ns()) < 10**9


def test_the_boot_id_is_the_kernels_and_a_fresh_one_without(tmp_path: Path) -> None:
    assert boot_id() == boot_id()
    missing = tmp_path / "none"
    assert boot_id(missing) != boot_id(missing)


# ---- alarm


def rings(*sets: Callable[[], int | None]) -> list[int]:
    """Set the alarm to these instants one after the other; when it rang, ns."""
    rang: list[int] = []

    async def body() -> None:
        alarm = LoopAlarm(asyncio.get_running_loop())
        alarm.bind(lambda: rang.append(time.monotonic_ns()))
        for each in sets:
            alarm.set(each())
            assert rang == [], "never inside set"
        await asyncio.sleep(0.05)

    asyncio.run(body())
    return rang


def test_the_alarm_rings_once_and_never_early() -> None:
    due = time.monotonic_ns() + 20 * NS_PER_MS
    (rang,) = rings(lambda: due)
    assert rang >= due


def test_an_alarm_in_the_past_rings_at_once() -> None:
    assert len(rings(lambda: 0)) == 1


def test_setting_again_replaces_and_none_switches_off() -> None:
    soon = lambda: time.monotonic_ns() + NS_PER_MS  # noqa: E731
    assert len(rings(soon, lambda: 0, soon)) == 1
    assert rings(soon, lambda: None) == []


# ---- outbox


def quiet_outbox() -> RealOutbox:
    def ignore(_effect: Audit | Watch) -> None:
        """Not what is tested here."""

    return RealOutbox(ignore, ignore)


def test_an_answer_that_came_at_once_is_taken_without_waiting() -> None:
    outbox = quiet_outbox()
    number = outbox.next_number()
    outbox.reply(number, "view")
    assert outbox.take() == "view"
    assert outbox.take() is NOTHING


def test_late_answers_reach_their_callers_and_nobody_elses() -> None:
    async def body() -> list[Any]:
        outbox = quiet_outbox()
        first, second = outbox.next_number(), outbox.next_number()
        tasks = [asyncio.ensure_future(outbox.wait(number)) for number in (first, second)]
        await asyncio.sleep(0)
        outbox.reply(second, "b")
        outbox.reply(first, "a")
        assert outbox.waiting_count == 0
        return await asyncio.gather(*tasks)

    assert asyncio.run(body()) == ["a", "b"]


def test_a_caller_that_went_away_leaves_nothing_behind() -> None:
    async def body() -> None:
        outbox = quiet_outbox()
        number = outbox.next_number()
        assert outbox.take() is NOTHING
        task = asyncio.ensure_future(outbox.wait(number))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert outbox.waiting_count == 0
        outbox.reply(number, "too late")
        assert outbox.take() is NOTHING

    asyncio.run(body())


# ---- snapshots


def test_a_long_snapshot_leaves_the_loop_its_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    # 200 chunks of 0.5 ms: in one piece that would be 100 ms in which nobody is served.
    monkeypatch.setattr(snapshots, "PAUSE_S", 0.001)

    def chunks() -> Iterator[bytes]:
        for _ in range(200):
            ends = time.perf_counter() + 0.0005
            while time.perf_counter() < ends:
                pass
            yield b"x"

    async def body() -> tuple[int, str | None]:
        loop = asyncio.get_running_loop()
        disk = MemoryDisk()
        keeper = SnapshotKeeper(MemoryStore(disk, loop.call_soon), chunks, 1)
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        other = loop.create_task(others())
        async with asyncio.timeout(LIMIT_S):
            problem = await keeper.take()
        other.cancel()
        assert len(disk.chunks) == 200
        return turns, problem

    turns, problem = asyncio.run(body())
    assert problem is None
    assert turns >= 20


def test_a_snapshot_that_cannot_be_made_leaves_the_store_usable() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise RuntimeError("a defect of the node")

    async def body() -> None:
        loop = asyncio.get_running_loop()
        disk = MemoryDisk()
        store = MemoryStore(disk, loop.call_soon)
        with pytest.raises(RuntimeError, match="defect"):
            await SnapshotKeeper(store, chunks, 1).take()
        assert await SnapshotKeeper(store, lambda: iter([b"y"]), 1).take() is None
        assert disk.chunks == (b"y",)

    asyncio.run(body())


def test_a_failed_snapshot_is_told_and_counted() -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        disk = MemoryDisk()
        store = MemoryStore(disk, loop.call_soon)
        disk.fault = "disk full"
        keeper = SnapshotKeeper(store, lambda: iter([b"y"]), 1)
        assert await keeper.take() == "disk full"
        assert (keeper.taken_count, keeper.failed_count) == (0, 1)

    asyncio.run(body())
