"""Processes that run worlds for another one, and end with it however it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.pool import Pool

LOOK_EVERY_S = 2.0


def pool(jobs: int, tasks_per_process: int) -> Pool:
    """So many fresh processes, replaced after so many tasks each.

    Fresh ones, not forks: a world must not depend on what this process did before.
    """
    context = multiprocessing.get_context("spawn")
    return context.Pool(max(1, jobs), _begin, (os.getpid(),), maxtasksperchild=tasks_per_process)


def _begin(parent: int) -> None:
    """Ctrl-c is the parent's to hear; a parent that was killed cannot end anybody."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_S)
    os._exit(1)
