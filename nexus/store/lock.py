"""One process per data path: a lock file that the kernel lets go of when its holder dies.

`flock` needs no clean-up after kill -9 and has no stale state.  The pid inside is for people only.
Source: flock(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from nexus.driver.ports import StoreError, StoreLockedError

LOCK_NAME = "lock"


class PathLock:
    """The lock on one data path, made together with the folder if it is not there yet.

    Raises
    ------
    StoreLockedError : another process holds it.
    StoreError : the path cannot be used (not a folder, no permission, read-only, full).
    """

    def __init__(self, data_path: Path) -> None:
        self._descriptor: int | None = None
        try:
            data_path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(
                data_path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
        except OSError as problem:
            raise StoreError(f"data path {data_path} is unusable: {problem.strerror}") from problem
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as problem:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            if problem.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise StoreLockedError(
                    f"data path {data_path} is in use by another process"
                    + (f" (pid {holder})" if holder else "")
                ) from problem
            raise StoreError(f"data path {data_path} is unusable: {problem.strerror}") from problem
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another process have it; harmless when repeated."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
