"""A real `python -m nexus serve` in a process of its own, for socket tests and benches.

`Daemon` starts it on free ports over a data path that the caller owns, polls until it is ready,
and ends it by TERM or by KILL.  Its output goes to a log file whose end is shown when something
fails.  Nothing here knows routes beyond `/health` and `/ready`.
"""

from __future__ import annotations

import atexit
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.support.api_client import ApiClient
from tests.support.waiting import POLL_S

REPO = Path(__file__).resolve().parents[2]
START_LIMIT_S = 20.0
STOP_LIMIT_S = 15.0
LOG_TAIL_LINES = 60
COMMAND = (sys.executable, "-m", "nexus", "serve")

_live: set[subprocess.Popen[bytes]] = set()


@atexit.register
def _kill_leftovers() -> None:
    for process in _live:
        process.kill()


def free_ports(count: int) -> list[int]:
    """Different ports that were free a moment ago, all held until the last one is found."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class DaemonDied(AssertionError):
    """The process ended by itself while it was expected to get ready."""

    def __init__(self, status: int, log_tail: str) -> None:
        super().__init__(f"the daemon ended with status {status}\n{log_tail}")
        self.status = status


class Daemon:
    """One daemon; start it with `start`, or use it as a context manager.

    Parameters
    ----------
    data_path
        Directory of the daemon's state; it stays after the daemon ends.  The log lies beside it.
    arguments
        More arguments of ``nexus serve``.
    environment
        Variables set on top of this process's own.
    command
        What to run instead of ``python -m nexus serve``.
    wrapper
        A command in front, such as ``unshare``; it has to end in ``exec``, so that the signals
        reach the daemon itself.
    """

    def __init__(
        self,
        data_path: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = COMMAND,
        wrapper: Sequence[str] = (),
        http_port: int = 0,
        metrics_port: int = 0,
    ) -> None:
        self.data_path = data_path
        self.log_path = data_path.with_name(data_path.name + ".log")
        first, second = free_ports(2)
        self.http_port = http_port or first
        self.metrics_port = metrics_port or second
        self._command = [
            *wrapper,
            *command,
            f"--http-port={self.http_port}",
            f"--metrics-port={self.metrics_port}",
            f"--data-path={data_path}",
            *arguments,
        ]
        clean = {key: text for key, text in os.environ.items() if not key.startswith("NEXUS_")}
        self._environment = {**clean, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    # ---- life

    def spawn(self) -> Daemon:
        """Start the process without waiting for anything."""
        assert self._process is None, "already started"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=REPO,
                env=self._environment,
            )
        _live.add(self._process)
        return self

    def start(self, limit_s: float = START_LIMIT_S) -> Daemon:
        """Start the process and wait until it is ready."""
        return self.spawn().wait_ready(limit_s)

    def wait_ready(self, limit_s: float = START_LIMIT_S) -> Daemon:
        """Wait until `/health` and `/ready` answer 200."""
        deadline = time.monotonic() + limit_s
        seen: object = None
        while time.monotonic() < deadline:
            status = self.process.poll()
            if status is not None:
                _live.discard(self.process)
                self._process = None
                raise DaemonDied(status, self.log_tail())
            try:
                with ApiClient(self.http_port, timeout_s=limit_s) as client:
                    answers = [client.get("/health"), client.get("/ready")]
                seen = [(answer.status, answer.body) for answer in answers]
                if all(answer.status == 200 for answer in answers):
                    return self
            except (OSError, http.client.HTTPException) as error:
                seen = error
            time.sleep(POLL_S)
        self.kill()
        raise AssertionError(f"not ready in {limit_s} s; last: {seen!r}\n{self.log_tail()}")

    def wait_exit(self, limit_s: float = STOP_LIMIT_S) -> int:
        """The exit status, once the process ends by itself."""
        process = self.process
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still alive after {limit_s} s\n{self.log_tail()}") from None
        _live.discard(process)
        self._process = None
        return status

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def stop(self, limit_s: float = STOP_LIMIT_S) -> int:
        """TERM, and the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait_exit(limit_s)

    def kill(self) -> None:
        """KILL, as a power cut would; the disk's cache survives it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            _live.discard(self._process)
            self._process = None

    def restart(self, limit_s: float = START_LIMIT_S) -> Daemon:
        """Kill and start again over the same data."""
        self.kill()
        return self.start(limit_s)

    # ---- what is known of it

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def base_url(self) -> str:
        """Address of the REST API."""
        return f"http://127.0.0.1:{self.http_port}"

    def client(self, timeout_s: float = 10.0) -> ApiClient:
        """A client with a connection of its own."""
        return ApiClient(self.http_port, timeout_s=timeout_s)

    def metrics(self) -> str:
        """The metrics page."""
        with ApiClient(self.metrics_port) as client:
            answer = client.get("/metrics")
        assert answer.status == 200, answer
        return answer.body.decode()

    def log(self) -> str:
        """All that the process wrote so far."""
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(errors="replace")

    def log_tail(self) -> str:
        """The end of the log, for messages."""
        return "\n".join(self.log().splitlines()[-LOG_TAIL_LINES:])

    def resident_bytes(self) -> int:
        """Resident memory of the process, from the kernel."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """User and system time that the process has used."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Daemon:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self.log_path.exists():
            error.add_note(f"end of the daemon's log:\n{self.log_tail()}")
        self.kill()
