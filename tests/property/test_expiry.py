"""ExpiryQueue against a plain table of due times."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nexus.space.expiry import ExpiryQueue

ITEMS = st.integers(0, 12)
DISTANCES = st.one_of(
    st.integers(0, 30), st.integers(0, 2_000), st.integers(0, 100_000), st.integers(0, 10**9)
)


class QueueAgainstATable(RuleBasedStateMachine):
    """The oracle: item -> due time, None when not timed."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 0
        self.due_ns: dict[int, int | None] = {}
        self.queue: ExpiryQueue[int] = ExpiryQueue(self.due_ns.get)

    @initialize(bucket_ns=st.sampled_from([1, 10, 1_000, 1_000_000]))
    def choose_bucket(self, bucket_ns: int) -> None:
        self.queue = ExpiryQueue(self.due_ns.get, bucket_ns)

    @rule(item=ITEMS, distance_ns=DISTANCES)
    def set_due(self, item: int, distance_ns: int) -> None:
        """Begin, renew or shorten; only what is due earlier than before is added."""
        due_ns, before_ns = self.now_ns + distance_ns, self.due_ns.get(item)
        self.due_ns[item] = due_ns
        if before_ns is None or due_ns < before_ns:
            self.queue.add(item, due_ns)

    @rule(item=ITEMS)
    def release(self, item: int) -> None:
        self.due_ns[item] = None

    @rule(distance_ns=DISTANCES, limit=st.sampled_from([1, 2, 100]))
    def pop(self, distance_ns: int, limit: int) -> None:
        self.now_ns += distance_ns
        expected = sorted(
            due_ns
            for due_ns in self.due_ns.values()
            if due_ns is not None and due_ns <= self.now_ns
        )
        popped = self.queue.pop_due(self.now_ns, limit)
        assert len(set(popped)) == len(popped)
        assert [self.due_ns[item] for item in popped] == expected[:limit]
        for item in popped:
            self.due_ns[item] = None

    @precondition(lambda self: any(self.due_ns.values()))
    @rule()
    def pop_at_the_deadline(self) -> None:
        due_ns = self.queue.next_due_ns()
        assert due_ns is not None
        self.now_ns = max(self.now_ns, due_ns)
        self.pop(0, 1)

    @rule(distance_ns=DISTANCES)
    def look_ahead(self, distance_ns: int) -> None:
        until_ns = self.now_ns + distance_ns
        assert set(self.queue.due_within(until_ns)) == {
            item
            for item, due_ns in self.due_ns.items()
            if due_ns is not None and due_ns <= until_ns
        }

    @invariant()
    def knows_the_next_deadline(self) -> None:
        timed = [due_ns for due_ns in self.due_ns.values() if due_ns is not None]
        assert self.queue.next_due_ns() == min(timed, default=None)
        assert len(self.queue) >= len(timed)


class QueueRarelyAsked(QueueAgainstATable):
    """The same without a look at the deadline after each step, so that buckets stay unsorted."""

    @invariant()
    def knows_the_next_deadline(self) -> None:
        assert len(self.queue) >= sum(due_ns is not None for due_ns in self.due_ns.values())


TestQueue = QueueAgainstATable.TestCase
TestQueue.settings = settings(max_examples=100, stateful_step_count=40)
TestQueueRarelyAsked = QueueRarelyAsked.TestCase
TestQueueRarelyAsked.settings = settings(max_examples=100, stateful_step_count=40)
