"""Fingerprints of rows and a 16-way digest tree over them, for anti-entropy (R19).

A row's fingerprint is a 64-bit xxh3 over a fixed layout of its fields; a set's fingerprint is the
XOR of its rows', so it does not depend on order, is kept up to date in constant time, and removing
a row is the same step as adding it.  The tree keeps one such XOR per node: rows are spread over
``16 ** depth`` leaves by a hash of their key, so two replicas that differ in one row differ in one
leaf, and `respond` finds it in one message per level, each side comparing what the other sent.

XOR of a good hash is right against accidents, not against an adversary who picks rows: peers are
authenticated, and a forged digest could only delay a repair.

What may not live here: the rows themselves, messages, sizes of datagrams.

References: Demers et al. 1987 (anti-entropy); Merkle 1987; research notes, section 5.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from struct import Struct

import msgspec
from xxhash import xxh3_64_intdigest

FANOUT_BITS = 4
FANOUT = 1 << FANOUT_BITS
DEPTH_MAX = 5
"""16 ** 5 leaves are 8 MiB of digests: more has never paid for itself."""
ROWS_PER_LEAF = 16
PROBE_NODES_MAX = 512
"""Nodes followed in one message (about 64 KiB of digests); the rest waits for the next run."""

_ROW = Struct("<QQQQIH")
_LOW = (1 << 64) - 1
_DIGEST_BYTES = 8


def row_fingerprint(
    index: int, subscriber: str, epoch: int, seq: int, length: int, kind: int
) -> int:
    """Fingerprint one allocation row.

    Parameters
    ----------
    index : unit index in its pool, 0 to 2**128 - 1
    subscriber : subscriber id, "" for a row without one
    epoch, seq : of the record, 0 to 2**64 - 1
    length : causal length, 0 to 2**32 - 1
    kind : kind of row or lease, 0 to 65,535, as the caller numbers them

    Returns
    -------
    int
        0 to 2**64 - 1.  `ends` and `blocked_until` are left out: they follow clocks that differ
        from replica to replica, and a changed deadline comes with a new seq.
    """
    return xxh3_64_intdigest(
        _ROW.pack(index & _LOW, index >> 64, epoch, seq, length, kind) + subscriber.encode()
    )


def bytes_fingerprint(payload: bytes) -> int:
    """Fingerprint anything that has one canonical encoding, 0 to 2**64 - 1."""
    return xxh3_64_intdigest(payload)


def key_place(key: str) -> int:
    """Where a text key goes in a tree: 64 even bits that depend on the key alone."""
    return xxh3_64_intdigest(key.encode())


class Fingerprint:
    """XOR of the fingerprints of the rows of a set, and how many there are."""

    __slots__ = ("count", "value")

    def __init__(self) -> None:
        self.value = 0
        self.count = 0

    def add(self, fingerprint: int) -> None:
        """A row came."""
        self.value ^= fingerprint
        self.count += 1

    def discard(self, fingerprint: int) -> None:
        """A row that was counted went."""
        self.value ^= fingerprint
        self.count -= 1

    def replace(self, old: int, new: int) -> None:
        """A row changed."""
        self.value ^= old ^ new


def depth_for(row_count: int) -> int:
    """Smallest depth at which a leaf holds about `ROWS_PER_LEAF` rows or fewer."""
    depth = 0
    while depth < DEPTH_MAX and row_count > ROWS_PER_LEAF << (FANOUT_BITS * depth):
        depth += 1
    return depth


class DigestTree:
    """XOR digests of rows spread over ``16 ** depth`` leaves; level 0 is the root.

    The depth is part of what two replicas compare, so it is agreed on (by pool size), not grown.
    """

    __slots__ = ("_levels", "_places", "depth")

    def __init__(self, depth: int) -> None:
        if not 0 <= depth <= DEPTH_MAX:
            raise ValueError(f"depth {depth} is not within 0..{DEPTH_MAX}")
        self.depth = depth
        self._levels = [
            array("Q", bytes(_DIGEST_BYTES << (FANOUT_BITS * level))) for level in range(depth + 1)
        ]
        # Deepest first: the leaf number is the low bits of the place, a parent's the same >> 4.
        self._places = tuple(
            (self._levels[level], FANOUT_BITS * (depth - level)) for level in range(depth, -1, -1)
        )

    @property
    def root(self) -> int:
        """Fingerprint of the whole set, the same at every depth."""
        return self._levels[0][0]

    @property
    def leaf_count(self) -> int:
        return 1 << (FANOUT_BITS * self.depth)

    def leaf_of(self, place: int) -> int:
        """Leaf of a row whose key hashes to ``place``."""
        return place & ((1 << (FANOUT_BITS * self.depth)) - 1)

    def toggle(self, place: int, fingerprint: int) -> None:
        """A row came or went; for a row that changed give ``old ^ new``."""
        leaf = place & ((1 << (FANOUT_BITS * self.depth)) - 1)
        for digests, shift in self._places:
            digests[leaf >> shift] ^= fingerprint

    def digest(self, level: int, node: int) -> int:
        """One node's digest."""
        return self._levels[level][node]

    def pack(self, level: int, nodes: Iterable[int]) -> bytes:
        """Digests of these nodes, 8 bytes each, little endian."""
        digests = self._levels[level]
        return b"".join(digests[node].to_bytes(_DIGEST_BYTES, "little") for node in nodes)


class Probe(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One step of a comparison: my digests of these nodes of one level, in this order."""

    depth: int
    level: int
    nodes: tuple[int, ...]
    digests: bytes


class Differing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The end of a comparison: the leaves in which two trees differ (none: they are equal)."""

    leaves: tuple[int, ...]


def opening(tree: DigestTree) -> Probe:
    """First message of a comparison: the root alone, about 20 bytes on the wire."""
    return Probe(tree.depth, 0, (0,), tree.pack(0, (0,)))


def respond(tree: DigestTree, probe: Probe) -> Probe | Differing:
    """Compare a peer's step with our tree and take the next one.

    A `Probe` goes back to the peer, who does the same; a `Differing` ends the comparison on this
    side.  Stateless: a lost or repeated message costs a run, never a wrong answer.

    Raises
    ------
    ValueError
        The probe cannot belong to a tree of our depth (a peer's mistake, to be refused).
    """
    _check(tree, probe)
    differing = tuple(
        node
        for position, node in enumerate(probe.nodes)
        if probe.digests[position * _DIGEST_BYTES : (position + 1) * _DIGEST_BYTES]
        != tree.digest(probe.level, node).to_bytes(_DIGEST_BYTES, "little")
    )
    if not differing or probe.level == tree.depth:
        return Differing(differing)
    children = tuple(
        node << FANOUT_BITS | child
        for node in differing[:PROBE_NODES_MAX]
        for child in range(FANOUT)
    )
    return Probe(tree.depth, probe.level + 1, children, tree.pack(probe.level + 1, children))


def reconcile(mine: DigestTree, theirs: DigestTree) -> Sequence[int]:
    """Leaves in which two trees at hand differ, in rising order (the messages, without a wire)."""
    sides = (theirs, mine)
    step: Probe | Differing = opening(mine)
    turn = 0
    while isinstance(step, Probe):
        step = respond(sides[turn & 1], step)
        turn += 1
    return step.leaves


def _check(tree: DigestTree, probe: Probe) -> None:
    if probe.depth != tree.depth or not 0 <= probe.level <= tree.depth:
        raise ValueError(f"probe of depth {probe.depth}, level {probe.level}; ours is {tree.depth}")
    if len(probe.nodes) > PROBE_NODES_MAX * FANOUT:
        raise ValueError(f"probe of {len(probe.nodes)} nodes, at most {PROBE_NODES_MAX * FANOUT}")
    if len(probe.digests) != len(probe.nodes) * _DIGEST_BYTES:
        raise ValueError(f"{len(probe.digests)} digest bytes for {len(probe.nodes)} nodes")
    limit = 1 << (FANOUT_BITS * probe.level)
    if any(not 0 <= node < limit for node in probe.nodes):
        raise ValueError(f"node outside level {probe.level}")
