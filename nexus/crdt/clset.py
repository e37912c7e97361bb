"""Causal-length set with values: the facts that every node learns (R17).

Per key an entry has a causal length: odd means present, even absent, and each change of presence
adds one, so the longer history wins and a late copy of an older one changes nothing.  Within one
length the later stamp decides which value is shown, and between equal stamps the larger encoding:
the order is total, the join is a maximum, hence associative, commutative and idempotent.  Deltas
may come in any order, twice, or in pieces.

There is no last-writer-wins map here: a stamp never beats a causal length, so a clock that runs
ahead cannot bring back what was removed.

Beside the entries stands a digest tree (`nexus.crdt.digest`); two replicas find the leaves in which
they differ, exchange `heads` of those, and send the entries that `compare` names, no others.

What may not live here: messages, disks, clocks (stamps are told), and who may write a key: pools,
nodes and devices are decided by the grant registers first and only spread by this set.

Reference: Yu and Rostad 2020, "A Low-Cost Set CRDT Based on Causal Lengths".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from nexus.crdt.digest import DigestTree, bytes_fingerprint, key_place

V = TypeVar("V")

DEPTH = 3
"""4,096 leaves: about 15 rows each at 60,000 devices, 36 KiB of digests when the set is empty."""

_LENGTH_MAX = 2**62
_STAMP_MAX = 2**63 - 1
# Sorted fields: a struct and the plain map that a peer decoded it to are the same bytes.
_encode = msgspec.msgpack.Encoder(order="sorted").encode


class Entry(msgspec.Struct, Generic[V], frozen=True, array_like=True):
    """What is known of one key: causal length, stamp (`nexus.crdt.hlc`), value (None if absent)."""

    length: Annotated[int, msgspec.Meta(ge=1, le=_LENGTH_MAX)]
    stamp: Annotated[int, msgspec.Meta(ge=0, le=_STAMP_MAX)]
    value: V | None

    @property
    def present(self) -> bool:
        return bool(self.length & 1)


class Head(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An entry without its value, to find out who has the newer one."""

    length: int
    stamp: int
    fingerprint: int


class Comparison(msgspec.Struct, Generic[V], frozen=True):
    """What a peer lacks, to be sent, and what we lack, to be asked for (keys in sorted order)."""

    delta: dict[str, Entry[V]]
    wanted: tuple[str, ...]


def newer(left: Entry[Any], right: Entry[Any]) -> bool:
    """Whether ``left`` stands above ``right`` in the order that the join maximises."""
    if left.length != right.length:
        return left.length > right.length
    if left.stamp != right.stamp:
        return left.stamp > right.stamp
    # Stamps of two nodes may be equal; the values then decide, the same way everywhere.
    return left is not right and _encode(left.value) > _encode(right.value)


def join(left: Entry[V], right: Entry[V]) -> Entry[V]:
    """Least upper bound of two entries of one key: the larger one."""
    return right if newer(right, left) else left


class CLSet(Generic[V]):
    """One replica.  Every change returns what changed, as a delta for the others."""

    def __init__(self, depth: int = DEPTH) -> None:
        self.tree = DigestTree(depth)
        self._entries: dict[str, Entry[V]] = {}
        self._prints: dict[str, int] = {}
        self._leaves: dict[int, list[str]] = {}
        self._present_count = 0

    # --- reading ------------------------------------------------------------------------------

    def __contains__(self, key: str) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry.present

    def __len__(self) -> int:
        return self._present_count

    def get(self, key: str) -> V | None:
        """Value of a present key, None if it is absent."""
        entry = self._entries.get(key)
        return entry.value if entry is not None and entry.present else None

    def entry(self, key: str) -> Entry[V] | None:
        """Entry of a key, absent ones (tombstones) included; None if it was never present."""
        return self._entries.get(key)

    def keys(self) -> Iterator[str]:
        """Present keys in sorted order."""
        return (key for key in sorted(self._entries) if self._entries[key].present)

    def items(self) -> Iterator[tuple[str, V]]:
        """Present keys and their values in sorted order of the keys."""
        for key in sorted(self._entries):
            entry = self._entries[key]
            if entry.present:
                yield key, entry.value  # type: ignore[misc]  # present: put gave it a V

    @property
    def fingerprint(self) -> int:
        """64 bits that are equal when the states are."""
        return self.tree.root

    def state(self) -> dict[str, Entry[V]]:
        """All entries, tombstones included, in sorted order of the keys."""
        return {key: self._entries[key] for key in sorted(self._entries)}

    def state_bytes(self) -> bytes:
        """Canonical encoding of the state: equal states, equal bytes."""
        return _encode(self.state())

    # --- changing -----------------------------------------------------------------------------

    def put(self, key: str, value: V, stamp: int) -> Entry[V] | None:
        """Make a key present with this value, or give a present key a new value.

        Returns
        -------
        Entry or None
            The delta to spread.  None if nothing changed: a present key shows a value with a later
            stamp, or with an equal one that sorts higher.
        """
        old = self._entries.get(key)
        if old is None:
            entry = Entry(1, stamp, value)
        elif old.present:
            entry = Entry(old.length, stamp, value)
            if not newer(entry, old):
                return None
        else:
            entry = Entry(old.length + 1, stamp, value)
        self._install(key, old, entry)
        return entry

    def remove(self, key: str, stamp: int) -> Entry[V] | None:
        """Make a key absent.  Returns the delta, None if it was absent already."""
        old = self._entries.get(key)
        if old is None or not old.present:
            return None
        entry: Entry[V] = Entry(old.length + 1, stamp, None)
        self._install(key, old, entry)
        return entry

    def merge(self, delta: Mapping[str, Entry[V]]) -> dict[str, Entry[V]]:
        """Join a peer's entries; returns those that changed something here, in their order.

        Cost is per entry, so a big delta is merged in slices of about 2,000 (few ms each).
        """
        changed = {}
        entries = self._entries
        for key, entry in delta.items():
            old = entries.get(key)
            if old is None or newer(entry, old):
                self._install(key, old, entry)
                changed[key] = entry
        return changed

    def _install(self, key: str, old: Entry[V] | None, entry: Entry[V]) -> None:
        place = key_place(key)
        if old is None:
            self._leaves.setdefault(self.tree.leaf_of(place), []).append(key)
        was_present = old is not None and old.present
        self._present_count += entry.present - was_present
        fingerprint = bytes_fingerprint(_encode((key, entry)))
        self.tree.toggle(place, self._prints.get(key, 0) ^ fingerprint)
        self._prints[key] = fingerprint
        self._entries[key] = entry

    # --- anti-entropy (R19) -------------------------------------------------------------------

    def heads(self, leaves: Iterable[int]) -> dict[str, Head]:
        """Heads of all entries in these leaves of the tree."""
        found = {}
        for leaf in leaves:
            for key in self._leaves.get(leaf, ()):
                entry = self._entries[key]
                found[key] = Head(entry.length, entry.stamp, self._prints[key])
        return found

    def compare(self, leaves: Iterable[int], heads: Mapping[str, Head]) -> Comparison[V]:
        """Compare with a peer's heads of the same leaves.

        Equal length and stamp with different values cannot be told apart without the values: both
        sides send theirs.
        """
        delta: dict[str, Entry[V]] = {}
        wanted = [key for key in heads if key not in self._entries]
        for leaf in leaves:
            for key in self._leaves.get(leaf, ()):
                mine, theirs = self._entries[key], heads.get(key)
                if theirs is not None and theirs.fingerprint == self._prints[key]:
                    continue
                order = -1 if theirs is None else _order(theirs, mine)
                if order <= 0:
                    delta[key] = mine
                if order >= 0:
                    wanted.append(key)
        return Comparison({key: delta[key] for key in sorted(delta)}, tuple(sorted(wanted)))

    def select(self, keys: Iterable[str]) -> dict[str, Entry[V]]:
        """Entries of these keys, as far as we know them."""
        return {key: self._entries[key] for key in keys if key in self._entries}


def _order(head: Head, entry: Entry[Any]) -> int:
    """Below, at or above zero as the head is older than, undecided with, newer than the entry."""
    left, right = (head.length, head.stamp), (entry.length, entry.stamp)
    return (left > right) - (left < right)
