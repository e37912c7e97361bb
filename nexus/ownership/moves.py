"""Rebalancing (R1): what may move, and how fast.  A hint: nothing here is for safety."""

from __future__ import annotations

from nexus.ownership.shard import SERVING, Shard

MINUTE_NS = 60_000_000_000


def r1_may_move(shard: Shard) -> bool:
    """No live session moves in a rebalance: only empty shards are handed over."""
    owner = shard.owner
    return owner is not None and owner.state == SERVING and not shard.held


def r1_wants_headroom(owned: int, headroom_shards: int) -> bool:
    """A member without shards of its own cannot serve alone: its first ones are not budgeted."""
    return owned < headroom_shards


def r1_moves_earned(elapsed_ns: int, shard_count: int, ratio: float) -> float:
    """Moves that the budget allows after a while."""
    return elapsed_ns / MINUTE_NS * shard_count * ratio


def r1_moves_kept(earned: float, shard_count: int, ratio: float) -> float:
    """A quiet time saves up at most a minute's moves, and never less than one."""
    return min(earned, max(1.0, shard_count * ratio))
