"""Disks that fill up and files that are damaged: a clean recovery or a clear refusal."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.socket.conftest import COOLDOWN_S, StartDaemon
from tests.support.api_client import ApiClient
from tests.support.daemon import Daemon, DaemonDied
from tests.support.state import state

POOL = {"id": "disk", "cidr": "10.0.0.0/12", "cooldown": COOLDOWN_S}
ALLOCATIONS = "/api/v1/allocations"


def test_a_damaged_log_is_recovered_or_told_never_guessed(start_daemon: StartDaemon) -> None:
    """Whatever file is damaged: a clean recovery, or a clear refusal with status 1."""
    daemon = start_daemon()
    with daemon.client() as client:
        client.post("/api/v1/pools", POOL).expect(201)
        for i in range(50):
            body = {"pool_id": "disk", "subscriber_id": f"s{i}"}
            client.post(ALLOCATIONS, body).expect(201)
    before = state(daemon)
    assert daemon.stop() == 0
    pristine = daemon.data_path.with_name("pristine")
    shutil.copytree(daemon.data_path, pristine)
    files = [path for path in sorted(pristine.rglob("*")) if path.is_file()]
    tried = 0
    for path in files:
        size = path.stat().st_size
        if size < 64:
            continue
        shutil.rmtree(daemon.data_path)
        shutil.copytree(pristine, daemon.data_path)
        damaged = daemon.data_path / path.relative_to(pristine)
        with damaged.open("r+b") as file:
            file.seek(size // 2)
            file.write(b"\xa5" * 32)
        tried += 1
        outcome = start_on_damage(daemon)
        assert outcome in ("recovered", "refused"), f"{path.name}: {outcome}"
        if outcome == "recovered":
            assert state(daemon) == before, path.name
            daemon.kill()
    assert tried


def start_on_damage(daemon: Daemon) -> str:
    """``recovered``, ``refused`` with a clear message and status 1, or what went wrong."""
    daemon.log_path.write_text("")
    try:
        daemon.start()
    except DaemonDied as death:
        if death.status == 1 and "Traceback" not in daemon.log():
            return "refused"
        return str(death)
    return "recovered"


def fill(client: ApiClient, limit: int = 200_000) -> tuple[list[str], dict[str, Any]]:
    """Allocate in batches until a write is refused: who was acknowledged, and the refusal."""
    acknowledged: list[str] = []
    for start in range(0, limit, 200):
        names = [f"fill-{i}" for i in range(start, start + 200)]
        items = [{"pool_id": "disk", "subscriber_id": name} for name in names]
        answer = client.post(f"{ALLOCATIONS}/batch", {"allocations": items})
        if answer.status == 503:
            return acknowledged, answer.json()
        for name, result in zip(names, answer.expect(200)["results"], strict=True):
            if result["status"] == 201:
                acknowledged.append(name)
            else:
                return acknowledged, result["error"]
    raise AssertionError("the disk never filled")


def check_full_disk(daemon: Daemon) -> list[str]:
    with daemon.client(timeout_s=30) as client:
        client.post("/api/v1/pools", POOL).expect(201)
        acknowledged, refusal = fill(client)
        assert refusal["code"] == "storage_failed", refusal
        assert refusal["definite"] is False, "it may still be on the disk"
        later = client.post(ALLOCATIONS, {"pool_id": "disk", "subscriber_id": "later"})
        assert later.error(503, "storage_failed")["definite"] is True
        client.delete(f"{ALLOCATIONS}/{acknowledged[0]}").error(503, "storage_failed")
        assert client.get("/ready").status == 503
        assert client.get("/api/v1/pools/disk").status == 200, "reads go on"
        assert client.get("/api/v1/allocations?pool_id=disk&limit=10").status == 200
    return acknowledged


def subscribers(daemon: Daemon) -> set[str]:
    with daemon.client(timeout_s=30) as client:
        pages = client.pages("/api/v1/allocations?pool_id=disk", "allocations", limit=10_000)
        return {each["subscriber_id"] for each in pages}


def test_a_full_disk_never_costs_what_was_acknowledged(
    tmp_path: Path, start_daemon: StartDaemon
) -> None:
    """Files of at most 2 MB, by a limit of the process, which needs no privilege."""
    size_max = 2 << 20
    limited = (
        sys.executable,
        "-c",
        "import os, resource, sys; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size_max}, {size_max})); "
        "os.execv(sys.argv[1], sys.argv[1:])",
    )
    daemon = start_daemon(wrapper=limited)
    acknowledged = check_full_disk(daemon)
    assert len(acknowledged) > 1000
    daemon.kill()
    free = Daemon(daemon.data_path)
    with free:
        kept = subscribers(free)
        assert set(acknowledged) <= kept
        with free.client() as client:
            body = {"pool_id": "disk", "subscriber_id": "later"}
            assert client.post(ALLOCATIONS, body).status == 201


def can_mount() -> bool:
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def test_a_file_system_without_space(tmp_path: Path, start_daemon: StartDaemon) -> None:
    """ENOSPC itself, in a small file system of our own."""
    if not can_mount():
        pytest.skip("needs a user namespace with mounts")
    data = tmp_path / "data"
    data.mkdir()
    script = f'mount -t tmpfs -o size=6m none {data} && exec "$@"'
    daemon = start_daemon(wrapper=("unshare", "-rm", "sh", "-c", script, "sh"))
    assert check_full_disk(daemon)
    status = daemon.stop()
    assert status in (0, 1)
    assert "Traceback" not in daemon.log()
