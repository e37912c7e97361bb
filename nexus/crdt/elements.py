"""The order of a resource's allocation elements, and with it their join (R17, R18).

An element is written only by the owner of its epoch, so two elements with one (epoch, seq) differ
at most in causal length: 1 is held, 2 is ended.  Of one resource the highest (epoch, seq, length)
stands, as its owner wrote it: a maximum in a total order, hence associative, commutative and
idempotent.  An open element below a closed one does not shine through: within an epoch the log is
serial, so the later record ended the earlier, whether or not its own end was seen.

Until when the resource is blocked goes with the element.  It is no maximum of its own: who wrote
the higher one knew the lower ones and carries their blocking on, and a release by the holder, a
higher element, may shorten it (R10).

An epoch floor says that a successor serves: elements of lower epochs do not count any more, since
what was carried over has been written again (its blocking too).  Floors are joined by maximum.

Everything that merges rows goes by these two functions: voters and replicas, a successor's read,
and a restart.
"""

from __future__ import annotations

from typing import Protocol


class Element(Protocol):
    """What orders an element; `nexus.ownership.shard.Row` is one."""

    epoch: int
    seq: int
    length: int


def newer(epoch: int, seq: int, length: int, than: Element) -> bool:
    """Whether an element of this place stands above ``than``."""
    return (epoch, seq, length) > (than.epoch, than.seq, than.length)


def below_floor(epoch: int, floor: int) -> bool:
    """An element of this epoch does not count under the floor."""
    return epoch < floor
