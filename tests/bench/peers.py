"""The other servers of a run, each started here on loopback over a folder of its own.

None is tuned; etcd and Redis are taken where Debian's packages are installed and left out where
not.  Redis runs with its log fsynced at every write, as etcd does by itself.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.support.daemon import REPO, free_ports

START_LIMIT_S = 15.0


class Peer:
    """One server process; ready when its port answers."""

    def __init__(self, command: Sequence[str], port: int, folder: Path) -> None:
        self.port = port
        self._command = list(command)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Peer:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=subprocess.STDOUT, cwd=REPO
            )
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.__exit__(None, None, None)
                    raise
                time.sleep(0.05)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def bare_aiohttp(folder: Path) -> Peer:
    """The bare handler."""
    (port,) = free_ports(1)
    return Peer([sys.executable, "-m", "tests.bench.bare_server", str(port)], port, folder)


def etcd(folder: Path) -> Peer | None:
    """One etcd node, None where it is not installed."""
    if shutil.which("etcd") is None or shutil.which("h2load") is None:
        return None
    client, peer = free_ports(2)
    command = [
        "etcd",
        f"--data-dir={folder / 'data'}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
        "--log-level=error",
    ]
    return Peer(command, client, folder)


def redis(folder: Path) -> Peer | None:
    """One Redis whose append-only file is fsynced always, None where it is not installed."""
    if shutil.which("redis-server") is None or shutil.which("redis-benchmark") is None:
        return None
    (port,) = free_ports(1)
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        "redis-server",
        f"--port {port}",
        "--bind 127.0.0.1",
        f"--dir {folder}",
        "--appendonly yes",
        "--appendfsync always",
        "--save ''",
    ]
    return Peer([word for option in command for word in option.split(" ", 1)], port, folder)
