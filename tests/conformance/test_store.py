"""Stores: one body of tests for the disk and for memory, so that the simulator's is no kinder."""

from __future__ import annotations

import queue
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from nexus.driver.ports import Store, StoreDamagedError, StoreLockedError
from nexus.store.memory import MemoryDisk, MemoryStore
from nexus.store.sqlite_log import SqliteStore

WAIT_S = 10.0


class Opened:
    """A store with what it said so far."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.durable: list[int] = []
        self.failures: list[str] = []
        store.bind(self.durable.append, self.failures.append)


class Arm(Protocol):
    """One kind of store, with the world around it."""

    def open(self) -> Opened: ...

    def run(self, until: Callable[[], bool]) -> None:
        """Let callbacks run until something is so."""
        ...

    def crash(self) -> None:
        """Kill the process that uses the store; what was not committed may be lost."""
        ...

    def rot(self, seq: int) -> None:
        """Change a byte of a row that is there."""
        ...


class MemoryArm:
    def __init__(self) -> None:
        self.disk = MemoryDisk()
        self.callbacks: list[Callable[[], None]] = []

    def open(self) -> Opened:
        return Opened(MemoryStore(self.disk, self.callbacks.append))

    def run(self, until: Callable[[], bool]) -> None:
        while not until():
            self.callbacks.pop(0)()

    def crash(self) -> None:
        self.disk.crash()
        self.callbacks.clear()

    def rot(self, seq: int) -> None:
        self.disk.rot(seq)


class SqliteArm:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lives = 0
        self.callbacks: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self.opened: list[SqliteStore] = []

    @property
    def path(self) -> Path:
        return self.folder / f"life-{self.lives}"

    def open(self) -> Opened:
        store = SqliteStore(self.path, self.callbacks.put)
        self.opened.append(store)
        return Opened(store)

    def run(self, until: Callable[[], bool]) -> None:
        while not until():
            self.callbacks.get(timeout=WAIT_S)()

    def crash(self) -> None:
        # What kill -9 leaves is what the files hold at one moment, so nobody may write while they
        # are copied.
        before = self.path
        self.lives += 1
        paused, resume = threading.Event(), threading.Event()
        self.opened[-1].run_on_commit_thread(paused.set)
        self.opened[-1].run_on_commit_thread(lambda: resume.wait(WAIT_S))
        assert paused.wait(WAIT_S)
        shutil.copytree(before, self.path)
        resume.set()

    def rot(self, seq: int) -> None:
        with sqlite3.connect(self.path / "log.db") as db:
            payload = db.execute("SELECT payload FROM log WHERE seq = ?", (seq,)).fetchone()[0]
            changed = payload[:-1] + bytes([payload[-1] ^ 1])
            db.execute("UPDATE log SET payload = ? WHERE seq = ?", (changed, seq))
        db.close()

    def close(self) -> None:
        for store in self.opened:
            store.close()


@pytest.fixture(params=["memory", "sqlite"])
def arm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Arm]:
    if request.param == "memory":
        yield MemoryArm()
        return
    sqlite_arm = SqliteArm(tmp_path)
    yield sqlite_arm
    sqlite_arm.close()


def commit(arm: Arm, opened: Opened, token: int, *entries: bytes) -> None:
    """Append and wait until it is durable."""
    opened.store.append(token, entries)
    arm.run(lambda: bool(opened.durable) and opened.durable[-1] >= token)


def restore(opened: Opened) -> tuple[list[bytes], list[bytes]]:
    restored = opened.store.load()
    return list(restored.snapshot), list(restored.entries)


def snapshot(arm: Arm, opened: Opened, *chunks: bytes) -> str | None:
    writer = opened.store.begin_snapshot()
    for chunk in chunks:
        writer.write(chunk)
    results: list[str | None] = []
    writer.commit(results.append)
    arm.run(lambda: bool(results))
    return results[0]


def test_a_new_store_is_empty(arm: Arm) -> None:
    opened = arm.open()
    restored = opened.store.load()
    assert restored.empty
    assert list(restored.snapshot) == list(restored.entries) == []
    assert opened.store.log_bytes == 0
    commit(arm, opened, 1, b"x")
    assert snapshot(arm, opened, b"state") is None
    opened.store.close()
    assert not arm.open().store.load().empty


def test_what_was_committed_is_there_after_a_clean_stop(arm: Arm) -> None:
    opened = arm.open()
    restore(opened)
    commit(arm, opened, 1, b"a", b"b")
    commit(arm, opened, 2, b"", b"\x00" * 100_000)
    opened.store.close()
    assert restore(arm.open()) == ([], [b"a", b"b", b"", b"\x00" * 100_000])


def test_what_was_acknowledged_survives_a_crash(arm: Arm) -> None:
    opened = arm.open()
    restore(opened)
    for token in range(1, 51):
        commit(arm, opened, token, b"entry %d" % token)
    arm.crash()
    assert restore(arm.open()) == ([], [b"entry %d" % token for token in range(1, 51)])


def test_tokens_come_back_in_order_and_the_last_one_always(arm: Arm) -> None:
    opened = arm.open()
    restore(opened)
    for token in range(1, 1001):
        opened.store.append(token, [b"%d" % token])
    arm.run(lambda: bool(opened.durable) and opened.durable[-1] == 1000)
    assert opened.durable == sorted(set(opened.durable))
    arm.crash()
    assert restore(arm.open())[1] == [b"%d" % token for token in range(1, 1001)]


def test_close_commits_what_waits(arm: Arm) -> None:
    opened = arm.open()
    restore(opened)
    opened.store.append(1, [b"late"])
    opened.store.close()
    assert restore(arm.open())[1] == [b"late"]


def test_appending_after_close_does_nothing(arm: Arm) -> None:
    opened = arm.open()
    restore(opened)
    opened.store.close()
    opened.store.append(1, [b"x"])
    opened.store.close()
    assert restore(arm.open())[1] == []


def test_only_one_at_a_time(arm: Arm) -> None:
    opened = arm.open()
    with pytest.raises(StoreLockedError, match="in use by another"):
        arm.open()
    opened.store.close()
    arm.open().store.close()


def test_a_snapshot_replaces_the_log_before_it_and_keeps_what_came_after(arm: Arm) -> None:
    opened = arm.open()
    restore(opened)
    commit(arm, opened, 1, b"old")
    before = opened.store.log_bytes
    writer = opened.store.begin_snapshot()
    writer.write(b"chunk 1")
    commit(arm, opened, 2, b"while it is written")
    writer.write(b"chunk 2")
    results: list[str | None] = []
    writer.commit(results.append)
    arm.run(lambda: bool(results))
    assert results == [None]
    assert before > 0
    commit(arm, opened, 3, b"after")
    arm.crash()
    again = arm.open()
    assert restore(again) == ([b"chunk 1", b"chunk 2"], [b"while it is written", b"after"])
    assert again.store.log_bytes == opened.store.log_bytes


def test_a_snapshot_counts_only_when_all_appended_before_it_is_durable(arm: Arm) -> None:
    opened = arm.open()
    restore(opened)
    writer = opened.store.begin_snapshot()
    opened.store.append(1, [b"known to the chunk"])
    writer.write(b"chunk")
    results: list[str | None] = []
    writer.commit(results.append)
    arm.run(lambda: bool(results))
    assert opened.durable[-1] == 1


def test_a_crash_before_the_snapshot_counts_leaves_the_one_before(arm: Arm) -> None:
    opened = arm.open()
    restore(opened)
    commit(arm, opened, 1, b"one")
    assert snapshot(arm, opened, b"first") is None
    commit(arm, opened, 2, b"two")
    writer = opened.store.begin_snapshot()
    writer.write(b"never ended")
    commit(arm, opened, 3, b"three")
    arm.crash()
    assert restore(arm.open()) == ([b"first"], [b"two", b"three"])
    writer.abort()


def test_an_aborted_snapshot_changes_nothing_and_another_may_follow(arm: Arm) -> None:
    opened = arm.open()
    restore(opened)
    commit(arm, opened, 1, b"one")
    writer = opened.store.begin_snapshot()
    with pytest.raises(RuntimeError, match="already"):
        opened.store.begin_snapshot()
    writer.write(b"no")
    writer.abort()
    assert snapshot(arm, opened, b"yes") is None
    arm.crash()
    assert restore(arm.open()) == ([b"yes"], [])


def test_snapshots_follow_one_another_over_many_rows(arm: Arm) -> None:
    # More rows than one trimming step takes, so leftovers of trimming are met as well.
    opened = arm.open()
    restore(opened)
    for round_number in range(3):
        for number in range(700):
            opened.store.append(round_number * 1000 + number, [b"x" * 10])
            if number % 7 == 0:
                commit(arm, opened, round_number * 1000 + number, b"y")
        assert snapshot(arm, opened, b"state %d" % round_number) is None
    commit(arm, opened, 9999, b"tail")
    arm.crash()
    chunks, entries = restore(arm.open())
    assert chunks == [b"state 2"]
    assert entries[-1] == b"tail"
    assert len(entries) < 700


def test_a_row_that_changed_is_an_error_wherever_it_lies(arm: Arm) -> None:
    # Bad memory, a bad cable, an editor: what was acknowledged reads back differently.
    for seq in (1, 2, 3):
        opened = arm.open()
        restore(opened)
        first = opened.durable[-1] if opened.durable else 0
        for token in range(first + 1, first + 4):
            commit(arm, opened, token, b"row")
        opened.store.close()
        arm.rot(seq)
        damaged = arm.open()
        with pytest.raises(StoreDamagedError, match=f"row {seq} has a wrong checksum"):
            restore(damaged)
        damaged.store.close()
        arm.rot(seq)


def test_progress_reaches_the_end(arm: Arm) -> None:
    opened = arm.open()
    restore(opened)
    commit(arm, opened, 1, b"a" * 1000)
    opened.store.close()
    seen: list[tuple[int, int]] = []
    restored = arm.open().store.load(lambda done, total: seen.append((done, total)))
    assert list(restored.entries) == [b"a" * 1000]
    assert seen
    assert seen[-1][0] == seen[-1][1]
