"""The audit log: every line once, numbered without gaps, over restarts, rotation and full disks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nexus.core.effects import Audit
from nexus.telemetry import audit_file
from nexus.telemetry.audit_file import FILE_NAME, AuditFile
from tests.support.waiting import wait_for

WALL_US = 1_800_000_000_123_456


def line(number: int, **detail: Any) -> Audit:
    return Audit(
        WALL_US + number, "POOL_CREATED", "ops@192.0.2.1", f"c-{number}", "pools/a", detail
    )


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def write(folder: Path, *lines: Audit, **options: Any) -> AuditFile:
    audit = AuditFile(folder, "node-1", **options)
    for each in lines:
        audit.write(each)
    audit.close()
    return audit


def test_a_line_says_who_did_what_when_and_why(tmp_path: Path) -> None:
    write(tmp_path, line(1, cidr="10.0.0.0/8"))
    assert read(tmp_path / FILE_NAME) == [
        {
            "seq": 1,
            "time": "2027-01-15T08:00:00.123457Z",
            "node": "node-1",
            "action": "POOL_CREATED",
            "actor": "ops@192.0.2.1",
            "cause_id": "c-1",
            "target": "pools/a",
            "detail": {"cidr": "10.0.0.0/8"},
        }
    ]


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    write(tmp_path, line(1), line(2))
    write(tmp_path, line(3))
    assert [each["seq"] for each in read(tmp_path / FILE_NAME)] == [1, 2, 3]


def test_a_line_torn_by_a_crash_goes_and_its_number_is_used_again(tmp_path: Path) -> None:
    write(tmp_path, line(1), line(2))
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes()[:-5])
    write(tmp_path, line(3))
    assert [(each["seq"], each["cause_id"]) for each in read(path)] == [(1, "c-1"), (2, "c-3")]


def test_files_are_bounded_and_the_oldest_go(tmp_path: Path) -> None:
    for start in range(0, 100, 10):
        lines = [line(number) for number in range(start, start + 10)]
        write(tmp_path, *lines, file_bytes_max=1000, files_kept=3)
    older = sorted(tmp_path.glob("audit-*.jsonl"))
    assert len(older) == 3
    kept = [each["seq"] for path in [*older, tmp_path / FILE_NAME] for each in read(path)]
    assert kept == list(range(kept[0], 101))
    assert kept[0] > 1


def test_numbers_go_on_over_a_rotation_that_left_an_empty_file(tmp_path: Path) -> None:
    write(tmp_path, line(1), line(2))
    (tmp_path / FILE_NAME).rename(tmp_path / "audit-000000000000003.jsonl")
    write(tmp_path, line(3))
    assert read(tmp_path / FILE_NAME)[0]["seq"] == 3


class Chain:
    """What a chain of hashes will need: each line carries something of the one before."""

    def __init__(self) -> None:
        self.last = b"start"

    def resume(self, last_line: bytes | None) -> None:
        self.last = last_line or b"start"

    def seal(self, line: bytes) -> bytes:
        self.last = line[:-1] + b',"after":%d}' % len(self.last)
        return self.last


def test_a_sealer_sees_the_last_line_of_the_life_before(tmp_path: Path) -> None:
    write(tmp_path, line(1), line(2), sealer=Chain())
    write(tmp_path, line(3), sealer=Chain())
    texts = (tmp_path / FILE_NAME).read_text().splitlines()
    lengths = [len(b"start"), *map(len, texts)]
    assert [json.loads(text)["after"] for text in texts] == lengths[:-1]


def test_a_full_disk_is_told_and_leaves_a_gap_with_its_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_file, "RETRY_S", 0)
    really_write = os.write
    full = True

    def write_some(descriptor: int, data: Any) -> int:
        if full and descriptor == audit._descriptor:
            if len(data) > 10:
                return really_write(descriptor, data[:10])
            raise OSError(28, "No space left on device")
        return really_write(descriptor, data)

    audit = AuditFile(tmp_path, "node-1")
    audit.write(line(1))
    wait_for("first line", lambda: (tmp_path / FILE_NAME).stat().st_size > 0)
    monkeypatch.setattr(os, "write", write_some)
    audit.write(line(2))
    audit.write(line(3))
    wait_for("both lost", lambda: audit.lost_count == 2)
    assert "No space left" in (audit.failure or "")
    full = False
    audit.write(line(4))
    audit.close()
    assert audit.failure is None
    lines = read(tmp_path / FILE_NAME)
    assert [(each["seq"], each["action"]) for each in lines[:1]] == [(1, "POOL_CREATED")]
    assert lines[1]["action"] == "AUDIT_GAP"
    assert lines[1]["detail"] == {"lost": 2}
    assert [each["seq"] for each in lines] == [1, 3, 4]


def test_too_many_waiting_lines_make_the_caller_wait_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_file, "WAITING_LINES_MAX", 10)
    write(tmp_path, *(line(number) for number in range(500)))
    assert [each["seq"] for each in read(tmp_path / FILE_NAME)] == list(range(1, 501))
