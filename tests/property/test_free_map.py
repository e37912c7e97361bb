"""FreeMap against a plain set of free units, over all its representations."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nexus.model.ranges import Ranges
from nexus.space.free_map import DENSE_UNITS_MAX, FreeMap

WINDOW = 700
"""Units near the ends of the shard that the rules touch; wide enough for some full pages."""


class FreeMapAgainstASet(RuleBasedStateMachine):
    """The oracle holds the units that differ from the shard's first state."""

    @initialize(
        start=st.integers(0, 1 << 40),
        size=st.sampled_from([1, 2, 255, 256, 257, 640, DENSE_UNITS_MAX + 513, (1 << 32) + 77]),
        full=st.booleans(),
        reserved=st.lists(st.tuples(st.integers(-9, WINDOW), st.integers(1, 300)), max_size=3),
    )
    def begin(self, start: int, size: int, full: bool, reserved: list[tuple[int, int]]) -> None:
        self.start, self.size, self.full = start, size, full
        self.reserved = Ranges.of((start + at, start + at + count) for at, count in reserved)
        self.map = FreeMap(start, start + size, full=full, reserved=self.reserved)
        self.changed: set[int] = set()

    def _is_free(self, index: int) -> bool:
        if not self.start <= index < self.start + self.size or index in self.reserved:
            return False
        return (index in self.changed) if self.full else (index not in self.changed)

    def _unit(self, at: int) -> int:
        """Units near the start for positive ``at``, near the end for negative."""
        return self.start + at % self.size

    @rule(at=st.integers(-WINDOW, WINDOW))
    def take(self, at: int) -> None:
        index = self._unit(at)
        assert self.map.take(index) == self._is_free(index)
        if index not in self.reserved:
            (self.changed.discard if self.full else self.changed.add)(index)

    @rule(at=st.integers(-WINDOW, WINDOW), count=st.integers(1, 600))
    def take_run(self, at: int, count: int) -> None:
        run = [self._unit(at + offset) for offset in range(count)]
        expected = len({index for index in run if self._is_free(index)})
        assert self.map.take_all(run) == expected
        kept = {index for index in run if index not in self.reserved}
        self.changed = self.changed - kept if self.full else self.changed | kept

    @rule(at=st.integers(-WINDOW, WINDOW), count=st.integers(1, 600))
    def give_run(self, at: int, count: int) -> None:
        run = [self._unit(at + offset) for offset in range(count)]
        kept = {index for index in run if index not in self.reserved}
        expected = len({index for index in kept if not self._is_free(index)})
        assert self.map.give_all(run) == expected
        self.changed = self.changed | kept if self.full else self.changed - kept

    @precondition(lambda self: self.map.free_count > 0)
    @rule(at=st.integers(-WINDOW, WINDOW))
    def pick(self, at: int) -> None:
        hint = self._unit(at)
        found = self.map.pick(hint)
        assert self._is_free(found)
        # Nothing free was passed over; walking is bounded by what was ever changed or reserved.
        distance = (found - hint) % self.size
        if not self.full and distance <= 4_000:
            assert not any(
                self._is_free(self._unit(hint - self.start + k)) for k in range(distance)
            )
        if self.full:
            assert distance == min((index - hint) % self.size for index in self._all_free())

    def _all_free(self) -> list[int]:
        return [index for index in sorted(self.changed) if self._is_free(index)]

    @invariant()
    def counts_what_is_free(self) -> None:
        if not hasattr(self, "map"):
            return
        if self.full:
            expected = len(self._all_free())
        else:
            inside = self.reserved.count_within(self.start, self.start + self.size)
            expected = self.size - inside - len(self.changed)
        assert self.map.free_count == expected
        assert (self.map.pick(self.start) == -1) == (expected == 0)


TestFreeMap = FreeMapAgainstASet.TestCase
TestFreeMap.settings = settings(max_examples=60, stateful_step_count=20)
