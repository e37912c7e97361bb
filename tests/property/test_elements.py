"""One join wherever rows meet: replicas, a successor's read, a restart (R17, R18, I6, I7)."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.config import NodeConfig
from nexus.core.context import Context
from nexus.core.restore import drop_below
from nexus.core.row_load import load_rows
from nexus.core.voting import merge_rows, raise_floor
from nexus.model.time import NS_PER_S, Instant
from nexus.ownership import records
from nexus.ownership.clocks import NodeClocks
from nexus.ownership.pool_state import PoolState
from nexus.ownership.records import WireRow
from nexus.ownership.shard import CLOSED, HELD, Row
from nexus.ownership.values import Session
from nexus.resources import geometry, pool_spec_from

UNITS = 6
SHARDS = 2
NOW = Instant(NS_PER_S, NS_PER_S, NS_PER_S)
Place = tuple[int, int, int, int]
"""(unit, epoch, seq, length): what an element says follows from it, as one owner writes it once."""

places: st.SearchStrategy[Place] = st.tuples(
    st.integers(0, UNITS - 1), st.integers(1, 3), st.integers(1, 4), st.sampled_from((HELD, CLOSED))
)
floors = st.tuples(st.integers(0, SHARDS - 1), st.integers(0, 4))
histories = st.lists(places, max_size=16)


def element(place: Place) -> WireRow:
    index, epoch, seq, length = place
    return WireRow(
        index,
        f"s{(epoch * 5 + seq) % 3}",
        epoch,
        seq,
        length,
        0,
        60,
        (epoch * 3 + seq) * NS_PER_S if length == HELD else -1,
        (epoch * 7 + seq * 2 + length) * NS_PER_S,
        epoch * 100 + seq,
        0,
        None,
        None,
        0,
    )


class Replica:
    """A pool of two shards at a node, filled by the code that the product fills it with."""

    def __init__(self) -> None:
        config = NodeConfig(
            node_id="n", cluster_id="c", incarnation=1, session=Session(1, 1), boot_id="b"
        )
        self.ctx = Context(config, NodeClocks(NOW, slow=NS_PER_S, told=NS_PER_S), Random(1))
        spec, _ = pool_spec_from(
            {"id": "p", "type": "vlan", "range": f"1-{UNITS}", "sharding_factor": SHARDS}
        )
        self.pool = PoolState(256, 1, spec, geometry(spec), 0)

    def merge(self, elements: list[WireRow]) -> None:
        for wire in elements:
            merge_rows(self.ctx, self.pool, self.pool.shard_at(wire.index), (wire,))

    def floor(self, shard: int, floor: int) -> None:
        raise_floor(self.ctx, self.pool, self.pool.shards[shard], floor)

    def rows(self) -> list[Row]:
        return list(self.pool.rows_after(-1))

    def state(self) -> bytes:
        """Everything that an answer or a decision could rest on."""
        shards = [(shard.floor, shard.fingerprint, shard.held) for shard in self.pool.shards]
        return msgspec.msgpack.encode((shards, self.rows()))


def dated(place: Place) -> Row:
    return records.from_wire(element(place), NS_PER_S, NS_PER_S, 1000)


def expected(history: list[Place], floor: dict[int, int]) -> list[Place]:
    """The definition: of every unit the highest place above its shard's floor."""
    highest: dict[int, Place] = {}
    for place in history:
        if place[1] >= floor.get(place[0] * SHARDS // UNITS, 0):
            highest[place[0]] = max(place, highest.get(place[0], place))
    return [highest[index] for index in sorted(highest)]


def places_of(rows: list[Row]) -> list[Place]:
    return [(row.index, row.epoch, row.seq, row.length) for row in rows]


@given(histories, st.lists(floors, max_size=3), st.data())
def test_elements_and_floors_in_any_order_doubled_give_equal_bytes(
    history: list[Place], raised: list[tuple[int, int]], data: st.DataObject
) -> None:
    pieces: list[Place | tuple[int, int]] = [*history, *raised]
    doubled = pieces + data.draw(st.lists(st.sampled_from(pieces)) if pieces else st.just([]))
    one, other = Replica(), Replica()
    for replica, order in ((one, pieces), (other, data.draw(st.permutations(doubled)))):
        for piece in order:
            if len(piece) == 4:
                replica.merge([element(piece)])
            else:
                replica.floor(*piece)
    assert one.state() == other.state()
    floor: dict[int, int] = {}
    for shard, epoch in raised:
        floor[shard] = max(floor.get(shard, 0), epoch)
    assert places_of(one.rows()) == expected(history, floor)


@given(histories, histories, histories)
def test_join_is_associative_commutative_and_idempotent(
    one: list[Place], two: list[Place], three: list[Place]
) -> None:
    def joined(*parts: list[Place]) -> Replica:
        replica = Replica()
        for part in parts:
            replica.merge([element(place) for place in part])
        return replica

    left = joined(places_of(joined(one, two).rows()), three)
    right = joined(one, places_of(joined(two, three).rows()))
    assert left.state() == right.state()
    assert joined(one, two).state() == joined(two, one).state()
    assert joined(one, one).state() == joined(one).state()


@given(histories, st.data())
def test_a_restart_and_a_successor_join_as_replicas_do(
    history: list[Place], data: st.DataObject
) -> None:
    replica = Replica()
    replica.merge([element(place) for place in history])
    restarted = Replica()
    restarted.pool.begin(restarted.ctx.clocks)
    written = data.draw(st.permutations(history))
    cut = data.draw(st.integers(0, len(written)))
    for part in (written[:cut], written[cut:], written[:cut]):
        load_rows(restarted.pool, [dated(place) for place in part])
    assert restarted.state() == replica.state()
    reads = [[dated(place) for place in part] for part in (written[:cut], written[cut:], history)]
    union = records.r8c_union(reads, 0)
    rows = [msgspec.structs.replace(row, flags=0) for row in replica.rows()]  # but for R20's mark
    assert msgspec.msgpack.encode(list(union.values())) == msgspec.msgpack.encode(rows)


@given(histories, st.integers(2, 4))
def test_a_restart_drops_what_replicas_dropped_below_a_floor(
    history: list[Place], floor: int
) -> None:
    replica, restarted = Replica(), Replica()
    restarted.pool.begin(restarted.ctx.clocks)
    load_rows(restarted.pool, [dated(place) for place in history])
    for shard in range(SHARDS):
        replica.floor(shard, floor)
        drop_below(restarted.pool, restarted.pool.shards[shard], floor)
    replica.merge([element(place) for place in history])
    assert places_of(restarted.rows()) == places_of(replica.rows())
    assert all(row.epoch >= floor for row in restarted.rows())


@given(histories)
def test_a_closed_element_never_opens_again(history: list[Place]) -> None:
    replica = Replica()
    closed: set[Place] = set()
    for place in history:
        replica.merge([element(place)])
        if place[3] == CLOSED:
            closed.add((*place[:3], HELD))
        assert not closed & set(places_of(replica.rows()))
