"""Wrong versions that many rules can have."""

from __future__ import annotations

from typing import Any


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
