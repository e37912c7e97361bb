"""The life of the process: start, restart, stop, a taken port, a second process, a full disk."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.socket.conftest import COOLDOWN_S, StartDaemon
from tests.support.api_client import ApiClient
from tests.support.daemon import REPO
from tests.support.go_json import parse_rfc3339
from tests.support.state import state
from tests.support.waiting import wait_for

POOL = {"id": "life", "cidr": "10.0.0.0/22", "cooldown": COOLDOWN_S}
ALLOCATIONS = "/api/v1/allocations"


def put(client: ApiClient, subscriber_id: str, **more: Any) -> dict[str, Any]:
    body = {"pool_id": "life", "subscriber_id": subscriber_id, **more}
    found: dict[str, Any] = client.post(ALLOCATIONS, body).expect(201)
    return found


# ---- restart


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_everything_survives_a_restart(start_daemon: StartDaemon, end: str) -> None:
    daemon = start_daemon()
    with daemon.client() as client:
        client.post("/api/v1/pools", POOL).expect(201)
        six = {"id": "six", "cidr": "2001:db8::/48", "prefix": 56, "metadata": {"site": "s"}}
        client.post("/api/v1/pools", six).expect(201)
        put(client, "plain", node_id="bng-1")
        put(client, "timed", ttl=3600)
        put(client, "sticky", ttl=3600, alloc_type="sticky")
        put(client, "gone")
        client.post(ALLOCATIONS, {"pool_id": "six", "subscriber_id": "plain"}).expect(201)
        client.post(f"{ALLOCATIONS}/timed/renew", {"ttl": 7200}).expect(200)
        client.delete(f"{ALLOCATIONS}/gone")
        client.post("/api/v1/pools/life/backup-allocations", {"backup_node_id": "bng-2"}).expect(
            201
        )
        register = {"serial": "SN0001", "mac": "aa:bb:cc:00:00:01"}
        client.post("/api/v1/bootstrap", register).expect(201)
        client.put("/api/v1/devices/SN0001", {"site_id": "s"}).expect(200)
        client.post("/api/v1/devices/whitelist", {"serial": "SN0002"}).expect(201)
        client.post("/api/v1/devices/SN0002/revoke").expect(200)
    before = state(daemon)
    if end == "stop":
        assert daemon.stop() == 0
    daemon.restart()
    assert state(daemon) == before
    daemon.restart()
    assert state(daemon) == before, "and a second one, from the snapshot"
    with daemon.client() as client:
        put(client, "new")


def test_a_ttl_runs_on_while_the_daemon_is_down(start_daemon: StartDaemon) -> None:
    """R11: downtime counts."""
    daemon = start_daemon()
    with daemon.client() as client:
        client.post("/api/v1/pools", POOL).expect(201)
        short = put(client, "short", ttl=2)
        long = put(client, "long", ttl=4)
    daemon.kill()
    ends = [parse_rfc3339(each["expires_at"]) for each in (short, long)]
    assert ends[0] is not None and ends[1] is not None
    time.sleep(max(0.0, (ends[0] - datetime.now(UTC)).total_seconds()) + 0.2)
    daemon.start()
    with daemon.client() as client:
        client.get(f"{ALLOCATIONS}/short").error(404, "allocation_not_found")
        left = (ends[1] - datetime.now(UTC)).total_seconds()
        if left > 0.2:
            kept = client.get(f"{ALLOCATIONS}/long").expect(200)
            assert kept["expires_at"] == long["expires_at"]
        wait_for("the longer one ends", lambda: client.get(f"{ALLOCATIONS}/long").status == 404)
        assert abs((datetime.now(UTC) - ends[1]).total_seconds()) < 2


def test_sticky_and_cooling_outlive_a_restart(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    with daemon.client() as client:
        client.post("/api/v1/pools", {**POOL, "cooldown": 600}).expect(201)
        sticky = put(client, "sticky", ttl=1, alloc_type="sticky")["ip"]
        released = put(client, "session", ttl=600)["ip"]
        client.delete(f"{ALLOCATIONS}/session")
        wait_for("expired", lambda: client.get(f"{ALLOCATIONS}/sticky").status == 404)
    daemon.restart()
    with daemon.client() as client:
        body = {"pool_id": "life", "subscriber_id": "thief", "ip": released}
        client.post(ALLOCATIONS, body).error(409, "resource_cooling")
        assert put(client, "sticky", ttl=60, alloc_type="sticky")["ip"] == sticky


def test_the_member_keeps_its_id_and_refuses_another(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    first = state(daemon)["nodes"]
    assert daemon.stop() == 0
    daemon.start()
    assert state(daemon)["nodes"] == first
    assert daemon.stop() == 0
    other = start_daemon("--node-id=somebody-else", start=False)
    assert other.spawn().wait_exit() == 1
    assert "somebody-else" in other.log()


def test_epochs_and_generations_do_not_start_over(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    with daemon.client() as client:
        client.post("/api/v1/pools", POOL).expect(201)
        epoch = put(client, "a")["epoch"]
        assert client.delete("/api/v1/pools/life?force=true").status == 204
    daemon.restart()
    with daemon.client() as client:
        again = client.post("/api/v1/pools", POOL).expect(201)
        assert again["generation"] >= 2
        assert put(client, "b")["epoch"] >= epoch


def test_ephemeral_keeps_nothing(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--ephemeral")
    with daemon.client() as client:
        client.post("/api/v1/pools", POOL).expect(201)
        put(client, "a")
    assert daemon.stop() == 0
    daemon.start()
    assert state(daemon)["pools"] == []


# ---- stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(start_daemon: StartDaemon, number: int) -> None:
    daemon = start_daemon()
    with daemon.client() as client:
        client.post("/api/v1/pools", POOL).expect(201)
    started = time.monotonic()
    daemon.signal(number)
    assert daemon.wait_exit() == 0
    assert time.monotonic() - started < 10
    assert "Traceback" not in daemon.log()


def test_term_with_watchers_and_idle_clients_open(start_daemon: StartDaemon) -> None:
    """G47: an open stream never blocks the end."""
    daemon = start_daemon()
    idle = [socket.create_connection(("127.0.0.1", daemon.http_port)) for _ in range(20)]
    watcher = http.client.HTTPConnection("127.0.0.1", daemon.http_port)
    watcher.request("GET", "/api/v1/watch")
    assert watcher.getresponse().status == 200
    started = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - started < 12
    watcher.close()
    for connection in idle:
        connection.close()


def test_what_was_asked_before_term_is_answered(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    with daemon.client() as client:
        client.post("/api/v1/pools", POOL).expect(201)
    answered: list[str] = []
    broken: list[BaseException] = []

    def load(worker: int) -> None:
        with daemon.client() as client:
            for i in range(10_000):
                subscriber = f"{worker}-{i % 50}"
                try:
                    body = {"pool_id": "life", "subscriber_id": subscriber}
                    answer = client.post(ALLOCATIONS, body)
                except (OSError, http.client.HTTPException):
                    return
                if answer.status == 201:
                    answered.append(subscriber)
                elif answer.status not in (200, 503):
                    broken.append(AssertionError(answer))

    workers = [threading.Thread(target=load, args=(index,)) for index in range(4)]
    for worker in workers:
        worker.start()
    wait_for("some load", lambda: len(answered) > 20)
    assert daemon.stop() == 0
    for worker in workers:
        worker.join()
    assert not broken, broken[:3]
    daemon.start()
    kept = {each["subscriber_id"] for each in state(daemon)["allocations"]}
    assert set(answered) <= kept


# ---- refusing to start


def test_a_port_in_use_is_status_1(start_daemon: StartDaemon) -> None:
    """G46."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for name, ports in (("http", {"http_port": port}), ("metrics", {"metrics_port": port})):
            daemon = start_daemon(name=f"{name}-port", start=False, **ports)
            assert daemon.spawn().wait_exit() == 1
            assert str(port) in daemon.log()
            assert "Traceback" not in daemon.log()


def test_a_second_process_on_the_data_path_is_status_1(start_daemon: StartDaemon) -> None:
    first = start_daemon()
    with first.client() as client:
        client.post("/api/v1/pools", POOL).expect(201)
    second = start_daemon(start=False)
    second.log_path = first.log_path.with_name("second.log")
    assert second.spawn().wait_exit() == 1
    assert str(first.data_path) in second.log()
    assert "Traceback" not in second.log()
    with first.client() as client:
        put(client, "still-serving")


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--http-port=70000", ("http", "70000", "65535")),
        ("--role=king", ("role", "king", "core")),
        ("--ack-limit=never", ("ack", "never")),
        ("--max-connections=0", ("max", "0", "1")),
        ("--listen=nowhere", ("listen", "nowhere")),
    ],
)
def test_a_wrong_value_is_status_2_and_named(
    start_daemon: StartDaemon, flag: str, words: tuple[str, ...]
) -> None:
    daemon = start_daemon(flag, start=False)
    assert daemon.spawn().wait_exit() == 2
    for word in words:
        assert word in daemon.log()
    assert "Traceback" not in daemon.log()


def test_environment_and_file_give_way_to_flags(tmp_path: Path, start_daemon: StartDaemon) -> None:
    config = tmp_path / "nexus.yaml"
    config.write_text("node_id: from-file\nrole: core\n")
    daemon = start_daemon(f"--config={config}", environment={"NEXUS_NODE_ID": "from-environment"})
    assert state(daemon)["nodes"] == ["from-environment"]
    other = start_daemon(
        f"--config={config}",
        "--node-id=from-flag",
        name="other",
        environment={"NEXUS_NODE_ID": "from-environment"},
    )
    assert state(other)["nodes"] == ["from-flag"]
    config.write_text("nodeid: typo\n")
    wrong = start_daemon(f"--config={config}", name="wrong", start=False)
    assert wrong.spawn().wait_exit() == 2
    assert "nodeid" in wrong.log() and "node_id" in wrong.log()


def test_an_unusable_data_path_is_status_1(tmp_path: Path, start_daemon: StartDaemon) -> None:
    (tmp_path / "file").write_text("not a folder")
    daemon = start_daemon(name="file", start=False)
    daemon.log_path = tmp_path / "unusable.log"
    assert daemon.spawn().wait_exit() == 1
    assert "Traceback" not in daemon.log()


# ---- the command itself


def test_version_and_installed_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nexus", "version"],
        capture_output=True,
        text=True,
        cwd=REPO,
        env=dict(os.environ),
        timeout=30,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("Nexus ")


def test_config_check(tmp_path: Path) -> None:
    def check(text: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "nexus.yaml"
        path.write_text(text)
        return subprocess.run(
            [sys.executable, "-m", "nexus", "config", "check", f"--config={path}"],
            capture_output=True,
            text=True,
            cwd=REPO,
            timeout=30,
            check=False,
        )

    assert check("role: core\nhttp_port: 9000\n").returncode == 0
    wrong = check("role: core\nhttp_port: 99999\n")
    assert wrong.returncode == 2
    assert "http_port" in wrong.stderr + wrong.stdout


def test_two_daemons_side_by_side(start_daemon: StartDaemon) -> None:
    first, second = start_daemon(name="one"), start_daemon(name="two")
    with first.client() as client:
        client.post("/api/v1/pools", POOL).expect(201)
    assert state(second)["pools"] == []
