"""Reading a pool's definition: each field by itself, from an API object to a `PoolSpec`.

JSON's null and empty texts mean absent.  Unknown keys are told in warnings and otherwise ignored,
since shipped manifests carry a few.  What fields mean together is the business of the types and of
`nexus.resources.knobs`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from nexus.errors import validation
from nexus.model.ids import InvalidIdError, check_pool_id, shown
from nexus.model.pool import PoolSpec
from nexus.resources.addresses import checked_any_address
from nexus.resources.base import EXCLUSIONS_MAX
from nexus.resources.knobs import RATIO_KNOBS, SWITCHES, integer_ranges

RESOLVERS_MAX = 16
METADATA_KEYS_MAX = 256
METADATA_VALUE_BYTES_MAX = 512
UNKNOWN_KEYS_TOLD_MAX = 20
"""A warning for each unknown key, up to here; a body of a mebibyte may hold very many."""

_METADATA_KEY = re.compile(r"[A-Za-z](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")

_TEXTS = ("cidr", "range", "c_vlan", "gateway")
_PREFIX_ALIAS = "prefix_length"
KNOWN_KEYS = frozenset(PoolSpec.__struct_fields__) | {_PREFIX_ALIAS}

SPACE_FIELDS = ("cidr", "range", "c_vlan", "prefix", "block_size", "gateway", "dns")
"""Fields that belong to some types only."""


def read_fields(raw: Mapping[str, object], ack_limit_s: float) -> tuple[PoolSpec, tuple[str, ...]]:
    """The definition with each field checked by itself, and a warning for each unknown key.

    ``type`` is empty where the object names none.
    """
    given = {key: value for key, value in raw.items() if value is not None and value != ""}
    fields: dict[str, object] = {field: _text(given, field) for field in _TEXTS}
    for field, (low, high) in integer_ranges(ack_limit_s).items():
        if field in given:
            fields[field] = _whole(field, given[field], low, high)
    for field, (least, most) in RATIO_KNOBS.items():
        if field in given:
            fields[field] = _ratio(field, given[field], least, most)
    for field in SWITCHES:
        if field in given:
            fields[field] = _switch(field, given[field])
    spec = PoolSpec(
        id=_id(given),
        type=_text(given, "type") or "",
        dns=tuple(checked_any_address("dns", text) for text in _list(given, "dns", RESOLVERS_MAX)),
        exclusions=_list(given, "exclusions", EXCLUSIONS_MAX),
        metadata=_metadata(given.get("metadata", {})),
    )
    spec = _with_derived(msgspec.structs.replace(spec, **fields), given)
    return spec, _unknown_key_warnings(raw)


def _with_derived(spec: PoolSpec, given: Mapping[str, object]) -> PoolSpec:
    prefix, default_ttl = spec.prefix, spec.default_ttl
    if _PREFIX_ALIAS in given:
        alias = _whole(_PREFIX_ALIAS, given[_PREFIX_ALIAS], 0, 128)
        if prefix and alias and prefix != alias:
            raise validation(_PREFIX_ALIAS, f"must agree with prefix ({prefix}), got {alias}")
        prefix = prefix or alias
    # A lower maximum alone is no contradiction: the default follows it down.
    if "default_ttl" not in given:
        default_ttl = min(default_ttl, spec.max_ttl)
    return msgspec.structs.replace(spec, prefix=prefix, default_ttl=default_ttl)


def _unknown_key_warnings(raw: Mapping[str, object]) -> tuple[str, ...]:
    unknown = [key for key in raw if key not in KNOWN_KEYS]
    told = [f"unknown field {shown(key)} ignored" for key in unknown[:UNKNOWN_KEYS_TOLD_MAX]]
    if len(unknown) > UNKNOWN_KEYS_TOLD_MAX:
        told.append(f"{len(unknown) - UNKNOWN_KEYS_TOLD_MAX} more unknown fields ignored")
    return tuple(told)


def _id(given: Mapping[str, object]) -> str:
    text = given.get("id")
    if text is None:
        raise validation("pool_id", "is required")
    if not isinstance(text, str):
        raise validation("pool_id", f"must be text, got {shown(text)}")
    try:
        return check_pool_id(text)
    except InvalidIdError as refused:
        raise validation(refused.field, str(refused)) from None


def _text(given: Mapping[str, object], field: str) -> str | None:
    value = given.get(field)
    if value is None or isinstance(value, str):
        return value
    raise validation(field, f"must be text, got {shown(value)}")


def _whole(field: str, value: object, low: int, high: int) -> int:
    # bool is an int to Python, 24.0 equals 24; neither is a whole number to a JSON client.
    if type(value) is not int or not low <= value <= high:
        raise validation(field, f"must be a whole number from {low} to {high}, got {shown(value)}")
    return value


def _ratio(field: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise validation(field, f"must be a number from {low:g} to {high:g}, got {shown(value)}")
    return float(value)


def _switch(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise validation(field, f"must be true or false, got {shown(value)}")
    return value


def _list(given: Mapping[str, object], field: str, count_max: int) -> tuple[str, ...]:
    value = given.get(field, ())
    if not isinstance(value, list | tuple):
        raise validation(field, f"must be a list of texts, got {shown(value)}")
    if len(value) > count_max:
        raise validation(field, f"must have at most {count_max} entries, got {len(value)}")
    for entry in value:
        if not isinstance(entry, str):
            raise validation(field, f"must be a list of texts, got {shown(entry)} in it")
    return tuple(value)


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise validation("metadata", f"must be an object of texts, got {shown(value)}")
    if len(value) > METADATA_KEYS_MAX:
        raise validation(
            "metadata", f"must have at most {METADATA_KEYS_MAX} keys, got {len(value)}"
        )
    for key, text in value.items():
        if not isinstance(key, str) or _METADATA_KEY.fullmatch(key) is None:
            raise validation(
                "metadata",
                "keys must be 1 to 64 letters, digits, '_' or '-', the first a letter, the last "
                f"a letter or digit, got {shown(key)}",
            )
        if not isinstance(text, str) or len(text.encode()) > METADATA_VALUE_BYTES_MAX:
            raise validation(
                "metadata",
                f"values must be text of at most {METADATA_VALUE_BYTES_MAX} bytes, "
                f"got {shown(text)} at {shown(key)}",
            )
    return dict(value)
