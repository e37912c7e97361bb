"""Wait for a state with a limit, never for seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.02


def wait_for(what: str, probe: Callable[[], T], *, limit_s: float = 10.0) -> T:
    """The first true value of ``probe()``, asked every `POLL_S`.

    Raises
    ------
    AssertionError
        If the limit passes; it names ``what`` and shows the last value or exception.
    """
    deadline = time.monotonic() + limit_s
    last: object = None
    while True:
        try:
            last = value = probe()
            if value:
                return value
        except (AssertionError, OSError) as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what}: not within {limit_s} s; last seen: {last!r}")
        time.sleep(POLL_S)
