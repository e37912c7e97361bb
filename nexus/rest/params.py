"""Parameters of paths and queries, checked before anything is looked up."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from nexus.errors import validation
from nexus.model import ids
from nexus.rest.http import HttpRequest, QueryParam

LIMIT_DEFAULT = 1_000
LIMIT_MAX = 10_000
CURSOR_CHARS_MAX = 1_024

_DIGITS_MAX = 18
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})

PAGE = (
    QueryParam("limit", f"Items of a page, 1 to {LIMIT_MAX}; default {LIMIT_DEFAULT}.", "integer"),
    QueryParam("cursor", "`next_cursor` of the page before."),
)


def checked(check: Callable[[str], str], field: str, value: str) -> str:
    """Run a check of `nexus.model.ids`; its ValueError becomes a refusal naming the field."""
    try:
        return check(value)
    except ValueError as problem:
        raise validation(field, str(problem)) from None


_known_pool_id = lru_cache(1024)(ids.check_pool_id)
"""There are few pools, and every request names one."""


def pool_id(value: str, field: str = "pool_id") -> str:
    """A legal pool id."""
    return checked(_known_pool_id, field, value)


def node_id(value: str, field: str = "node_id") -> str:
    """A legal node id; it need not be a member's."""
    return checked(ids.check_node_id, field, value)


def subscriber_id(value: str, field: str = "subscriber_id") -> str:
    """A legal subscriber id that is none of the reserved words."""
    return checked(ids.check_subscriber_id, field, value)


def query_pool_id(request: HttpRequest) -> str | None:
    """``?pool_id=``, None where absent."""
    value = request.query.get("pool_id") if request.query_string else None
    return None if value is None else pool_id(value)


def query_subscriber_id(request: HttpRequest) -> str | None:
    """``?subscriber_id=``, None where absent."""
    value = request.query.get("subscriber_id")
    return None if value is None else subscriber_id(value)


def query_node_id(request: HttpRequest) -> str | None:
    """``?node_id=``, None where absent."""
    value = request.query.get("node_id")
    return None if value is None else node_id(value)


def query_int(request: HttpRequest, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query within bounds, both included."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > _DIGITS_MAX:
        raise validation(name, f"must be a whole number from {low} to {high}")
    value = int(text)
    if not low <= value <= high:
        raise validation(name, f"{value} is not within {low} to {high}")
    return value


def query_flag(request: HttpRequest, name: str) -> bool:
    """A yes or no of the query; absent is no."""
    text = request.query.get(name, "").lower()
    if not text or text in _FALSE:
        return False
    if text in _TRUE:
        return True
    raise validation(name, "must be true or false")


def page(request: HttpRequest) -> tuple[int, str | None]:
    """``limit`` and ``cursor``; whether the cursor means something is the list's to judge."""
    if not request.query_string:
        return LIMIT_DEFAULT, None
    limit = query_int(request, "limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
    cursor = request.query.get("cursor")
    if cursor is not None and len(cursor) > CURSOR_CHARS_MAX:
        raise validation("cursor", "is none that this server made")
    return limit, cursor
