"""Bad requests for every route of an OpenAPI document, generated from the document itself.

A shot is one request that must not succeed and must not change anything: wrong types in each
property, bodies that are huge, truncated, deep or no UTF-8, unknown and illegal ids, bad query
values.  A new route is shot at without a line here; only how a legal value of a new property
looks may have to be added to `LEGAL`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

METHODS = ("get", "put", "post", "delete", "patch")
BODY_BYTES_MAX = 1 << 20

# A legal value per property, so that only the one property under fire is wrong.
LEGAL: Mapping[str, Any] = {
    "id": "storm-pool",
    "cidr": "10.251.0.0/24",
    "pool_id": "storm-nowhere",
    "subscriber_id": "storm-sub",
    "backup_node_id": "storm-node",
    "node_id": "storm-node",
    "serial": "STORM0001",
    "mac": "02:00:00:00:00:01",
    "site_id": "storm-site",
    "ttl": 60,
    "allocations": [],
    "csr": "none",
}

ILLEGAL_SEGMENTS = (
    "%00",
    "%ff%fe",
    "%zz",
    "%20",
    "..%2f..%2fetc%2fpasswd",
    quote("'; DROP TABLE pools;--"),
    quote("<script>alert(1)</script>"),
    quote("💥"),
    "-",
    "x" * 3000,
)
UNKNOWN_SEGMENT = "storm-unknown"

WRONG: Mapping[str, tuple[Any, ...]] = {
    "string": (7, 1.5, True, [], {}, ["a"]),
    "integer": ("x", 1.5, [], {}, 10**30, -(10**30)),
    "number": ("x", [], {}),
    "boolean": ("x", [], {}, 7),
    "array": ("x", 7, {}, True, [{"nope": [None]}]),
    "object": ("x", 7, [], True),
}

WRONG_QUERY: Mapping[str, tuple[str, ...]] = {
    "integer": ("x", "-1", "1.5", "1e3", "9" * 40, "%ff", "0x10", "%00"),
    "boolean": ("perhaps", "%ff", "2"),
    "string": ("%ff%fe",),
}


@dataclass(frozen=True)
class Shot:
    """One bad request; ``why`` says what is bad about it."""

    method: str
    path: str
    why: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def reads(self) -> bool:
        """A read may answer 200 (an unknown filter finds nothing); a write may not."""
        return self.method in ("GET", "HEAD")


def shots(document: Mapping[str, Any]) -> Iterator[Shot]:
    """Every shot at every route."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                yield from _at_segments(method.upper(), path)
                yield from _at_query(method.upper(), path, operation)
                yield from _at_body(method.upper(), path, operation, document)


def fill(path: str, segment: str = UNKNOWN_SEGMENT) -> str:
    """The path with every parameter filled in."""
    return re.sub(r"\{[^}]*\}", lambda _: segment, path)


def _at_segments(method: str, path: str) -> Iterator[Shot]:
    names = re.findall(r"\{([^}]*)\}", path)
    for name in names:
        for segment in ILLEGAL_SEGMENTS:
            aimed = path.replace("{" + name + "}", segment)
            yield Shot(method, fill(aimed), f"{name}={segment[:30]}", _empty(method))
    if names:
        yield Shot(method, fill(path), "unknown ids", _empty(method))


def _empty(method: str) -> bytes | None:
    return b"{}" if method in ("POST", "PUT", "PATCH") else None


def _at_query(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[Shot]:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] != "query":
            continue
        kind = parameter.get("schema", {}).get("type", "string")
        for value in WRONG_QUERY.get(kind, WRONG_QUERY["string"]):
            aimed = f"{fill(path)}?{parameter['name']}={value}"
            yield Shot(method, aimed, f"query {parameter['name']}={value[:20]}", _empty(method))


def _at_body(
    method: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[Shot]:
    described = operation.get("requestBody")
    if described is None:
        return
    aimed = fill(path)
    for why, body in _broken_bodies():
        yield Shot(method, aimed, why, body)
    schema = described["content"].get("application/json", {}).get("schema")
    if schema is None:
        for why, body in _broken_files():
            yield Shot(method, aimed, why, body)
        return
    for why, value in wrong_values(schema, document):
        yield Shot(method, aimed, why, json.dumps(value).encode())


def _broken_bodies() -> Iterator[tuple[str, bytes]]:
    yield "too large", b'{"a":"' + b"x" * BODY_BYTES_MAX + b'"}'
    yield "no UTF-8", b'{"pool_id":"\xff\xfe","serial":"\xff\xff\xff\xff","id":"\xff"}'
    yield "UTF-16", '{"pool_id":"a"}'.encode("utf-16")
    yield "truncated", b'{"pool_id":"a","subscriber_id":'
    yield "deep", b'{"a":' * 5000 + b"1" + b"}" * 5000
    yield "deep list", b"[" * 100_000
    yield "trailing", b'{"pool_id":"a"} {"pool_id":"b"} x'
    yield "NaN", b'{"ttl":NaN,"prefix":Infinity}'
    yield "binary", bytes(range(256))
    yield "lone surrogate", b'{"id":"\\ud800","serial":"\\ud800abc","pool_id":"\\udfff"}'
    for word in (b"[]", b'"text"', b"7", b"true", b"[1,2,3]"):
        yield f"not an object: {word.decode()}", word


def _broken_files() -> Iterator[tuple[str, bytes]]:
    yield "ragged", b"serial,site_id\nonly-one\na,b,c\n"
    yield "NULs", b"\x00" * 100 + b",\x00\n"
    yield "quotes", b'"open,quote\n' * 50


def resolve(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema behind its references."""
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _kinds(schema: Mapping[str, Any], document: Mapping[str, Any]) -> set[str]:
    schema = resolve(schema, document)
    if "anyOf" in schema:
        return {kind for each in schema["anyOf"] for kind in _kinds(each, document)}
    kind = schema.get("type")
    if kind is None:
        return {"string"} if "enum" in schema else set()
    return {kind} if isinstance(kind, str) else set(kind)


def legal(schema: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """The required properties of an object, legally filled."""
    schema = resolve(schema, document)
    filled = {name: LEGAL[name] for name in schema.get("required", ()) if name in LEGAL}
    if "cidr" in schema.get("properties", {}):
        filled.setdefault("cidr", LEGAL["cidr"])
    return filled


def wrong_values(
    schema: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects that are legal but for one property, and objects that lack a required one."""
    schema = resolve(schema, document)
    base = legal(schema, document)
    for name in schema.get("required", ()):
        lacking = {key: value for key, value in base.items() if key != name}
        yield f"without {name}", lacking
    for name, described in schema.get("properties", {}).items():
        kinds = _kinds(described, document) - {"null"}
        if not kinds:
            continue
        for value in WRONG[sorted(kinds)[0]] if len(kinds) == 1 else ():
            yield f"{name}={value!r:.30}", {**base, name: value}
        if "enum" in resolve(described, document) or "enum" in str(described):
            yield f"{name}=unknown word", {**base, name: "unknown-word"}
