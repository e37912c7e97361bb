"""A running cluster as one of its nodes tells it over REST: members, pools, shards, allocations.

Read only.  What a node tells of others is its view: owners may have changed since it last heard.
"""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from nexus.errors import NexusError
from nexus.model.pool import PoolSpec
from nexus.resources import geometry, pool_spec_from
from nexus.resources.base import Geometry

PAGE_ITEMS = 10_000
TIMEOUT_S = 10.0


class LiveError(Exception):
    """The node cannot be read; the text says why."""


class LiveMember(msgspec.Struct, frozen=True):
    """A member."""

    id: str
    role: str
    status: str = "active"


class LiveShard(msgspec.Struct, frozen=True):
    """A shard, and who owns it."""

    pool: str
    index: int
    owner: str | None
    epoch: int
    held: int
    free: int
    hold_s: float | None
    """What is left of its owner's hold, where the asked node knows."""


class LiveLease(msgspec.Struct, frozen=True):
    """An allocation."""

    pool: str
    shard: int
    subscriber: str
    resource: str
    site: str | None
    """The member that asked for it."""
    left_s: float | None
    """Until its told end; None for a permanent one."""


class LivePool(msgspec.Struct, frozen=True):
    """A pool and what follows from its definition."""

    spec: PoolSpec
    geometry: Geometry


class Live(msgspec.Struct, frozen=True):
    """Everything that a question needs."""

    members: tuple[LiveMember, ...]
    pools: tuple[LivePool, ...]
    shards: tuple[LiveShard, ...]
    leases: tuple[LiveLease, ...]


def fetch(url: str, now_s: float) -> Live:
    """Read a node.

    Parameters
    ----------
    url : where its API is, ``http://host:9000``.
    now_s : the present, seconds since 1970; ends of leases are told as instants.
    """
    base = url.rstrip("/") + "/api/v1"
    members = tuple(
        LiveMember(each["id"], each["role"], each.get("status", "active"))
        for each in _all(f"{base}/nodes", "nodes")
    )
    pools: dict[str, LivePool] = {}
    shards: list[LiveShard] = []
    for each in _all(f"{base}/pools", "pools"):
        pool = _pool(each)
        pools[pool.spec.id] = pool
        shards += [
            LiveShard(
                pool.spec.id,
                shard["index"],
                shard.get("owner"),
                shard.get("epoch", 0),
                shard.get("held", 0),
                shard.get("free", 0) + shard.get("locked", 0),
                shard.get("hold_remaining_seconds"),
            )
            for shard in _all(f"{base}/pools/{urllib.parse.quote(pool.spec.id)}/shards", "shards")
        ]
    leases = tuple(
        _lease(each, pools, now_s)
        for each in _all(f"{base}/allocations", "allocations")
        if each["pool_id"] in pools
    )
    return Live(members, tuple(pools.values()), tuple(shards), leases)


def _pool(raw: dict[str, Any]) -> LivePool:
    wanted = {key: raw[key] for key in PoolSpec.__struct_fields__ if raw.get(key) is not None}
    try:
        spec, _ = pool_spec_from(wanted)
        return LivePool(spec, geometry(spec))
    except NexusError as problem:
        raise LiveError(f"pool {raw.get('id')}: {problem.message}") from None


def _lease(raw: dict[str, Any], pools: dict[str, LivePool], now_s: float) -> LiveLease:
    kind = pools[raw["pool_id"]].geometry
    resource = str(raw["resource"])
    ends_at = raw.get("expires_at")
    left_s = None
    if ends_at is not None:
        left_s = max(0.0, datetime.fromisoformat(ends_at).timestamp() - now_s)
    shard = kind.shard_of(kind.parse(resource))
    site = raw.get("node_id")
    return LiveLease(raw["pool_id"], shard, raw["subscriber_id"], resource, site, left_s)


def _all(url: str, items: str) -> Iterator[dict[str, Any]]:
    """All pages of a list."""
    cursor: str | None = None
    while True:
        query = {"limit": str(PAGE_ITEMS)} | ({"cursor": cursor} if cursor else {})
        page = _get(f"{url}?{urllib.parse.urlencode(query)}")
        yield from page[items]
        cursor = page.get("next_cursor")
        if not cursor:
            return


def _get(url: str) -> Any:
    if not url.startswith(("http://", "https://")):
        raise LiveError(f"{url}: expected http://host:port or https://host:port")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as reply:
            return msgspec.json.decode(reply.read())
    except (OSError, urllib.error.URLError, msgspec.DecodeError) as problem:
        raise LiveError(f"{url}: {problem}") from None
