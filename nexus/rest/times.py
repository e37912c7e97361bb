"""Times of the API: RFC 3339, UTC with ``Z``, six digits of the second.

Requests of one moment share their seconds, so the text of a second is kept for a while; the
microseconds are cheap.
"""

from __future__ import annotations

import time

from nexus.model.time import US_PER_S

_SECONDS_KEPT_MAX = 1024
_texts: dict[int, str] = {}


def rfc3339(stamp_us: int) -> str:
    """Text of an instant in microseconds since the Unix epoch."""
    second, micro = divmod(stamp_us, US_PER_S)
    return f"{_texts.get(second) or _second_text(second)}.{micro:06d}Z"


def rfc3339_ms(stamp_us: int) -> str:
    """The same cut to milliseconds, as watch frames have it."""
    second, micro = divmod(stamp_us, US_PER_S)
    return f"{_texts.get(second) or _second_text(second)}.{micro // 1_000:03d}Z"


def _second_text(second: int) -> str:
    if len(_texts) >= _SECONDS_KEPT_MAX:
        _texts.clear()
    text = _texts[second] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return text


def rfc3339_or_none(stamp_us: int | None) -> str | None:
    """Text of an instant, None where there is none: the key is then absent from the reply."""
    return None if stamp_us is None else rfc3339(stamp_us)


def wall_us() -> int:
    """The wall clock now, for stamps that people read."""
    return time.time_ns() // 1_000
