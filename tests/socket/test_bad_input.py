"""A storm of bad input on every route: clear refusals, nothing changes, nobody is hindered."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from random import Random

import pytest

from tests.socket.conftest import QUICK
from tests.support.api_client import Answer, ApiClient, raw_exchange
from tests.support.daemon import Daemon
from tests.support.state import state
from tests.support.storm import Shot, shots

ALLOCATIONS = "/api/v1/allocations"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One with something in it that could be damaged."""
    with Daemon(tmp_path_factory.mktemp("storm") / "data", *QUICK) as daemon:
        with daemon.client() as client:
            client.post("/api/v1/pools", {"id": "calm", "cidr": "10.0.0.0/24"}).expect(201)
            six = {"id": "calm6", "cidr": "2001:db8::/48", "prefix": 56}
            client.post("/api/v1/pools", six).expect(201)
            for i in range(20):
                body = {"pool_id": "calm", "subscriber_id": f"calm-{i}"}
                client.post(ALLOCATIONS, body).expect(201)
            body2 = {"serial": "CALM0001", "mac": "02:00:00:00:00:09"}
            client.post("/api/v1/bootstrap", body2).expect(201)
        yield daemon


def judge(shot: Shot, answer: Answer) -> str | None:
    """What is wrong with the answer, None if it is a clear refusal."""
    if shot.reads and answer.status == 200:
        return None
    if answer.status == 200 and shot.path.endswith("/batch"):
        reply = answer.json()
        return None if reply["failed"] == reply["count"] else "a bad item succeeded"
    if answer.status == 200 and shot.path.endswith("/import"):
        return None if answer.json()["imported"] == 0 else "a bad row was imported"
    if not 400 <= answer.status < 500:
        return f"status {answer.status}"
    try:
        error = answer.json()
    except AssertionError:
        return "no JSON"
    if not {"error", "code", "definite", "cause_id"} <= set(error):
        return "not the error shape"
    if answer.status == 500 or error["code"] == "internal_error":
        return "internal error"
    return None


def test_the_storm(daemon: Daemon) -> None:
    before = state(daemon)
    failures: list[str] = []
    fired: Counter[str] = Counter()
    with daemon.client() as client:
        for shot in shots(client.get("/api/v1/openapi.json").expect(200)):
            if shot.path.endswith("/watch") or "/watch?" in shot.path:
                continue
            fired[f"{shot.method} {shot.path.split('?')[0][:40]}"] += 1
            try:
                answer = client.request(
                    shot.method, shot.path, body=shot.body, headers=shot.headers
                )
            except OSError:
                # A body that is refused unread may meet a closed connection.
                client.close()
                if shot.why != "too large":
                    failures.append(f"{shot.method} {shot.path[:60]} ({shot.why}): cut off")
                continue
            wrong = judge(shot, answer)
            if wrong is not None:
                told = answer.body[:200]
                failures.append(
                    f"{shot.method} {shot.path[:60]} ({shot.why}): {wrong}: "
                    f"{answer.status} {told!r}"
                )
    assert not failures, "\n".join([f"{len(failures)} of {sum(fired.values())}", *failures[:40]])
    assert sum(fired.values()) > 500
    assert state(daemon) == before
    assert "Traceback" not in daemon.log()


MALFORMED = {
    "no request at all": b"\r\n\r\n",
    "words": b"hello world\r\n\r\n",
    "TLS": bytes.fromhex("1603010200010001fc0303") + bytes(500),
    "HTTP/9.9": b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "bad header": b"GET /health HTTP/1.1\r\nHost: x\r\nno colon here\r\n\r\n",
    "NUL in header": b"GET /health HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",
    "space before colon": b"GET /health HTTP/1.1\r\nHost : x\r\n\r\n",
    "huge header": b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
    "many headers": b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    "huge target": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "bad length": b"POST /api/v1/pools HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
    "negative length": b"POST /api/v1/pools HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"POST /api/v1/pools HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    b"Content-Length: 3\r\n\r\n{}",
    "length and chunks": b"POST /api/v1/pools HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunk": b"POST /api/v1/pools HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"zz\r\n{}\r\n0\r\n\r\n",
    "huge chunk size": b"POST /api/v1/pools HTTP/1.1\r\nHost: x\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    "unknown coding": b"POST /api/v1/pools HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gold\r\n\r\n",
    "gzip that is none": b"POST /api/v1/pools HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
    b"Content-Length: 5\r\n\r\nhello",
    "absurd method": b"B\xffD /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "target with bytes": b"GET /api/v1/pools/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_bytes_that_are_no_http(daemon: Daemon, name: str) -> None:
    reply = raw_exchange(daemon.http_port, MALFORMED[name], limit_s=1.5)
    if reply:
        first = reply.split(b"\r\n", 1)[0]
        assert first.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 501")), reply[:300]
        assert b"Traceback" not in reply
    with daemon.client(timeout_s=2) as client:
        assert client.get("/health").status == 200


def test_random_bytes(daemon: Daemon) -> None:
    rng = Random(2026)
    before = state(daemon)
    template = b"POST /api/v1/allocations HTTP/1.1\r\nHost: x\r\nContent-Length: 45\r\n\r\n"
    body = b'{"pool_id":"nowhere","subscriber_id":"flip1"}'
    for _ in range(300):
        sent = bytearray(template + body)
        for _ in range(rng.randint(1, 6)):
            sent[rng.randrange(len(sent))] = rng.randrange(256)
        with socket.create_connection(("127.0.0.1", daemon.http_port), timeout=2) as connection:
            connection.sendall(sent)
            connection.settimeout(0.005)
            try:
                connection.recv(4096)
            except (TimeoutError, ConnectionError):
                continue
    after = state(daemon)
    assert after["allocations"] == before["allocations"]
    assert after == before
    assert "Traceback" not in daemon.log()


def test_clients_that_hang_up_in_the_middle(daemon: Daemon) -> None:
    before = state(daemon)
    sent = b"POST /api/v1/allocations HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n"
    for length in range(0, len(sent), 7):
        with socket.create_connection(("127.0.0.1", daemon.http_port)) as connection:
            connection.sendall(sent[:length])
    with daemon.client(timeout_s=2) as client:
        assert client.get("/health").status == 200
    assert state(daemon) == before
    assert "Traceback" not in daemon.log()


def test_a_caller_that_leaves_before_its_answer_gets_what_it_asked(daemon: Daemon) -> None:
    """The request is done or not done, and a retry tells which; no half state."""
    for i in range(50):
        body = f'{{"pool_id":"calm","subscriber_id":"impatient-{i}","ttl":60}}'.encode()
        head = f"POST {ALLOCATIONS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", daemon.http_port)) as connection:
            connection.sendall(head.encode() + body)
    with daemon.client() as client:
        ips = []
        for i in range(50):
            asked = {"pool_id": "calm", "subscriber_id": f"impatient-{i}", "ttl": 60}
            ips.append(client.post(ALLOCATIONS, asked).expect(200, 201)["ip"])
            assert client.delete(f"{ALLOCATIONS}/impatient-{i}").status == 204
    assert len(set(ips)) == 50
    assert "Traceback" not in daemon.log()


@pytest.mark.slow
def test_a_flood_of_one_edge_spares_the_other(daemon: Daemon) -> None:
    """200 connections send 1 MiB bodies for nothing; a plain look-up still answers."""
    body = os.urandom(1 << 20)
    head = f"POST {ALLOCATIONS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    open_ones = []
    for _ in range(200):
        connection = socket.create_connection(("127.0.0.1", daemon.http_port))
        connection.setblocking(False)
        with suppress(BlockingIOError):
            connection.send(head + body)
        open_ones.append(connection)
    with ApiClient(daemon.http_port, timeout_s=5) as client:
        assert client.get(f"{ALLOCATIONS}/calm-1").status == 200
    for connection in open_ones:
        connection.close()
    assert daemon.resident_bytes() < 1 << 30
