"""Pair hashes in bulk: the same three questions in plain Python and in numpy, the same bits.

numpy is not a dependency: where it is installed, large questions go to it.  Only integer hashing
happens here; ranks, scores and ties are decided by `nexus.ring.hash_ring` on either path, so the
paths cannot differ by rounding.

What may not live here: weights, load, members' ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

from nexus.ring.hash_ring import GOLDEN, MIX_1, MIX_2, mix

NUMPY_PAIRS_MIN = 2_048
"""Fewer pairs than this are hashed sooner than numpy has made its arrays."""
_BLOCK_PAIRS = 1 << 18
"""Pairs per numpy block: 2 MiB, so that the passes of one block stay in the cache."""


class Hasher(Protocol):
    """Hash many pairs at once; keys are 64-bit integers."""

    def row(self, shard: int, members: Sequence[int]) -> list[int]:
        """Hash one shard key with each member key."""
        ...

    def at_least(self, shards: Sequence[int], member: int, least: int) -> list[tuple[int, int]]:
        """(position, hash) of the shard keys whose hash with this member key is >= ``least``."""
        ...

    def best(self, shards: Sequence[int], members: Sequence[int]) -> list[tuple[int, int]]:
        """Per shard key (highest hash, position of the first member key that has it)."""
        ...


class PlainHasher:
    """Plain Python."""

    def row(self, shard: int, members: Sequence[int]) -> list[int]:
        return [mix(shard ^ member) for member in members]

    def at_least(self, shards: Sequence[int], member: int, least: int) -> list[tuple[int, int]]:
        hashes = [mix(shard ^ member) for shard in shards]
        return [(position, pair) for position, pair in enumerate(hashes) if pair >= least]

    def best(self, shards: Sequence[int], members: Sequence[int]) -> list[tuple[int, int]]:
        found = []
        for shard in shards:
            hashes = [mix(shard ^ member) for member in members]
            highest = max(hashes)
            found.append((highest, hashes.index(highest)))
        return found


class NumpyHasher:
    """numpy for large questions, plain Python for small ones."""

    def __init__(self, numpy: Any) -> None:
        self._numpy = numpy
        self._plain = PlainHasher()
        self._shifts = tuple(numpy.uint64(bits) for bits in (30, 27, 31))
        self._factors = tuple(numpy.uint64(factor) for factor in (GOLDEN, MIX_1, MIX_2))

    def _keys(self, keys: Sequence[int]) -> Any:
        return self._numpy.array(keys, dtype=self._numpy.uint64)

    def _mix(self, values: Any) -> Any:
        """`mix`, in place, on an array that we own."""
        (first, second, third), (golden, factor_1, factor_2) = self._shifts, self._factors
        values += golden
        values ^= values >> first
        values *= factor_1
        values ^= values >> second
        values *= factor_2
        values ^= values >> third
        return values

    def row(self, shard: int, members: Sequence[int]) -> list[int]:
        if len(members) < NUMPY_PAIRS_MIN:
            return self._plain.row(shard, members)
        hashes: list[int] = self._mix(self._keys(members) ^ self._numpy.uint64(shard)).tolist()
        return hashes

    def at_least(self, shards: Sequence[int], member: int, least: int) -> list[tuple[int, int]]:
        if len(shards) < NUMPY_PAIRS_MIN or least >= 1 << 64:
            return self._plain.at_least(shards, member, least)
        hashes = self._mix(self._keys(shards) ^ self._numpy.uint64(member))
        (positions,) = self._numpy.nonzero(hashes >= self._numpy.uint64(least))
        return list(zip(positions.tolist(), hashes[positions].tolist(), strict=True))

    def best(self, shards: Sequence[int], members: Sequence[int]) -> list[tuple[int, int]]:
        if len(shards) * len(members) < NUMPY_PAIRS_MIN:
            return self._plain.best(shards, members)
        rows, columns = self._keys(shards)[:, None], self._keys(members)[None, :]
        step = max(1, _BLOCK_PAIRS // len(members))
        found: list[tuple[int, int]] = []
        for start in range(0, len(shards), step):
            hashes = self._mix(rows[start : start + step] ^ columns)
            # argmax takes the first of equals, as list.index does.
            positions = hashes.argmax(axis=1)
            highest = self._numpy.take_along_axis(hashes, positions[:, None], axis=1)[:, 0]
            found.extend(zip(highest.tolist(), positions.tolist(), strict=True))
        return found


def hasher(*, numpy: bool | None = None) -> Hasher:
    """A hasher: with numpy (True; an ImportError if missing), without, or as installed (None)."""
    if numpy is False:
        return PlainHasher()
    try:
        return NumpyHasher(import_module("numpy"))
    except ImportError:
        if numpy:
            raise
        return PlainHasher()
