"""Many, idle and slow connections: the bound holds and nobody else is hindered."""

from __future__ import annotations

import contextlib
import resource
import socket
import time

import pytest

from tests.socket.conftest import StartDaemon
from tests.support.waiting import wait_for

POOL = {"id": "many", "cidr": "10.0.0.0/22"}
ALLOCATIONS = "/api/v1/allocations"


def raise_file_limit(wanted: int) -> bool:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return True


def test_connections_beyond_the_bound_are_closed_and_counted(start_daemon: StartDaemon) -> None:
    if not raise_file_limit(6000):
        pytest.skip("needs 6,000 open files")
    daemon = start_daemon()
    connections: list[socket.socket] = []
    try:
        address = ("127.0.0.1", daemon.http_port)
        connections.extend(socket.create_connection(address) for _ in range(5000))

        def closed() -> int:
            count = 0
            for connection in connections:
                connection.setblocking(False)
                try:
                    count += connection.recv(1) == b""
                except BlockingIOError:
                    continue
                except ConnectionError:
                    count += 1
            return count

        wait_for("the surplus is closed", lambda: closed() >= 5000 - 4096, limit_s=20)
        assert closed() <= 5000 - 4096 + 10
        assert daemon.alive
        counted = [
            line
            for line in daemon.metrics().splitlines()
            if "connections" in line and not line.startswith("#")
        ]
        assert any(float(line.rsplit(" ", 1)[1]) >= 900 for line in counted), counted
    finally:
        for connection in connections:
            connection.close()

    def serves() -> bool:
        with daemon.client(timeout_s=2) as client:
            return client.get("/health").status == 200

    wait_for("it serves again", serves, limit_s=20)


def test_few_files_lower_the_bound(start_daemon: StartDaemon) -> None:
    limited = ("sh", "-c", 'ulimit -n 256 && exec "$@"', "sh")
    daemon = start_daemon(wrapper=limited)
    connections = [socket.create_connection(("127.0.0.1", daemon.http_port)) for _ in range(400)]
    time.sleep(0.3)
    for connection in connections[:200]:
        connection.close()

    def serves() -> bool:
        with daemon.client(timeout_s=2) as client:
            client.post("/api/v1/pools", POOL).expect(200, 201)
        return "nexus_" in daemon.metrics()

    wait_for("serves, with disk and metrics", serves, limit_s=10)
    for connection in connections[200:]:
        connection.close()
    assert "Too many open files" not in daemon.log()


def test_idle_and_slow_clients_hinder_nobody(start_daemon: StartDaemon) -> None:
    """G48: 200 idle ones, 50 that stop in the middle of a header, 50 in the middle of a body."""
    daemon = start_daemon()
    open_ones: list[socket.socket] = []
    for sent, count in (
        (b"", 200),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow", 50),
        (b"POST /api/v1/pools HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", 50),
    ):
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", daemon.http_port))
            connection.sendall(sent)
            open_ones.append(connection)
    with daemon.client(timeout_s=2) as client:
        client.post("/api/v1/pools", POOL).expect(201)
        started = time.monotonic()
        for i in range(100):
            body = {"pool_id": "many", "subscriber_id": f"s{i}"}
            client.post(ALLOCATIONS, body).expect(201)
        assert time.monotonic() - started < 5
    for connection in open_ones:
        connection.close()


@pytest.mark.slow
def test_a_head_that_never_ends_is_cut(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    started = time.monotonic()
    connections = []
    for _ in range(20):
        connection = socket.create_connection(("127.0.0.1", daemon.http_port), timeout=30)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        connections.append(connection)
    for connection in connections:
        with contextlib.suppress(ConnectionError):
            assert connection.recv(1000) == b""
        connection.close()
    assert 5 < time.monotonic() - started < 20
