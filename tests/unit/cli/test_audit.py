"""`nexus audit`: quiet where the books are right, and each check has a lie that trips it."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.cli.audit import CHECKS

UNITS = {"free": 5, "held": 2, "cooling": 0, "locked": 0, "reserved": 1}
USAGE = {"pool_id": "p", "size": 8, **UNITS, "utilization": 0.1}
SHARD = {"index": 0, "state": "serving", "owner": "n1", "epoch": 1, **UNITS}
LEASES = [
    {"subscriber_id": "s1", "resource": "10.0.0.1"},
    {"subscriber_id": "s2", "resource": "10.0.0.2"},
]


def books(
    shell: Any,
    usage: dict[str, Any] = USAGE,
    shard: dict[str, Any] = SHARD,
    leases: list[dict[str, Any]] = LEASES,
) -> None:
    shell.on("GET /api/v1/pools?limit=10000", {"pools": [{"id": "p"}], "count": 1, "total": 1})
    shell.on("GET /api/v1/pools/p/usage", usage)
    shell.on("GET /api/v1/pools/p/shards?limit=10000", {"shards": [shard], "total": 1})
    shell.on(
        "GET /api/v1/allocations?pool_id=p&limit=10000",
        {"allocations": leases, "total": len(leases)},
    )


def test_right_books_are_well(shell: Any) -> None:
    books(shell)
    result = shell.run("audit")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{len(CHECKS)} checks of 1 pools: all is well\n"
    assert shell.json("audit", "--pool-id", "p")["failed"] == 0


@pytest.mark.parametrize(
    ("lie", "check"),
    [
        ({"usage": {**USAGE, "size": 9}}, "units add up"),
        ({"shard": {**SHARD, "held": 3}}, "shards add up"),
        ({"shard": {**SHARD, "owner": None}}, "owners are named"),
        ({"shard": {**SHARD, "epoch": 0}}, "owners are named"),
    ],
)
def test_a_lie_is_found(shell: Any, lie: dict[str, Any], check: str) -> None:
    books(shell, **lie)
    result = shell.run("audit")
    assert result.exit_code == 1
    assert check in result.stdout


@pytest.mark.parametrize(
    ("second", "field", "target"),
    [
        ({"subscriber_id": "s9", "resource": "10.0.0.1"}, "resource", "10.0.0.1"),
        ({"subscriber_id": "s1", "resource": "10.0.0.9"}, "subscriber_id", "s1"),
    ],
)
def test_a_double_is_found_only_if_it_stays(
    shell: Any, second: dict[str, Any], field: str, target: str
) -> None:
    books(shell, leases=[*LEASES, second])
    again = f"GET /api/v1/allocations?pool_id=p&{field}={target}&limit=10000"
    shell.on(again, {"allocations": [LEASES[0]], "total": 1})
    assert shell.run("audit").exit_code == 0
    shell.script.replies[again].clear()
    shell.on(again, {"allocations": [LEASES[0], second], "total": 2})
    result = shell.run("audit")
    assert result.exit_code == 1
    assert f"{field} {target} is allocated twice" in result.stdout


def test_a_passing_mismatch_is_read_again(shell: Any) -> None:
    """An allocation between two readings moves a unit; that is life, not a defect."""
    books(shell, usage={**USAGE, "size": 9})
    shell.on("GET /api/v1/pools/p/usage", USAGE)
    assert shell.run("audit").exit_code == 0
