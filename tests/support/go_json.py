"""A JSON decoder that is exactly as strict as Go's ``encoding/json`` into typed structs.

The BNG clients decode our replies with it, and one wrong type fails the whole reply although the
server has committed.  So the twin of the client (`tests.support.bng_twin`) decodes with this
instead of Python's forgiving `json`.  What Go does and this repeats: keys match exactly, else
without regard to case; unknown keys are skipped; ``null`` leaves the zero value; integers are
plain digits inside the kind's range (``64.0``, ``1e2`` and ``"64"`` fail); times are RFC 3339
text; `decode_first` stops after the first value, `unmarshal` wants nothing behind it.

One thing is stricter than Go: with ``allow_null=False`` (the default) any ``null`` is an error,
because our server promises to leave a key out instead.
"""

from __future__ import annotations

import json
import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any


class GoDecodeError(ValueError):
    """The reply would have failed in the client; the text names the field."""


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs in order, duplicates included."""


@dataclass(frozen=True)
class Kind:
    """A Go type: its name in messages, its zero value, and how a parsed JSON value enters it."""

    name: str
    zero: Callable[[], Any]
    enter: Callable[[Any, str, bool], Any]


def _fail(kind: str, value: Any, path: str) -> GoDecodeError:
    if isinstance(value, _Number):
        found = f"number {value}"
    elif isinstance(value, bool):
        found = "bool"
    elif isinstance(value, str):
        found = "string"
    elif isinstance(value, _Pairs):
        found = "object"
    else:
        found = "array" if isinstance(value, list) else type(value).__name__
    return GoDecodeError(f"cannot unmarshal {found} into Go value of type {kind} at {path}")


def _enter_string(value: Any, path: str, allow_null: bool) -> str:
    if isinstance(value, _Number) or not isinstance(value, str):
        raise _fail("string", value, path)
    # Go puts U+FFFD in place of a lone surrogate.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _enter_bool(value: Any, path: str, allow_null: bool) -> bool:
    if not isinstance(value, bool):
        raise _fail("bool", value, path)
    return value


def _integer(name: str, low: int, high: int) -> Kind:
    digits = re.compile(r"-?[0-9]+\Z" if low < 0 else r"[0-9]+\Z")

    def enter(value: Any, path: str, allow_null: bool) -> int:
        if not isinstance(value, _Number) or not digits.match(value):
            raise _fail(name, value, path)
        # 20 digits hold every 64-bit value; longer text is out of range whatever it says.
        number = int(value) if len(value) <= 20 else high + 1
        if not low <= number <= high:
            raise _fail(name, value, path)
        return number

    return Kind(name, int, enter)


def _enter_float(value: Any, path: str, allow_null: bool) -> float:
    if not isinstance(value, _Number):
        raise _fail("float64", value, path)
    number = float(value)
    if number in (float("inf"), float("-inf")):
        raise _fail("float64", value, path)
    return number


_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))\Z", re.ASCII
)
ZERO_TIME = datetime(1, 1, 1, tzinfo=UTC)


def parse_rfc3339(text: str) -> datetime | None:
    """The instant in UTC (microseconds, the rest cut), None if Go's time decoding would fail."""
    match = _RFC3339.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(group) for group in match.groups()[:6])
    if not (1 <= month <= 12 and hour <= 23 and minute <= 59 and second <= 59 and year >= 1):
        return None
    if not 1 <= day <= monthrange(year, month)[1]:
        return None
    microsecond = int((match.group(7) or "0")[:6].ljust(6, "0"))
    instant = datetime(year, month, day, hour, minute, second, microsecond, UTC)
    if match.group(8):
        hours, minutes = int(match.group(9)), int(match.group(10))
        if hours > 23 or minutes > 59:
            return None
        offset = timedelta(hours=hours, minutes=minutes)
        instant = instant - offset if match.group(8) == "+" else instant + offset
    return instant


def _enter_time(value: Any, path: str, allow_null: bool) -> datetime:
    if isinstance(value, _Number) or not isinstance(value, str):
        raise _fail("time.Time", value, path)
    instant = parse_rfc3339(value)
    if instant is None:
        raise GoDecodeError(f"parsing time {value!r} at {path}: not RFC 3339")
    return instant


STRING = Kind("string", str, _enter_string)
BOOL = Kind("bool", bool, _enter_bool)
INT = _integer("int", -(2**63), 2**63 - 1)
INT64 = INT
UINT16 = _integer("uint16", 0, 2**16 - 1)
UINT64 = _integer("uint64", 0, 2**64 - 1)
FLOAT64 = Kind("float64", float, _enter_float)
TIME = Kind("time.Time", lambda: ZERO_TIME, _enter_time)


def _enter_any(value: Any, path: str, allow_null: bool) -> Any:
    if isinstance(value, _Number):
        return float(value)
    if isinstance(value, _Pairs):
        return {key: _enter(ANY, item, f"{path}.{key}", allow_null) for key, item in value}
    if isinstance(value, list):
        return [_enter(ANY, item, f"{path}[{i}]", allow_null) for i, item in enumerate(value)]
    return value


ANY = Kind("interface {}", lambda: None, _enter_any)


def list_of(kind: Kind) -> Kind:
    """``[]T``."""

    def enter(value: Any, path: str, allow_null: bool) -> list[Any]:
        if isinstance(value, _Pairs) or not isinstance(value, list):
            raise _fail(f"[]{kind.name}", value, path)
        return [_enter(kind, item, f"{path}[{i}]", allow_null) for i, item in enumerate(value)]

    return Kind(f"[]{kind.name}", list, enter)


def map_of(kind: Kind) -> Kind:
    """``map[string]T``."""

    def enter(value: Any, path: str, allow_null: bool) -> dict[str, Any]:
        if not isinstance(value, _Pairs):
            raise _fail(f"map[string]{kind.name}", value, path)
        return {key: _enter(kind, item, f"{path}.{key}", allow_null) for key, item in value}

    return Kind(f"map[string]{kind.name}", dict, enter)


def pointer(kind: Kind) -> Kind:
    """``*T``: the same, but None where the key is absent."""
    return Kind(f"*{kind.name}", lambda: None, kind.enter)


def struct(name: str, fields: Mapping[str, Kind]) -> Kind:
    """A struct with JSON tags; its value is a dict that has every field."""
    folded = {field.lower(): field for field in fields}

    def zero() -> dict[str, Any]:
        return {field: kind.zero() for field, kind in fields.items()}

    def enter(value: Any, path: str, allow_null: bool) -> dict[str, Any]:
        if not isinstance(value, _Pairs):
            raise _fail(name, value, path)
        result = zero()
        for key, item in value:
            field = key if key in fields else folded.get(key.lower())
            if field is None:
                if not allow_null:
                    _enter(ANY, item, f"{path}.{key}", allow_null)
                continue
            if item is None and allow_null:
                continue
            result[field] = _enter(fields[field], item, f"{path}.{field}", allow_null)
        return result

    return Kind(name, zero, enter)


def _enter(kind: Kind, value: Any, path: str, allow_null: bool) -> Any:
    if value is None:
        if not allow_null:
            raise GoDecodeError(f"null at {path}: the key must be left out")
        return kind.zero()
    return kind.enter(value, path, allow_null)


def _no_constant(text: str) -> Any:
    raise GoDecodeError(f"invalid literal {text}")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant
)
_SPACE = " \t\r\n"


def _parse(data: bytes) -> tuple[Any, str]:
    """The first JSON value of the bytes and the text behind it."""
    text = data.decode("utf-8", "replace").lstrip(_SPACE)
    if not text:
        raise GoDecodeError("EOF")
    try:
        value, end = _DECODER.raw_decode(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise GoDecodeError(f"invalid JSON: {error}") from None
    return value, text[end:]


def decode_first(kind: Kind, data: bytes, *, allow_null: bool = False) -> Any:
    """``json.NewDecoder(body).Decode(&v)``: the first value, whatever follows it."""
    value, _ = _parse(data)
    return _enter(kind, value, kind.name, allow_null)


def unmarshal(kind: Kind, data: bytes, *, allow_null: bool = False) -> Any:
    """``json.Unmarshal(body, &v)``: one value and nothing else."""
    value, rest = _parse(data)
    if rest.strip(_SPACE):
        raise GoDecodeError(f"invalid character {rest.strip(_SPACE)[0]!r} after top-level value")
    return _enter(kind, value, kind.name, allow_null)
