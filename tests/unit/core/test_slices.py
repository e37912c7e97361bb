"""Long work is done in slices: no event does more than its share, counted in rows."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from nexus import codec
from nexus.core import slices
from nexus.core.config import NodeConfig
from nexus.core.effects import Persist, Reply
from nexus.core.entries import OwnerWritten, RowsWritten
from nexus.core.events import ApiRequested, DeadlineReached, Persisted, Started
from nexus.core.node import NexusNode
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.backups import CreateBackups
from nexus.core.operations.create_pool import CreatePool
from nexus.core.operations.delete_pool import DeletePool
from nexus.core.operations.read_allocations import ListExpiring
from nexus.core.operations.release import Release
from nexus.errors import NexusError
from nexus.model.pool import PoolSpec
from nexus.model.time import NS_PER_MS, NS_PER_S, Instant
from nexus.ownership.pool_state import PoolState
from nexus.ownership.values import Session

ROWS = 1_500
SLICE = 100


class LoneNode:
    """A node alone with its disk; every event's persisted rows are counted."""

    def __init__(self, restored: list[bytes] | None = None, at_ns: int = NS_PER_S) -> None:
        self.mono_ns = at_ns
        config = NodeConfig(
            node_id="n1",
            cluster_id="c1",
            incarnation=1,
            session=Session(1 + len(restored or ()), 1),
            boot_id="boot",
        )
        entries = map(codec.decode_entry, restored or [])
        self.node = NexusNode(config, rng=Random(1), now=self.now(), restored=entries)
        self.disk: list[bytes] = list(restored or ())
        self.commits: list[int] = []
        """How many entries the disk has after each commit."""
        self.answers: dict[int, Any] = {}
        self.rows_at_once = 0
        self._count = 0
        self.tell(Started())

    def now(self) -> Instant:
        return Instant(self.mono_ns, self.mono_ns, self.mono_ns)

    def tell(self, event: Any) -> None:
        for effect in self.node.handle(event, self.now()):
            if isinstance(effect, Persist):
                written = [each for each in effect.entries if isinstance(each, RowsWritten)]
                self.rows_at_once = max(self.rows_at_once, sum(len(e.rows) for e in written))
                self.disk += [codec.encode_entry(entry) for entry in effect.entries]
                self.commits.append(len(self.disk))
                self.tell(Persisted(effect.token))
            elif isinstance(effect, Reply):
                self.answers[effect.reply_to] = effect.result

    def begin(self, request: Any) -> int:
        self._count += 1
        self.tell(ApiRequested(self._count, request, f"cause-{self._count}"))
        return self._count

    def step(self) -> None:
        """To the next deadline."""
        due = self.node.next_deadline_ns()
        assert due is not None
        self.mono_ns = max(self.mono_ns, due)
        self.tell(DeadlineReached())

    def until(self, done: Callable[[], bool], steps_max: int = 400) -> int:
        for steps in range(steps_max):
            if done():
                return steps
            self.step()
        raise AssertionError("not done")

    def ask(self, request: Any) -> Any:
        number = self.begin(request)
        self.until(lambda: number in self.answers)
        return self.answers[number]


def filled(count: int = ROWS) -> LoneNode:
    node = LoneNode()
    node.ask(CreatePool(PoolSpec(id="p", type="ipv4", cidr="10.0.0.0/20", cooldown=600)))
    for number in range(count):
        answer = node.ask(Allocate("p", f"s{number}", ttl_s=3_600))
        assert not isinstance(answer, NexusError), answer
    node.rows_at_once = 0
    return node


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE_ROWS", SLICE)
    monkeypatch.setattr(slices, "SLICE_READS", SLICE)


def test_backup_labels_are_written_in_slices() -> None:
    node = filled()
    number = node.begin(CreateBackups("p", "n2"))
    assert number not in node.answers
    began = node.mono_ns
    node.until(lambda: number in node.answers)
    assert node.answers[number].allocations_count == ROWS
    assert SLICE <= node.rows_at_once <= 4 * SLICE
    assert node.mono_ns - began < 100 * NS_PER_MS


def test_a_read_goes_on_between_slices() -> None:
    node = filled()
    number = node.begin(CreateBackups("p", "n2"))
    assert number not in node.answers
    other = node.begin(ListExpiring(within_s=7_200, limit=3))
    node.until(lambda: other in node.answers)
    assert node.answers[other].total == ROWS


def test_expiring_is_found_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    from nexus.core.operations import read_allocations

    node = filled()
    views = 0
    view: Any = vars(read_allocations)["allocation_view"]

    def counted(*arguments: Any, **more: Any) -> Any:
        nonlocal views
        views += 1
        return view(*arguments, **more)

    monkeypatch.setattr(read_allocations, "allocation_view", counted)
    number = node.begin(ListExpiring(within_s=7_200, limit=1_000))
    while number not in node.answers:
        before = views
        node.step()
        assert views - before <= SLICE
    page = node.answers[number]
    assert (len(page.items), page.total, page.next_cursor) == (1_000, ROWS, "1000")
    assert [each.ends_us for each in page.items] == sorted(each.ends_us for each in page.items)
    rest = node.ask(ListExpiring(within_s=7_200, limit=1_000, cursor=page.next_cursor))
    assert len(rest.items) == ROWS - 1_000 and rest.next_cursor is None
    assert len({each.resource for each in (*page.items, *rest.items)}) == ROWS


def close_counter(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    counted = [0]
    close, merge = PoolState.close, PoolState.merge

    def one(real: Callable[..., None]) -> Callable[..., None]:
        def change(self: PoolState, *arguments: Any) -> None:
            counted[0] += 1
            real(self, *arguments)

        return change

    monkeypatch.setattr(PoolState, "close", one(close))
    monkeypatch.setattr(PoolState, "merge", one(merge))
    return counted


def test_a_deleted_pool_is_closed_in_slices_and_inherited_in_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = filled()
    counted = close_counter(monkeypatch)
    node.begin(DeletePool("p", force=True))
    spec = PoolSpec(id="q", type="ipv4", cidr="10.0.0.0/20", cooldown=600)
    made = node.begin(CreatePool(spec))
    at_once = counted[0]
    node.rows_at_once = 0

    def step() -> None:
        nonlocal at_once
        before = counted[0]
        node.step()
        at_once = max(at_once, counted[0] - before)

    while made not in node.answers or node.node.slices.count:
        step()
    assert counted[0] == 2 * ROWS
    assert at_once <= 3 * SLICE and node.rows_at_once <= 3 * SLICE
    old, new = node.node.book.by_no.values()
    assert sum(shard.held for shard in old.shards) == 0
    assert sum(shard.cooling for shard in new.shards) == ROWS
    node.node.check_invariants()
    blocked = {row.index: row.blocked for row in old.rows_after(-1)}
    assert {row.index: row.blocked for row in new.rows_after(-1)} == blocked
    # Nobody gets one of them, and there are others.
    answer = node.ask(Allocate("q", "new", ttl_s=60))
    assert new.geometry.parse(answer.resource) not in blocked
    refused = node.ask(
        Allocate("q", "other", resource=new.geometry.format(next(iter(blocked))), ttl_s=60)
    )
    assert isinstance(refused, NexusError) and refused.code == "resource_cooling"


@pytest.mark.parametrize("steps", [0, 3, 10, 25])
def test_a_crash_on_the_way_frees_nothing(steps: int) -> None:
    node = filled()
    held = {row.index: row.blocked for row in node.node.book.by_id["p"].rows_after(-1)}
    node.begin(DeletePool("p", force=True))
    deleted_ns = node.mono_ns
    spec = PoolSpec(id="q", type="ipv4", cidr="10.0.0.0/20", cooldown=600)
    node.begin(CreatePool(spec))
    for _ in range(steps):
        node.step()
    again = LoneNode(node.disk, node.mono_ns + 5 * NS_PER_S)
    again.until(lambda: not again.node.slices.count)
    if "q" not in again.node.book.by_id:
        again.ask(CreatePool(spec))
        again.until(lambda: not again.node.slices.count)
    new = again.node.book.by_id["q"]
    blocked = {row.index: row.blocked for row in new.rows_after(-1)}
    assert blocked.keys() == held.keys()
    assert all(blocked[unit] >= until + 600 * NS_PER_S for unit, until in held.items())
    # As of the deletion, not of the restart.
    assert max(blocked.values()) < deleted_ns + (3_600 + 600 + 60) * NS_PER_S
    again.node.check_invariants()


def restarted(node: LoneNode, after_ns: int) -> LoneNode:
    """The same node after a snapshot and a restart."""
    disk = [codec.encode_entry(entry) for entry in node.node.snapshot_entries()]
    return LoneNode(disk, node.mono_ns + after_ns)


def test_a_restart_from_a_snapshot_closes_as_of_the_deletion() -> None:
    node = filled()
    node.begin(DeletePool("p", force=True))
    deleted_ns = node.mono_ns
    again = restarted(node, 1_000 * NS_PER_S)
    again.until(lambda: not again.node.slices.count)
    (old,) = again.node.book.by_no.values()
    rows = list(old.rows_after(-1))
    assert len(rows) == ROWS
    assert max(row.blocked for row in rows) < deleted_ns + (3_600 + 600 + 60) * NS_PER_S


def test_a_generation_outlives_its_pool_and_a_snapshot() -> None:
    node = filled(1)
    node.ask(DeletePool("p", force=True))
    while node.node.book.by_no:
        node.step()
    again = restarted(node, NS_PER_S)
    view = again.ask(CreatePool(PoolSpec(id="p", type="ipv4", cidr="10.0.0.0/20")))
    assert view.generation == 2


def test_a_closed_row_cools_no_longer_for_a_restart() -> None:
    node = filled(1)
    node.ask(Release("s0", "p"))
    (row,) = node.node.book.by_id["p"].rows_after(-1)
    free_at = row.blocked
    again = LoneNode(node.disk, free_at + NS_PER_S)
    while list(again.node.book.by_id["p"].rows_after(-1)):
        again.step()
    assert again.mono_ns < free_at + 10 * NS_PER_S


def test_a_crash_between_a_seal_and_its_release_costs_nobody_a_wait() -> None:
    """The seal of a deleted pool's shard is on disk, its release is not: it is sent again."""
    node = filled(1)
    node.ask(DeletePool("p", force=True))
    entries = [codec.decode_entry(each) for each in node.disk]
    sealed = [
        at
        for at, entry in enumerate(entries)
        if isinstance(entry, OwnerWritten) and entry.seal is not None
    ]
    cut = next(end for end in node.commits if end > sealed[-1])
    again = LoneNode(node.disk[:cut], node.mono_ns + NS_PER_S)
    made = again.ask(CreatePool(PoolSpec(id="q", type="ipv4", cidr="10.0.0.0/20", cooldown=600)))
    assert not isinstance(made, NexusError), made
    began = again.mono_ns
    answer = again.ask(Allocate("q", "new", ttl_s=60))
    assert not isinstance(answer, NexusError), answer
    assert again.mono_ns - began < 3 * NS_PER_S
