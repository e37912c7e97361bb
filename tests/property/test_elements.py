"""Laws of allocation elements: join, floors (R18), histories that real owners write (I6, I7)."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nexus.crdt.elements import (
    ENDED,
    HELD,
    VACANT,
    Element,
    ElementView,
    above_floor,
    join_elements,
)

SHARD_SIZE = 3
UNITS = 6

epochs = st.integers(1, 3)
# Anything a peer may send, broken ones too: the laws hold for every element, not for honest ones.
elements = st.builds(
    Element,
    pool_no=st.just(0),
    index=st.integers(0, UNITS - 1),
    subscriber=st.sampled_from(("", "a", "b")),
    epoch=epochs,
    seq=st.integers(0, 2),
    length=st.sampled_from((VACANT, HELD, ENDED)),
    ends=st.integers(0, 2),
    blocked_until=st.integers(0, 3),
)
same_unit = elements.map(lambda element: msgspec.structs.replace(element, index=0))
floors = st.dictionaries(st.sampled_from(((0, 0), (0, 1))), st.integers(0, 3))
deltas = st.tuples(st.lists(elements, max_size=5), floors)
Delta = tuple[list[Element], dict[tuple[int, int], int]]


def _view(*merged: Delta) -> ElementView:
    view = ElementView(lambda pool_no, index: index // SHARD_SIZE)
    for facts, raised in merged:
        view.merge(facts, raised)
    return view


def _export(view: ElementView) -> Delta:
    facts, raised = view.state()
    return list(facts), dict(raised)


def _same(left: ElementView, right: ElementView) -> None:
    assert msgspec.msgpack.encode(left.state()) == msgspec.msgpack.encode(right.state())
    for shard in (0, 1):
        assert left.fingerprint(0, shard) == right.fingerprint(0, shard)


@given(same_unit, same_unit, same_unit)
def test_join_of_elements_is_a_semilattice(one: Element, two: Element, three: Element) -> None:
    assert join_elements(one, one) == one
    assert join_elements(one, two) == join_elements(two, one)
    assert join_elements(join_elements(one, two), three) == join_elements(
        one, join_elements(two, three)
    )


@given(same_unit, same_unit, st.integers(0, 3), st.integers(0, 3))
def test_a_floor_may_be_applied_before_or_after_a_join(
    one: Element, two: Element, low: int, high: int
) -> None:
    before = join_elements(above_floor(one, low), above_floor(two, low))
    assert above_floor(before, low) == above_floor(join_elements(one, two), low)
    assert above_floor(above_floor(one, low), high) == above_floor(one, max(low, high))


@given(deltas, deltas, deltas)
def test_join_of_views_is_associative_commutative_and_idempotent(
    one: Delta, two: Delta, three: Delta
) -> None:
    _same(_view(_export(_view(one, two)), three), _view(one, _export(_view(two, three))))
    _same(_view(one, two), _view(two, one))
    _same(_view(one, one, _export(_view(one))), _view(one))


@given(st.lists(deltas, max_size=5), st.data())
def test_deltas_in_any_order_doubled_or_split_give_equal_bytes(
    history: list[Delta], data: st.DataObject
) -> None:
    pieces: list[Delta] = [([fact], {}) for facts, _ in history for fact in facts]
    pieces += [([], {shard: floor}) for _, raised in history for shard, floor in raised.items()]
    doubled = pieces + data.draw(st.lists(st.sampled_from(pieces)) if pieces else st.just([]))
    _same(_view(*data.draw(st.permutations(doubled))), _view(*history))


@given(st.lists(deltas, max_size=6))
def test_nothing_at_or_below_a_floor_ever_stands(history: list[Delta]) -> None:
    view, highest, blocked = _view(), [0, 0], [0] * UNITS
    for facts, raised in history:
        view.merge(facts, raised)
        for (_, shard), floor in raised.items():
            highest[shard] = max(highest[shard], floor)
        for fact in facts:
            blocked[fact.index] = max(blocked[fact.index], fact.blocked_until)
        for index in range(UNITS):
            standing = view.get(0, index)
            if standing is not None and standing.length != VACANT:
                assert standing.epoch > highest[index // SHARD_SIZE]
            # Forgotten or not, a unit stays blocked for as long as anybody was ever told.
            assert (0 if standing is None else standing.blocked_until) == blocked[index]


@given(st.lists(deltas, max_size=6))
def test_a_closed_element_never_opens_again(history: list[Delta]) -> None:
    view = _view()
    closed: set[tuple[int, int, int]] = set()
    for facts, raised in history:
        view.merge(facts, raised)
        for fact in facts:
            if fact.length == ENDED:
                closed.add((fact.index, fact.epoch, fact.seq))
        for index in range(UNITS):
            standing = view.get(0, index)
            if standing is not None and standing.held:
                assert (index, standing.epoch, standing.seq) not in closed


@given(deltas, deltas)
def test_merge_reports_what_stands_differently(before: Delta, delta: Delta) -> None:
    view = _view(before)
    old = {index: view.get(0, index) for index in range(UNITS)}
    changed = {element.index: element for element in view.merge(*delta)}
    for index in range(UNITS):
        standing = view.get(0, index)
        assert (standing != old[index]) == (index in changed)
        if index in changed and standing is not None:
            assert standing == changed[index]
    assert view.merge(*delta) == ()


# --- histories as owners write them ---------------------------------------------------------------


@dataclass
class Owners:
    """One shard of three units through successive epochs; writes what owners would write."""

    epoch: int = 1
    seq: int = 0
    clock: int = 0
    open: dict[int, Element] = field(default_factory=dict)
    written: list[Delta] = field(default_factory=list)
    floor: int = 0

    def _write(self, index: int, who: str, length: int, seq: int, ends: int) -> Element:
        old = self.open.get(index)
        until = max(ends, 0 if old is None else old.blocked_until)
        element = Element(0, index, who, self.epoch, seq, length, ends, until)
        self.written.append(([element], {}))
        return element

    def give_or_renew(self, index: int, who: str, ttl: int) -> None:
        self.clock += 1
        self.seq += 1
        holder = self.open[index].subscriber if index in self.open else who
        self.open[index] = self._write(index, holder, HELD, self.seq, self.clock + ttl)

    def end(self, index: int) -> None:
        if index in self.open:
            record = self.open.pop(index)
            self.written.append(
                ([msgspec.structs.replace(record, length=ENDED, ends=self.clock)], {})
            )

    def take_over(self) -> None:
        """R8 (c): the successor writes the open records again, then the floor passes (R18)."""
        self.floor = self.epoch
        self.epoch += 1
        self.seq = 0
        for index in sorted(self.open):
            record = self.open[index]
            self.seq += 1
            self.open[index] = self._write(index, record.subscriber, HELD, self.seq, record.ends)
        self.written.append(([], {(0, 0): self.floor}))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("give"), st.integers(0, 2), st.sampled_from(("a", "b", "c"))),
        st.tuples(st.just("end"), st.integers(0, 2), st.just("")),
        st.tuples(st.just("take over"), st.just(0), st.just("")),
    ),
    max_size=25,
)


def _history(script: list[tuple[str, int, str]]) -> Owners:
    owners = Owners()
    for verb, index, who in script:
        if verb == "give":
            owners.give_or_renew(index, who, ttl=10)
        elif verb == "end":
            owners.end(index)
        else:
            owners.take_over()
    return owners


@given(steps, st.data())
def test_replicas_see_the_owners_truth_whatever_the_network_did(
    script: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    owners = _history(script)
    late = data.draw(st.lists(st.sampled_from(owners.written)) if owners.written else st.just([]))
    view = _view(*data.draw(st.permutations(owners.written + late)))
    for index in range(SHARD_SIZE):
        expected = owners.open.get(index)
        assert view.holder(0, index) == (None if expected is None else expected.subscriber)
        standing = view.get(0, index)
        if standing is not None and expected is not None:
            assert standing.ends == expected.ends
    # Tombstones are bounded by one epoch: of dead epochs only vacant units are left.
    assert all(
        element.epoch > owners.floor for element in view.state()[0] if element.length != VACANT
    )


@given(steps, st.data())
def test_anti_entropy_sends_only_what_is_missing(
    script: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    written = _history(script).written
    cut = data.draw(st.lists(st.booleans(), min_size=len(written), max_size=len(written)))
    here = _view(*(delta for delta, arrived in zip(written, cut, strict=True) if arrived))
    there = _view(*(delta for delta, arrived in zip(written, cut, strict=True) if not arrived))
    everything = _view(*written)
    for view, other in ((here, there), (there, here)):
        view.merge(floors={(0, 0): other.floor(0, 0)})
    to_there = here.missing(0, 0, there.heads(0, 0))
    to_here = there.missing(0, 0, here.heads(0, 0))
    for view, sent in ((there, to_there), (here, to_here)):
        assert len(view.merge(sent)) == len(sent)  # each one changed something
        _same(view, everything)
    assert here.missing(0, 0, there.heads(0, 0)) == ()
