"""Wrong versions that many rules can have."""

from __future__ import annotations

from typing import Any

from nexus.ownership import holding


def always(*_: Any, **__: Any) -> bool:
    """It is asked, and the answer is always yes."""
    return True


def never(*_: Any, **__: Any) -> bool:
    """It is asked, and the answer is always no."""
    return False


def nothing(*_: Any, **__: Any) -> None:
    """It is not done."""


def anybody(_: Any, answers: Any) -> bool:
    """One answer is a quorum."""
    return bool(answers)


def no_not_after(hold_until: int, acknowledged: int, ack_limit_ns: int) -> int:
    """Nothing that is told has a limit."""
    del hold_until, acknowledged, ack_limit_ns
    return holding.FOREVER
