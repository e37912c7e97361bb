"""Knobs of a pool: the accepted range of each, and which combinations would break a rule.

The formulas are DESIGN.md's; here stands only what is refused, with the reason in the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from nexus.errors import validation
from nexus.model.pool import PoolSpec
from nexus.resources.base import SHARDS_MAX

DAY_S = 86_400

ACK_LIMIT_S = 5
"""Default of the cluster's `ack_limit`: how long a told answer may be installed after it (R9)."""
FAST_FAILOVER_HORIZON_S = 10
"""Horizon of a `fast_failover` pool that names none (R15 iii)."""
FAST_FAILOVER_HORIZON_MAX_S = 30
HORIZON_S_MIN = 10
MCLT_ACK_LIMITS_MIN = 4


def integer_ranges(ack_limit_s: float) -> Mapping[str, tuple[int, int]]:
    """Accepted range of each whole number, ends included; durations in seconds."""
    return {
        "prefix": (0, 128),
        "block_size": (0, 65_535),
        "sharding_factor": (0, SHARDS_MAX),
        # Reuse waits longer than any answer may still be installed (R10).
        "cooldown": (ceil(ack_limit_s), DAY_S),
        "horizon": (HORIZON_S_MIN, 30 * DAY_S),
        # An acknowledgement must be able to arrive well within a provisional lease (R8 b).
        "mclt": (max(30, ceil(MCLT_ACK_LIMITS_MIN * ack_limit_s)), 3_600),
        "default_ttl": (1, 365 * DAY_S),
        "max_ttl": (1, 365 * DAY_S),
        "headroom_shards": (0, 16),
    }


RATIO_KNOBS: Mapping[str, tuple[float, float]] = {
    "backup_ratio": (0.0, 1.0),
    "load_bound": (1.05, 2.0),
}

SWITCHES = ("allow_overlap", "pinned", "fast_failover")


def check_knobs(spec: PoolSpec, ack_limit_s: float) -> None:
    """Refuse a combination that breaks a rule, naming the knob, its value and what is accepted."""
    ranges = integer_ranges(ack_limit_s)
    # Defaults are checked too: a slow cluster may need more than they give.
    for field, value in (("cooldown", spec.cooldown), ("mclt", spec.mclt)):
        low, high = ranges[field]
        if not low <= value <= high:
            raise validation(
                field,
                f"must be {low} to {high} with the cluster's ack_limit of {ack_limit_s:g} s, "
                f"got {value}",
            )
    if spec.default_ttl > spec.max_ttl:
        raise validation(
            "default_ttl", f"must be 1 to {spec.max_ttl} (max_ttl), got {spec.default_ttl}"
        )
    _check_horizon(spec)


def _check_horizon(spec: PoolSpec) -> None:
    if spec.pinned and spec.horizon is not None:
        raise validation(
            "horizon", f"a pinned pool is never reassigned, accepted: none, got {spec.horizon}"
        )
    if spec.pinned and spec.fast_failover:
        raise validation(
            "fast_failover", "a pinned pool is never reassigned, accepted: false, got true"
        )
    if spec.fast_failover and (spec.horizon or 0) > FAST_FAILOVER_HORIZON_MAX_S:
        raise validation(
            "horizon",
            f"with fast_failover must be {HORIZON_S_MIN} to {FAST_FAILOVER_HORIZON_MAX_S}, "
            f"got {spec.horizon}",
        )
