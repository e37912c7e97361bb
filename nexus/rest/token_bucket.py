"""A token bucket: a steady rate with a burst, told what time it is.

Kept as one number, the instant at which the bucket would be full again (the generic cell rate
algorithm, ITU-T I.371): no refill task, no drift, integers only.
"""

from __future__ import annotations

from nexus.model.time import NS_PER_S


class TokenBucket:
    """Allows ``burst`` at once and ``rate_per_s`` for ever.

    Parameters
    ----------
    rate_per_s : tokens that come back in a second.
    burst : tokens in a full bucket, which it is at first.
    """

    __slots__ = ("_depth_ns", "_full_at_ns", "_token_ns")

    def __init__(self, rate_per_s: int, burst: int) -> None:
        self._token_ns = NS_PER_S // rate_per_s
        self._depth_ns = burst * self._token_ns
        self._full_at_ns: int | None = None

    def take(self, now_ns: int) -> int:
        """Take a token: 0, or the nanoseconds until there is one (and then none was taken)."""
        full_at_ns = now_ns if self._full_at_ns is None else max(self._full_at_ns, now_ns)
        wait_ns = full_at_ns + self._token_ns - now_ns - self._depth_ns
        if wait_ns > 0:
            return wait_ns
        self._full_at_ns = full_at_ns + self._token_ns
        return 0
