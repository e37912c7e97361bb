"""Shows how far the replay is when it takes long: a bar for people, lines for logs."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

SHOW_AFTER_S = 1.0
LINE_INTERVAL_S = 5.0

_log = logging.getLogger(__name__)


class ReplayProgress:
    """Called as `nexus.driver.ports.Progress`; silent while the replay is short."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        if console is None:
            self._people = sys.stderr is not None and sys.stderr.isatty()
        else:
            self._people = console.is_terminal
        self._began = time.monotonic()
        self._next_line = self._began + SHOW_AFTER_S
        self._bar: Progress | None = None
        self._task: TaskID

    def __call__(self, done_bytes: int, total_bytes: int) -> None:
        now = time.monotonic()
        if now < self._next_line:
            return
        if self._people:
            self._next_line = now
            self._draw(done_bytes, total_bytes)
        else:
            self._next_line = now + LINE_INTERVAL_S
            share = done_bytes / total_bytes if total_bytes else 1.0
            _log.info("replaying the log", extra={"fields": {"done": f"{share:.0%}"}})

    def _draw(self, done_bytes: int, total_bytes: int) -> None:
        if self._bar is None:
            # Imported here: most starts are too short to show anything.
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._bar = Progress(
                TextColumn("replaying the log"),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                console=self._console or Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("replay", total=total_bytes)
        self._bar.update(self._task, completed=done_bytes)

    def __enter__(self) -> ReplayProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
