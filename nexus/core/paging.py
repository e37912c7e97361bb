"""Pages of lists: a cursor is the key of the last item told, as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from nexus.errors import validation
from nexus.model.views import Page

T = TypeVar("T")
V = TypeVar("V")

LIMIT_MAX = 10_000


class Paged(Protocol):
    """A request for a page."""

    @property
    def limit(self) -> int: ...

    @property
    def cursor(self) -> str | None: ...


def check_limit(limit: int) -> int:
    """The page size, refused outside 1..10,000."""
    if not 1 <= limit <= LIMIT_MAX:
        raise validation("limit", f"must be from 1 to {LIMIT_MAX}, got {limit}")
    return limit


def number_cursor(cursor: str | None, default: int = -1) -> int:
    """The whole number in a cursor; ``default`` without one."""
    if cursor is None:
        return default
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 40:
        raise validation("cursor", f"is not one that this list gave out: {cursor[:64]!r}")
    return int(cursor)


def cut(
    items: Sequence[T], request: Paged, key: Callable[[T], int], view: Callable[[T], V]
) -> Page[V]:
    """One page of items that are sorted by a rising number."""
    limit = check_limit(request.limit)
    after = number_cursor(request.cursor)
    rest = [item for item in items if key(item) > after]
    chosen = rest[:limit]
    more = len(rest) > limit
    return Page(
        tuple(view(item) for item in chosen), len(items), str(key(chosen[-1])) if more else None
    )
