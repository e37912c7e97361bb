"""The machine's clocks, and which boot they count from."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from nexus.model.time import Instant

BOOT_ID_PATH = Path("/proc/sys/kernel/random/boot_id")
# Where there is no boot-time clock, the monotonic one stands in: there it counts through a
# suspend, or the machine has none.
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class RealClock:
    """A `nexus.driver.ports.Clock` over CLOCK_MONOTONIC, CLOCK_BOOTTIME and CLOCK_REALTIME."""

    def read(self) -> Instant:
        return Instant(time.monotonic_ns(), time.clock_gettime_ns(_BOOT_CLOCK), time.time_ns())


def boot_id(path: Path = BOOT_ID_PATH) -> str:
    """Names this boot; a new name each time where the kernel gives none.

    A new name means that durations are counted as after a reboot, which is the safe side (R11).
    """
    try:
        return path.read_text().strip() or secrets.token_hex(16)
    except OSError:
        return secrets.token_hex(16)
