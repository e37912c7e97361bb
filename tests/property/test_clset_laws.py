"""Laws of the causal-length set, and of a pair of replicas that run anti-entropy (I6, I7)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nexus.crdt.clset import CLSet, Entry, join, newer
from nexus.crdt.digest import Differing, Probe, opening, respond

KEYS = ("pools/a", "pools/b", "nodes/a", "devices/x", "devices/y")

lengths = st.integers(1, 4)
stamps = st.integers(0, 3)
values = st.one_of(st.none(), st.integers(0, 2), st.sampled_from(("", "x")))
entries = st.builds(Entry, lengths, stamps, values)
deltas = st.dictionaries(st.sampled_from(KEYS), entries)


def _replica(*merged: dict[str, Entry[object]]) -> CLSet[object]:
    replica: CLSet[object] = CLSet(depth=1)
    for delta in merged:
        replica.merge(delta)
    return replica


def _same(left: CLSet[object], right: CLSet[object]) -> None:
    assert left.state_bytes() == right.state_bytes()
    assert left.fingerprint == right.fingerprint
    assert list(left.items()) == list(right.items())
    assert len(left) == len(right) == len(list(left.keys()))


@given(entries, entries, entries)
def test_join_of_entries_is_a_semilattice(
    one: Entry[object], two: Entry[object], three: Entry[object]
) -> None:
    assert join(one, one) == one
    assert join(one, two) == join(two, one)
    assert join(join(one, two), three) == join(one, join(two, three))
    assert newer(one, two) + newer(two, one) + (one == two) == 1


@given(deltas, deltas, deltas)
def test_join_of_replicas_is_associative_commutative_and_idempotent(
    one: dict[str, Entry[object]], two: dict[str, Entry[object]], three: dict[str, Entry[object]]
) -> None:
    left = _replica(_replica(one, two).state(), three)
    right = _replica(one, _replica(two, three).state())
    _same(left, right)
    _same(_replica(one, two), _replica(two, one))
    _same(_replica(one, one, one), _replica(one))


@given(st.lists(deltas, max_size=6), st.data())
def test_deltas_in_any_order_doubled_or_split_give_equal_bytes(
    history: list[dict[str, Entry[object]]], data: st.DataObject
) -> None:
    straight = _replica(*history)
    pieces = [{key: entry} for delta in history for key, entry in delta.items()]
    doubled = pieces + data.draw(st.lists(st.sampled_from(pieces)) if pieces else st.just([]))
    _same(_replica(*data.draw(st.permutations(doubled))), straight)


@given(deltas, deltas)
def test_merge_reports_what_changed_and_nothing_else(
    before: dict[str, Entry[object]], delta: dict[str, Entry[object]]
) -> None:
    replica = _replica(before)
    changed = replica.merge(delta)
    after = replica.state()
    assert changed == {key: after[key] for key in delta if before.get(key) != after[key]}
    assert replica.merge(delta) == {}
    assert {key: after[key] for key in before if key not in changed} == {
        key: before[key] for key in before if key not in changed
    }


def synchronise(here: CLSet[object], there: CLSet[object]) -> tuple[dict[str, Entry[object]], ...]:
    """Run the whole exchange between two replicas; returns the entries sent (to there, to here)."""
    sides, turn = (there, here), 0
    step: Probe | Differing = opening(here.tree)
    while isinstance(step, Probe):
        answerer = sides[turn & 1]
        step = respond(answerer.tree, step)
        turn += 1
    asker, answerer = sides[turn & 1], sides[(turn - 1) & 1]
    answer = asker.compare(step.leaves, answerer.heads(step.leaves))
    back = answerer.select(answer.wanted)
    answerer.merge(answer.delta)
    asker.merge(back)
    return (answer.delta, back) if answerer is there else (back, answer.delta)


@given(deltas, deltas)
def test_anti_entropy_makes_replicas_equal_and_sends_only_what_is_missing(
    mine: dict[str, Entry[object]], theirs: dict[str, Entry[object]]
) -> None:
    here, there = _replica(mine), _replica(theirs)
    sent_there, sent_here = synchronise(here, there)
    _same(here, there)
    _same(here, _replica(mine, theirs))
    for sent, receiver, sender in ((sent_there, theirs, mine), (sent_here, mine, theirs)):
        for key, entry in sent.items():
            held = receiver.get(key)
            undecided = held is not None and (held.length, held.stamp) == (
                entry.length,
                entry.stamp,
            )
            assert entry == sender[key]
            assert held != entry
            assert undecided or held is None or newer(entry, held)
    assert synchronise(here, there) == ({}, {})


class Replicas(RuleBasedStateMachine):
    """Three replicas, changes anywhere, deltas lost, late, doubled; then a calm finish."""

    def __init__(self) -> None:
        super().__init__()
        self.replicas = [CLSet[object](depth=1) for _ in range(3)]
        self.deltas: list[dict[str, Entry[object]]] = []
        self.lengths: list[dict[str, int]] = [{} for _ in range(3)]

    who = st.integers(0, 2)
    key = st.sampled_from(KEYS)

    @rule(who=who, key=key, value=values, stamp=st.integers(0, 20))
    def put(self, who: int, key: str, value: object, stamp: int) -> None:
        was_present = key in self.replicas[who]
        entry = self.replicas[who].put(key, value, stamp)
        assert entry is not None or was_present
        if entry is not None:
            self.deltas.append({key: entry})
            assert self.replicas[who].get(key) == value

    @rule(who=who, key=key, stamp=st.integers(0, 20))
    def remove(self, who: int, key: str, stamp: int) -> None:
        was_present = key in self.replicas[who]
        entry = self.replicas[who].remove(key, stamp)
        assert (entry is not None) == was_present
        assert key not in self.replicas[who]
        if entry is not None:
            self.deltas.append({key: entry})

    @precondition(lambda self: self.deltas)
    @rule(who=who, data=st.data())
    def deliver(self, who: int, data: st.DataObject) -> None:
        self.replicas[who].merge(data.draw(st.sampled_from(self.deltas)))

    @rule(pair=st.permutations((0, 1, 2)))
    def exchange(self, pair: list[int]) -> None:
        here, there = self.replicas[pair[0]], self.replicas[pair[1]]
        synchronise(here, there)
        _same(here, there)

    @invariant()
    def causal_lengths_never_fall(self) -> None:
        for replica, lengths in zip(self.replicas, self.lengths, strict=True):
            for key, entry in replica.state().items():
                assert entry.length >= lengths.get(key, 0)
                lengths[key] = entry.length

    def teardown(self) -> None:
        for pair in ((0, 1), (1, 2), (0, 1)):
            synchronise(self.replicas[pair[0]], self.replicas[pair[1]])
        everything = _replica(*self.deltas)
        for replica in self.replicas:
            _same(replica, everything)


TestReplicas = Replicas.TestCase
TestReplicas.settings = settings(max_examples=40, stateful_step_count=25)
