"""The starter of daemons, tried on small stand-ins."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, free_ports

STAND_IN = """
import http.server, signal, sys
port = int(next(a for a in sys.argv if a.startswith("--http-port=")).split("=")[1])
asked = 0
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        asked += 1
        self.send_response(200 if asked > 3 else 503)
        self.end_headers()
    def log_message(self, *a):
        pass
signal.signal(signal.SIGTERM, lambda *a: sys.exit(7))
print("stand-in serves", flush=True)
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def stand_in(tmp_path: Path, text: str = STAND_IN) -> Daemon:
    return Daemon(tmp_path / "data", command=(sys.executable, "-c", text))


def test_it_waits_for_readiness_captures_output_and_returns_the_exit_status(tmp_path: Path) -> None:
    daemon = stand_in(tmp_path).start()
    assert daemon.alive
    assert daemon.client().get("/health").status == 200
    assert daemon.resident_bytes() > 1_000_000
    assert daemon.cpu_seconds() >= 0
    assert "stand-in serves" in daemon.log()
    assert daemon.stop() == 7
    assert not daemon.alive


def test_a_death_at_start_is_told_with_the_log(tmp_path: Path) -> None:
    daemon = stand_in(tmp_path, "import sys; sys.exit('no luck')")
    with pytest.raises(AssertionError, match=r"ended with status 1\nno luck"):
        daemon.start()


def test_one_that_never_gets_ready_is_killed(tmp_path: Path) -> None:
    daemon = stand_in(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(AssertionError, match=r"not ready in 0\.3 s"):
        daemon.start(limit_s=0.3)
    assert not daemon.alive


def test_one_that_ignores_term_is_killed(tmp_path: Path) -> None:
    daemon = stand_in(tmp_path, STAND_IN.replace("sys.exit(7)", "None")).start()
    with pytest.raises(AssertionError, match="still alive"):
        daemon.stop(limit_s=0.3)
    assert not daemon.alive


def test_kill_and_a_failing_block_leave_no_process(tmp_path: Path) -> None:
    processes = []

    def fails() -> None:
        with stand_in(tmp_path) as daemon:
            processes.append(daemon.process)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError) as caught:
        fails()
    assert processes[0].poll() == -9
    assert "stand-in serves" in caught.value.__notes__[0]


def test_ports_differ() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
