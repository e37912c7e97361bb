"""Named timers of a node on the monotonic clock: a handful, one instant each.

The driver keeps one alarm for `next_ns`.  A timer that rings is gone; who needs it again sets it
again.  Leases and cooling are not here: they have queues of their own (`nexus.space.expiry`).
"""

from __future__ import annotations

NEVER = 1 << 62


class Timers:
    """name -> monotonic instant in ns; `next_ns` is kept up to date."""

    __slots__ = ("_due", "next_ns")

    def __init__(self) -> None:
        self._due: dict[str, int] = {}
        self.next_ns = NEVER

    def set(self, name: str, at_ns: int) -> None:
        """Ring at this instant (replacing an earlier setting of the same name)."""
        self._due[name] = at_ns
        self.next_ns = min(self._due.values())

    def set_earlier(self, name: str, at_ns: int) -> None:
        """Ring at this instant or at the one already set, whichever is first."""
        if at_ns < self._due.get(name, NEVER):
            self._due[name] = at_ns
            self.next_ns = min(self.next_ns, at_ns)

    def cancel(self, name: str) -> None:
        """Do not ring."""
        if self._due.pop(name, None) is not None:
            self.next_ns = min(self._due.values(), default=NEVER)

    def is_set(self, name: str) -> bool:
        """The timer is running."""
        return name in self._due

    def pop_due(self, now_ns: int) -> list[str]:
        """Names of timers that ring now, earliest first, ties by name."""
        if now_ns < self.next_ns:
            return []
        due = sorted((at, name) for name, at in self._due.items() if at <= now_ns)
        for _, name in due:
            del self._due[name]
        self.next_ns = min(self._due.values(), default=NEVER)
        return [name for _, name in due]
