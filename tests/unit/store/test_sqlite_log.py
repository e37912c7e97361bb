"""The durable store against what disks and processes really do to it."""

from __future__ import annotations

import os
import queue
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexus.driver.ports import StoreDamagedError, StoreError, StoreLockedError
from nexus.store.mark import MARK_NAME
from nexus.store.records import checksum, pack
from nexus.store.sqlite_log import GATHER_TURNS_MAX, LOG_NAME, SqliteStore
from tests.support.store_process import covered, token_of

WAIT_S = 20.0
WAL = LOG_NAME + "-wal"
WAL_HEADER_BYTES = 32
WAL_FRAME_BYTES = 24 + 4096
KILL_ROUNDS = int(os.environ.get("NEXUS_TEST_KILL_ROUNDS", "5"))


class Life:
    """One process life of a store: callbacks run when asked."""

    def __init__(
        self, path: Path, connection: type[sqlite3.Connection] = sqlite3.Connection
    ) -> None:
        self.callbacks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.store = SqliteStore(path, self.callbacks.put, connection=connection)
        self.durable: list[int] = []
        self.failures: list[str] = []
        self.store.bind(self.durable.append, self.failures.append)

    def entries(self) -> list[bytes]:
        restored = self.store.load()
        assert list(restored.snapshot) == []
        return list(restored.entries)

    def run(self, until: Callable[[], bool]) -> None:
        while not until():
            self.callbacks.get(timeout=WAIT_S)()

    def commit(self, token: int, *entries: bytes) -> None:
        self.store.append(token, entries)
        self.run(lambda: bool(self.failures) or token in self.durable)


@pytest.fixture
def three_commits(tmp_path: Path) -> Iterator[tuple[Path, Path, Path]]:
    """Copies of a data path: (after two commits, after three commits) and a place for a third.

    All three commits are in the WAL still, as after kill -9.
    """
    live, two, three = tmp_path / "live", tmp_path / "two", tmp_path / "three"
    life = Life(live)
    assert life.entries() == []
    life.commit(1, b"one")
    life.commit(2, b"two")
    shutil.copytree(live, two)
    life.commit(3, b"three" * 3000)
    shutil.copytree(live, three)
    yield two, three, tmp_path / "mixed"
    life.store.close()


def reading(path: Path) -> list[bytes]:
    life = Life(path)
    try:
        return life.entries()
    finally:
        life.store.close()


# ---- torn and damaged files


def test_a_commit_torn_by_a_power_cut_goes_and_what_was_acknowledged_stays(
    three_commits: tuple[Path, Path, Path],
) -> None:
    # Power goes while the third commit is written: its frames are there in part, its
    # acknowledgement never was.
    two, three, mixed = three_commits
    short, long = (two / WAL).read_bytes(), (three / WAL).read_bytes()
    for cut in range(len(short) + 1, len(long), 997):
        shutil.copytree(two, mixed)
        (mixed / WAL).write_bytes(long[:cut])
        assert reading(mixed) == [b"one", b"two"]
        shutil.rmtree(mixed)


def test_torn_frames_out_of_order_go_too(three_commits: tuple[Path, Path, Path]) -> None:
    # The disk wrote the end of the third commit but not its beginning.
    two, three, mixed = three_commits
    short, long = (two / WAL).read_bytes(), (three / WAL).read_bytes()
    shutil.copytree(two, mixed)
    hole = bytes(WAL_FRAME_BYTES)
    (mixed / WAL).write_bytes(long[: len(short)] + hole + long[len(short) + len(hole) :])
    assert reading(mixed) == [b"one", b"two"]


def test_the_log_goes_on_after_a_torn_tail(three_commits: tuple[Path, Path, Path]) -> None:
    two, three, mixed = three_commits
    shutil.copytree(two, mixed)
    (mixed / WAL).write_bytes((three / WAL).read_bytes()[:-100])
    life = Life(mixed)
    assert life.entries() == [b"one", b"two"]
    life.commit(1, b"new")
    life.store.close()
    assert reading(mixed) == [b"one", b"two", b"new"]


@pytest.mark.parametrize("where", ["wal header", "first frame", "last frame", "cut", "no wal"])
def test_acknowledged_rows_that_sqlite_would_drop_in_silence_are_missed(
    three_commits: tuple[Path, Path, Path], where: str
) -> None:
    # A bad block under the WAL, or a helpful person who deletes "temporary" files.
    _, three, _ = three_commits
    wal = three / WAL
    data = bytearray(wal.read_bytes())
    if where == "wal header":
        data[20] ^= 1
    elif where == "first frame":
        data[WAL_HEADER_BYTES + 100] ^= 1
    elif where == "last frame":
        data[-1] ^= 1
    elif where == "cut":
        del data[-WAL_FRAME_BYTES:]
    wal.write_bytes(data)
    if where == "no wal":
        wal.unlink()
        (three / (LOG_NAME + "-shm")).unlink()
    with pytest.raises(StoreDamagedError, match="was acknowledged"):
        reading(three)


def test_an_empty_folder_beside_a_mark_is_a_lost_log(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.entries()
    life.commit(1, b"one")
    life.store.close()
    (tmp_path / LOG_NAME).unlink()
    with pytest.raises(StoreDamagedError, match="ends at row 0, but row 1 was acknowledged"):
        reading(tmp_path)


def closed_with(path: Path, count: int) -> None:
    life = Life(path)
    life.entries()
    for token in range(1, count + 1):
        life.commit(token, b"row %d" % token)
    life.store.close()


def test_a_missing_row_in_the_middle_is_named(tmp_path: Path) -> None:
    closed_with(tmp_path, 5)
    with sqlite3.connect(tmp_path / LOG_NAME) as db:
        db.execute("DELETE FROM log WHERE seq = 3")
    db.close()
    with pytest.raises(StoreDamagedError, match="row 3 is missing"):
        reading(tmp_path)


def test_swapped_rows_are_found_although_each_is_whole(tmp_path: Path) -> None:
    closed_with(tmp_path, 3)
    with sqlite3.connect(tmp_path / LOG_NAME) as db:
        db.execute("UPDATE log SET seq = 9 WHERE seq = 2")
        db.execute("UPDATE log SET seq = 2 WHERE seq = 3")
        db.execute("UPDATE log SET seq = 3 WHERE seq = 9")
    db.close()
    with pytest.raises(StoreDamagedError, match="row 2 has a wrong checksum"):
        reading(tmp_path)


def test_a_row_of_a_newer_kind_is_refused_not_skipped(tmp_path: Path) -> None:
    closed_with(tmp_path, 1)
    payload = pack([b"?"])
    with sqlite3.connect(tmp_path / LOG_NAME) as db:
        db.execute("INSERT INTO log VALUES (2, 7, ?, ?)", (payload, checksum(2, 7, payload)))
    db.close()
    with pytest.raises(StoreError, match="row 2 is of a newer version"):
        reading(tmp_path)


@pytest.mark.parametrize("page", [0, 1])
def test_a_broken_page_of_the_database_is_a_clear_error(tmp_path: Path, page: int) -> None:
    closed_with(tmp_path, 50)
    data = bytearray((tmp_path / LOG_NAME).read_bytes())
    data[page * 4096 : page * 4096 + 512] = b"\xff" * 512
    (tmp_path / LOG_NAME).write_bytes(data)
    with pytest.raises(StoreDamagedError, match=r"log\.db is damaged"):
        reading(tmp_path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    closed_with(tmp_path, 1)
    with sqlite3.connect(tmp_path / LOG_NAME) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StoreError, match="format 99 is of a newer version"):
        reading(tmp_path)


def test_a_damaged_mark_weakens_the_check_and_no_more(tmp_path: Path) -> None:
    closed_with(tmp_path, 3)
    (tmp_path / MARK_NAME).write_bytes(b"\xff" * 4096)
    assert reading(tmp_path) == [b"row 1", b"row 2", b"row 3"]


def test_one_torn_slot_of_the_mark_leaves_the_other(tmp_path: Path) -> None:
    closed_with(tmp_path, 3)
    data = bytearray((tmp_path / MARK_NAME).read_bytes())
    slots = [struct.unpack_from("<Q", data, at)[0] for at in (0, 64)]
    assert sorted(slots) == [2, 3]
    data[64 * slots.index(3)] ^= 0xFF
    (tmp_path / MARK_NAME).write_bytes(data)
    (tmp_path / LOG_NAME).unlink()
    with pytest.raises(StoreDamagedError, match="row 2 was acknowledged"):
        reading(tmp_path)


# ---- failing disks


class FailingSync(sqlite3.Connection):
    """The commit reaches the files, then the sync says no: the worst order."""

    fail_at = 3
    seen = 0

    def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:
        result = super().execute(sql, *arguments)  # type: ignore[arg-type]
        if sql.startswith("INSERT"):
            FailingSync.seen += 1
            if FailingSync.seen >= self.fail_at:
                raise sqlite3.OperationalError("disk I/O error")
        return result


def test_after_a_failed_sync_nothing_is_acknowledged_any_more(tmp_path: Path) -> None:
    FailingSync.seen = 0
    life = Life(tmp_path, FailingSync)
    life.entries()
    for token in range(1, 6):
        life.commit(token, b"%d" % token)
    assert life.durable == [1, 2]
    assert life.failures == ["OperationalError: disk I/O error"]
    assert life.store.failed == life.failures[0]
    assert FailingSync.seen == FailingSync.fail_at, "nothing may be tried again"
    life.store.close()
    found = reading(tmp_path)
    assert found[:2] == [b"1", b"2"]


def test_a_snapshot_after_a_failed_commit_does_not_count(tmp_path: Path) -> None:
    FailingSync.seen = 0
    life = Life(tmp_path, FailingSync)
    life.entries()
    for token in range(1, 4):
        life.commit(token, b"%d" % token)
    writer = life.store.begin_snapshot()
    writer.write(b"state")
    results: list[str | None] = []
    writer.commit(results.append)
    life.run(lambda: bool(results))
    assert results == ["OperationalError: disk I/O error"]
    life.store.close()
    assert list(tmp_path.glob("snapshot-*")) == []


def start(path: Path, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.store_process", str(path), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )


def last_durable(lines: list[str]) -> int:
    return max((int(line.split()[1]) for line in lines if line.startswith("durable")), default=0)


def test_a_full_disk_stops_the_store_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    process = start(tmp_path, 2000, 1, 0, "--file-limit=300000")
    output, _ = process.communicate(timeout=WAIT_S)
    lines = output.splitlines()
    assert process.returncode == 0
    assert lines[-1].startswith("failed"), lines[-3:]
    assert "failed" not in " ".join(lines[:-1])
    acknowledged = last_durable(lines)
    assert acknowledged > 10
    tokens = [int.from_bytes(entry[:8], "big") for entry in reading(tmp_path)]
    assert tokens == list(range(1, len(tokens) + 1))
    assert len(tokens) >= acknowledged


STRACE = ["strace", "-f", "-qq", "-e", "trace=fdatasync"]


def can_inject() -> bool:
    try:
        return subprocess.run([*STRACE, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def test_a_sync_that_the_kernel_fails_stops_the_store(tmp_path: Path) -> None:
    if not can_inject():
        pytest.skip("needs strace and the right to trace")
    command = [sys.executable, "-m", "tests.support.store_process", str(tmp_path), "100", "1", "0"]
    inject = "inject=fdatasync:error=EIO:when=40"
    done = subprocess.run(
        [*STRACE, "-o", os.devnull, "-e", inject, *command],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines[-1] == "failed OperationalError: disk I/O error"
    acknowledged = last_durable(lines)
    assert acknowledged > 0
    assert acknowledged <= len(reading(tmp_path)) <= acknowledged + 1


def test_a_data_path_that_is_full_at_the_start_is_a_clear_error(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path;"
        "from nexus.store.sqlite_log import SqliteStore;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        f"SqliteStore(Path({str(tmp_path)!r}), print).load()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "StoreError" in result.stderr.splitlines()[-1]


# ---- other processes


def test_a_second_process_is_refused_and_told_who(tmp_path: Path) -> None:
    process = start(tmp_path, 10, 1, 0)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(
            StoreLockedError, match=rf"in use by another process \(pid {process.pid}\)"
        ):
            SqliteStore(tmp_path, print)
    finally:
        process.kill()
        process.communicate()
    SqliteStore(tmp_path, print).close()


def test_a_path_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is unusable"):
        SqliteStore(tmp_path / "file", print)


@pytest.mark.parametrize("snapshots", [0, 1])
def test_kill_9_loses_nothing_acknowledged(tmp_path: Path, snapshots: int) -> None:
    dice = random.Random(snapshots)
    acknowledged = 0
    for _ in range(KILL_ROUNDS):
        process = start(tmp_path, 300, 20, snapshots)
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(dice.randrange(1, 60)):
            process.stdout.readline()
        process.kill()
        rest, _ = process.communicate(timeout=WAIT_S)
        acknowledged = max(acknowledged, last_durable(rest.splitlines()))
        callbacks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        store = SqliteStore(tmp_path, callbacks.put)
        restored = store.load()
        last = covered(list(restored.snapshot))
        assert bool(last) <= bool(snapshots)
        for token in map(token_of, restored.entries):
            assert token <= last + 1, "an entry is missing"
            last = max(last, token)
        store.close()
        assert last >= acknowledged


def test_a_commit_waits_while_turns_bring_more_and_not_for_ever(tmp_path: Path) -> None:
    """What a loop does: ``turn`` runs what was asked for until now, in the turn after it."""
    posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    asked: list[Callable[[], None]] = []
    durable: list[int] = []
    store = SqliteStore(tmp_path / "data", posted.put, soon=asked.append)
    assert list(store.load().entries) == []
    store.bind(durable.append, lambda reason: pytest.fail(reason))

    def turn() -> None:
        due, asked[:] = asked[:], []
        for each in due:
            each()

    for token in (1, 2, 3):
        store.append(token, [b"entry"])
        turn()
    turn()
    posted.get(timeout=WAIT_S)()
    assert durable == [3], "three turns in a row, one commit"

    store.append(4, [b"entry"])
    turn()
    turn()
    posted.get(timeout=WAIT_S)()
    assert durable == [3, 4], "a lone one waits for a turn that brings nothing"

    for token in range(5, 5 + 2 * GATHER_TURNS_MAX):
        store.append(token, [b"entry"])
        turn()
    posted.get(timeout=WAIT_S)()
    assert durable[-1] >= 5 + GATHER_TURNS_MAX, "and turns that never end are not waited for"
    store.close()
