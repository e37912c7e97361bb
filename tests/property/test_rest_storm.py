"""Whatever comes in over HTTP: an answer in the API's shapes, and only checked requests inside."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nexus.errors import REGISTRY
from nexus.model import ids
from tests.support.fake_api import Edge, refuse

EDGE = Edge()
EDGE.api.answer = refuse("starting", retry_after_s=1)
ROUTES = [route for route in EDGE.app.router.routes if not route.path.endswith("/watch")]

WORDS = ("pool_id", "subscriber_id", "id", "cidr", "prefix", "ttl", "alloc_type", "ip", "node_id",
         "allocations", "serial", "mac", "site_id", "metadata", "dns", "exclusions", "type",
         "range", "backup_node_id", "sharding_factor", "cooldown", "mode")  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "wifi", "10.0.0.0/24", "2001:db8::/48", "ipv4", "sticky", "SN-1", "a b"])
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6)
    ),
    max_leaves=12,
)
BODIES = (
    st.binary(max_size=60)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=8).map(
        lambda value: json.dumps(value).encode()
    )
)
SEGMENTS = st.sampled_from(["wifi", "aa:bb", "a%2Fb", "%ff", "..", "%00", "expiring", "a;b"]) | (
    st.text(st.characters(min_codepoint=33, exclude_characters="/?#"), min_size=1, max_size=12)
)
QUERIES = st.just("") | st.lists(
    st.tuples(
        st.sampled_from(["pool_id", "limit", "cursor", "within", "force", "node_id", "resource"]),
        st.sampled_from(["", "0", "-1", "wifi", "a/b", "%ff", "true", "1e9", "\u0664", "a" * 300]),
    ),
    max_size=3,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))


@st.composite
def targets(draw: st.DrawFn) -> tuple[str, str]:
    """A method and a target near some route."""
    route = draw(st.sampled_from(ROUTES))
    parts = [draw(SEGMENTS) if part.startswith("{") else part for part in route.path.split("/")]
    query = draw(QUERIES)
    methods = st.just(route.method) | st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"])
    return draw(methods), "/".join(parts) + (f"?{query}" if query else "")


def _check_asked(asked: Any) -> None:
    """Ids in a request to the core are legal ones."""
    if not isinstance(asked, msgspec.Struct):
        return
    checks = {
        "pool_id": ids.check_pool_id,
        "node_id": ids.check_node_id,
        "subscriber_id": ids.check_subscriber_id,
        "backup_node_id": ids.check_node_id,
    }
    for name, check in checks.items():
        value = getattr(asked, name, None)
        if value is not None:
            check(value)
    assert 1 <= getattr(asked, "limit", 1) <= 10_000
    assert (getattr(asked, "ttl_s", None) or 1) > 0


@given(targets(), BODIES)
def test_any_request_gets_an_answer_in_shape(target: tuple[str, str], body: bytes) -> None:
    EDGE.api.asked.clear()
    reply = EDGE.request(*target, body)
    assert reply.status != 500, reply.body
    for asked in EDGE.api.asked:
        _check_asked(asked)
        for item in getattr(asked, "items", ()):
            _check_asked(item)
    if reply.status >= 400 and reply.content_type == "application/json":
        error = json.loads(reply.body)
        if "code" in error:
            assert REGISTRY[error["code"]].http_status == reply.status
            assert error["cause_id"] == "c1"
        else:
            assert target[1].split("?")[0] in ("/ready", "/api/v1/health")


def test_a_storm_reaches_the_core_too() -> None:
    """Prove that the checks above see requests at all."""
    EDGE.api.asked.clear()
    EDGE.request("POST", "/api/v1/allocations", {"pool_id": "p", "subscriber_id": "s"})
    assert EDGE.api.asked
