"""Broken cores that the small worlds must tell from the real one: one rule function each.

Every entry names the world in which the break shows; `Mutant` replaces the function in its module
while it is entered, as the core calls all its rules through their modules.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any

from nexus.ownership import configuration, holding, records, register
from nexus.ownership.shard import HELD


class Mutant:
    """One rule function replaced; a context manager."""

    def __init__(
        self,
        name: str,
        place: ModuleType | type,
        function: str,
        broken: Callable[..., Any],
        world: str,
        why: str,
    ) -> None:
        self.name = name
        self.world = world
        self.why = why
        self._place = place
        self._function = function
        self._broken = broken
        self._kept: Any = None

    def __enter__(self) -> Mutant:
        self._kept = self._place.__dict__[self._function]
        setattr(self._place, self._function, self._broken)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        setattr(self._place, self._function, self._kept)


def _yes(*_: Any, **__: Any) -> bool:
    return True


def _no(*_: Any, **__: Any) -> bool:
    return False


def _short_timer(slow: int, horizon_ns: int | None, drift_ppm: int) -> int | None:
    del drift_ppm
    return None if horizon_ns is None else slow + horizon_ns


def _one_is_enough(answers: Any, voters: tuple[str, ...]) -> bool:
    return any(voter in answers for voter in voters)


def _held_from_receipt(sent: int, received: int, horizon_ns: int | None) -> int:
    del sent
    return holding.FOREVER if horizon_ns is None else received + horizon_ns


def _no_restart(voter: Any, slow: int, drift_ppm: int) -> None:
    del drift_ppm
    voter.timer_until = slow


def _nothing_carried(union: Any, epoch: int, slow: int) -> list[Any]:
    del union, epoch, slow
    return []


def _only_own(reads: Any, floor: int) -> Any:
    own = list(reads)[:1]
    return _UNION(own, floor)


_UNION = records.r8c_union


def _no_guard(row: Any, slow: int, drift_ppm: int, ack_limit_ns: int, cooldown_ns: int) -> int:
    del drift_ppm, ack_limit_ns
    return int(max(row.blocked, slow + cooldown_ns))


def _cools_open(row: Any, slow: int) -> bool:
    del slow
    return bool(row.length != HELD)


MUTANTS = (
    Mutant("r3-timer", register, "r3_previous_over", _yes, "hold", "nobody's timer is waited for"),
    Mutant("r5-timer", register, "r5_timer", _short_timer, "hold", "voters forget the drift"),
    Mutant("r5-receipt", holding, "r5_hold_until", _held_from_receipt, "hold", "held from receipt"),
    Mutant(
        "r5-majority", configuration, "r5_majority", _one_is_enough, "hold", "one voter decides"
    ),
    Mutant("r6-restart", register, "r6_restart", _no_restart, "voter-crash", "forgets it renewed"),
    Mutant("r8c-union", records, "r8c_union", _only_own, "takeover", "reads its own part alone"),
    Mutant("r8c-base", records, "r8c_base", _nothing_carried, "takeover", "carries nothing over"),
    Mutant("r8c-carried", records, "r8c_carried", _cools_open, "takeover", "open records are lost"),
    Mutant("r8d-round", holding, "r8d_needs_round", _no, "record-short", "tells before a majority"),
    Mutant("r10-guard", records, "r10_reuse_at", _no_guard, "lone", "reused at its end"),
)
