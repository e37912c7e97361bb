"""Number ranges as texts: ``"100-199"``, or ``"100"`` for one."""

from __future__ import annotations

import re

from nexus.errors import validation
from nexus.model.ids import shown

_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
"""Plain decimal without sign or leading zeros, so that a number has one text."""


def read_number(text: str, low: int, high: int) -> int | None:
    """The number that a text is, None unless it is one in ``low..high``."""
    if _NUMBER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if low <= number <= high else None


def read_span(text: str, low: int, high: int) -> tuple[int, int] | None:
    """The half-open span that a text names, None unless it lies in ``low..high`` and rises."""
    first_text, dash, last_text = text.partition("-")
    first = read_number(first_text.strip(), low, high)
    last = read_number(last_text.strip(), low, high) if dash else first
    if first is None or last is None or last < first:
        return None
    return first, last + 1


def checked_span(field: str, text: str, low: int, high: int) -> tuple[int, int]:
    """The half-open span that a text names, refused unless it lies in ``low..high`` and rises."""
    span = read_span(text, low, high)
    if span is None:
        raise validation(
            field, f"must be a number or 'first-last' within {low}-{high}, got {shown(text)}"
        )
    return span


def span_text(start: int, stop: int) -> str:
    """The one text of a half-open span."""
    return str(start) if start + 1 == stop else f"{start}-{stop - 1}"
