"""`nexus audit`: sampled invariants of a running server, over the API alone.

Each check reads what the server says and asks whether it can be true: units that add up, shards
that add up to their pool, no resource with two subscribers, no subscriber with two resources in a
pool.  The server goes on working meanwhile, so what looks wrong is read again before it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import click

from nexus.cli.client import Json, Server, segment
from nexus.cli.operator import REFUSED_STATUS, Operator, operator_command
from nexus.cli.output import Column, print_json, print_table

STATES = ("free", "held", "cooling", "locked", "reserved")
ATTEMPTS = 5
COLUMNS = (Column("POOL", "pool_id"), Column("CHECK", "check"), Column("FINDING", "finding"))

Check = Callable[[Server, str], str | None]


def units_add_up(server: Server, pool_id: str) -> str | None:
    """free + held + cooling + locked + reserved = size."""
    usage = server.call("GET", f"/api/v1/pools/{segment(pool_id)}/usage")
    total = sum(usage[state] for state in STATES)
    return None if total == usage["size"] else f"units add up to {total}, size is {usage['size']}"


def shards_add_up(server: Server, pool_id: str) -> str | None:
    """Each state's units over all shards are the pool's."""
    path = f"/api/v1/pools/{segment(pool_id)}"
    usage = server.call("GET", f"{path}/usage")
    shards, _total = server.pages(f"{path}/shards", "shards", {}, 0)
    sums = {state: sum(shard[state] for shard in shards) for state in STATES}
    wrong = [
        f"{state} {sums[state]} of {usage[state]}"
        for state in STATES
        if sums[state] != usage[state]
    ]
    return f"shards do not add up: {', '.join(wrong)}" if wrong else None


def owners_are_named(server: Server, pool_id: str) -> str | None:
    """A shard that serves has an owner and an epoch."""
    path = f"/api/v1/pools/{segment(pool_id)}/shards"
    shards, _total = server.pages(path, "shards", {}, 0)
    for shard in shards:
        if shard["state"] == "serving" and not (shard.get("owner") and shard["epoch"] > 0):
            return f"shard {shard['index']} serves without owner or epoch"
    return None


def nothing_is_doubled(server: Server, pool_id: str) -> str | None:
    """No resource has two subscribers, no subscriber has two resources of the pool."""
    items, _total = server.pages("/api/v1/allocations", "allocations", {"pool_id": pool_id}, 0)
    for field in ("resource", "subscriber_id"):
        seen: set[str] = set()
        for item in items:
            if item[field] in seen and _still_doubled(server, pool_id, field, item[field]):
                return f"{field} {item[field]} is allocated twice"
            seen.add(item[field])
    return None


def _still_doubled(server: Server, pool_id: str, field: str, value: str) -> bool:
    """Whether one reading shows both; pages are read one after the other, and things move."""
    query = {"pool_id": pool_id, field: value}
    items, _total = server.pages("/api/v1/allocations", "allocations", query, 0)
    return len(items) > 1


CHECKS: dict[str, Check] = {
    "units add up": units_add_up,
    "shards add up": shards_add_up,
    "owners are named": owners_are_named,
    "nothing is doubled": nothing_is_doubled,
}


def findings(server: Server, pool_ids: list[str]) -> Iterator[Json]:
    """One row for each check of each pool; ``finding`` is None where all is well."""
    for pool_id in pool_ids:
        for name, check in CHECKS.items():
            finding = check(server, pool_id)
            for _attempt in range(ATTEMPTS - 1):
                if finding is None:
                    break
                finding = check(server, pool_id)
            yield {"pool_id": pool_id, "check": name, "finding": finding}


@operator_command()
@click.option("--pool-id", help="Only this pool.")
def audit(operator: Operator, pool_id: str | None) -> None:
    """Check a running server's books; status 1 if they do not add up."""
    pools, _total = operator.server.pages("/api/v1/pools", "pools", {}, 0)
    pool_ids = [pool["id"] for pool in pools if pool_id in (None, pool["id"])]
    rows = list(findings(operator.server, pool_ids))
    bad = [row for row in rows if row["finding"] is not None]
    if operator.json:
        print_json({"checks": rows, "count": len(rows), "failed": len(bad)})
    elif bad:
        print_table(COLUMNS, bad)
    else:
        click.echo(f"{len(rows)} checks of {len(pool_ids)} pools: all is well")
    if bad:
        raise SystemExit(REFUSED_STATUS)
