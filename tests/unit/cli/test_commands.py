"""Operator commands: what each sends, and what it prints of the answer."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from nexus.cli.main import COMMANDS, nexus
from nexus.cli.version import commit_of
from nexus.version import VERSION

POOL = {"id": "wifi", "type": "ipv4", "cidr": "10.0.0.0/24", "size": 256, "shard_count": 1}
USAGE = {
    "pool_id": "wifi",
    "size": 256,
    "free": 250,
    "held": 3,
    "cooling": 0,
    "locked": 0,
    "reserved": 3,
    "utilization": 0.0119,
}
LEASE = {
    "pool_id": "wifi",
    "subscriber_id": "mac-aabbccdd",
    "resource": "10.0.0.7",
    "alloc_type": "sticky",
    "ttl": 7200,
    "expires_at": "2026-01-01T00:00:00Z",
    "epoch": 1,
}
DEVICE = {"node_id": "node-0011223344556677", "serial": "SN-1", "status": "approved"}
NODE = {"id": "n1", "role": "core", "status": "active"}

# command line, what it sends, the body that it sends
CALLS: list[tuple[list[str], str, Any]] = [
    (
        [
            "pools",
            "create",
            "wifi",
            "--cidr",
            "10.0.0.0/24",
            "--dns",
            "1.1.1.1",
            "--dns",
            "8.8.8.8",
        ],
        "POST /api/v1/pools",
        {"id": "wifi", "cidr": "10.0.0.0/24", "dns": ["1.1.1.1", "8.8.8.8"]},
    ),
    (
        ["pools", "create", "v", "--type", "vlan", "--range", "1-9", "--metadata", "site=a=b"],
        "POST /api/v1/pools",
        {"id": "v", "type": "vlan", "range": "1-9", "metadata": {"site": "a=b"}},
    ),
    (
        ["pools", "create", "p", "--cidr", "10.0.0.0/8", "--pinned", "--max-ttl", "0"],
        "POST /api/v1/pools",
        {"id": "p", "cidr": "10.0.0.0/8", "pinned": True, "max_ttl": 0},
    ),
    (["pools", "delete", "wifi"], "DELETE /api/v1/pools/wifi", None),
    (["pools", "delete", "wifi", "--force"], "DELETE /api/v1/pools/wifi?force=true", None),
    (
        ["allocations", "create", "wifi", "s1", "--ttl", "60", "--provisional"],
        "POST /api/v1/allocations",
        {"pool_id": "wifi", "subscriber_id": "s1", "ttl": 60, "provisional": True},
    ),
    (["allocations", "show", "a/b"], "GET /api/v1/allocations/a%2Fb", None),
    (
        ["allocations", "show", "s1", "--pool-id", "wifi"],
        "GET /api/v1/allocations/s1?pool_id=wifi",
        None,
    ),
    (
        ["allocations", "renew", "s1", "--ttl", "9"],
        "POST /api/v1/allocations/s1/renew",
        {"ttl": 9},
    ),
    (["allocations", "renew", "s1"], "POST /api/v1/allocations/s1/renew", {}),
    (["allocations", "release", "s1"], "DELETE /api/v1/allocations/s1", None),
    (["nodes", "show", "n1"], "GET /api/v1/nodes/n1", None),
    (["nodes", "drain", "n1"], "POST /api/v1/nodes/n1/drain", {}),
    (["nodes", "resume", "n1"], "DELETE /api/v1/nodes/n1/drain", None),
    (
        ["nodes", "fence", "n1", "--statement", "power cut"],
        "POST /api/v1/nodes/n1/fence",
        {"statement": "power cut"},
    ),
    (["voters", "show"], "GET /api/v1/voters", None),
    (["voters", "change", "a", "b", "c"], "PUT /api/v1/voters", {"voters": ["a", "b", "c"]}),
    (
        ["allocations", "confirm-retired", "s1", "wifi", "10.0.0.7"],
        "POST /api/v1/allocations/s1/confirm-retired",
        {"pool_id": "wifi", "resource": "10.0.0.7"},
    ),
    (["devices", "show", "SN-1"], "GET /api/v1/devices/SN-1", None),
    (["devices", "approve", "SN-1"], "POST /api/v1/devices/SN-1/approve", {}),
    (["devices", "reject", "SN-1"], "POST /api/v1/devices/SN-1/reject", {}),
    (["devices", "revoke", "SN-1"], "POST /api/v1/devices/SN-1/revoke", {}),
    (
        ["devices", "assign", "SN-1", "berlin"],
        "PUT /api/v1/devices/SN-1",
        {"site_id": "berlin"},
    ),
]


@pytest.mark.parametrize(("arguments", "call", "body"), CALLS, ids=lambda value: str(value)[:60])
def test_what_is_sent(shell: Any, arguments: list[str], call: str, body: Any) -> None:
    shell.on(call, b"" if call.startswith("DELETE") else {"id": "x", "warnings": ["take care"]})
    result = shell.run(*arguments)
    assert result.exit_code == 0, result.output
    assert shell.sent() == [(call, body)]
    if not call.startswith("DELETE"):
        assert "take care" in result.stderr


LISTS: list[tuple[list[str], str, str, dict[str, Any]]] = [
    (
        ["allocations", "list", "--retired"],
        "/api/v1/allocations?retired=true&limit=1000",
        "allocations",
        LEASE,
    ),
    (["pools", "list"], "/api/v1/pools?limit=1000", "pools", POOL),
    (
        ["allocations", "list", "--pool-id", "wifi", "--node-id", "n1"],
        "/api/v1/allocations?pool_id=wifi&node_id=n1&limit=1000",
        "allocations",
        LEASE,
    ),
    (
        ["allocations", "expiring", "--within", "60"],
        "/api/v1/allocations/expiring?within=60&limit=1000",
        "allocations",
        LEASE,
    ),
    (["nodes", "list", "--limit", "5"], "/api/v1/nodes?limit=5", "nodes", NODE),
    (
        ["devices", "list", "--status", "pending"],
        "/api/v1/devices?status=pending&limit=1000",
        "devices",
        DEVICE,
    ),
    (
        ["shards", "list", "wifi", "--limit", "0"],
        "/api/v1/pools/wifi/shards?limit=10000",
        "shards",
        {"index": 0, "range": "10.0.0.0/24", "owner": "n1", "epoch": 1, "state": "serving"},
    ),
]


@pytest.mark.parametrize(("arguments", "target", "noun", "item"), LISTS)
def test_lists_print_tables_or_json(
    shell: Any, arguments: list[str], target: str, noun: str, item: dict[str, Any]
) -> None:
    shell.on(f"GET {target}", {noun: [item], "count": 1, "total": 1})
    table = shell.run(*arguments)
    assert table.exit_code == 0, table.output
    lines = table.stdout.splitlines()
    assert len(lines) == 2
    assert str(next(iter(item.values()))) in lines[1]
    assert shell.json(*arguments) == {noun: [item], "count": 1, "total": 1}


def test_pages_are_joined_up_to_the_limit(shell: Any) -> None:
    def page(first: int, last: int, cursor: str | None) -> dict[str, Any]:
        pools = [{**POOL, "id": f"p{number}"} for number in range(first, last)]
        body = {"pools": pools, "count": len(pools), "total": 5}
        return {**body, "next_cursor": cursor} if cursor else body

    shell.on("GET /api/v1/pools?limit=10000", page(0, 3, "c1"))
    shell.on("GET /api/v1/pools?limit=10000&cursor=c1", page(3, 5, None))
    assert [pool["id"] for pool in shell.json("pools", "list", "--limit", "0")["pools"]] == [
        f"p{number}" for number in range(5)
    ]
    shell.on("GET /api/v1/pools?limit=4", page(0, 3, "c1"))
    shell.on("GET /api/v1/pools?limit=1&cursor=c1", page(3, 4, "c2"))
    result = shell.run("pools", "list", "--limit", "4")
    assert len(result.stdout.splitlines()) == 5
    assert "4 of 5" in result.stderr


def test_a_pool_is_shown_with_its_usage(shell: Any) -> None:
    shell.on("GET /api/v1/pools/wifi", POOL).on("GET /api/v1/pools/wifi/usage", USAGE)
    shown = dict(
        line.split(None, 1) for line in shell.run("pools", "show", "wifi").stdout.splitlines()
    )
    assert shown["cidr"] == "10.0.0.0/24"
    assert shown["held"] == "3"
    assert shell.json("pools", "show", "wifi") == {"pool": POOL, "usage": USAGE}


def test_a_pool_from_a_file(shell: Any) -> None:
    shell.on("POST /api/v1/pools", POOL, 201)
    definition = json.dumps({"id": "wifi", "cidr": "10.0.0.0/24"})
    assert shell.run("pools", "create", "--file", "-", input=definition).exit_code == 0
    assert shell.sent() == [("POST /api/v1/pools", json.loads(definition))]


@pytest.mark.parametrize(
    ("arguments", "input"),
    [
        (["pools", "create"], None),
        (["pools", "create", "--file", "-"], "{"),
        (["pools", "create", "--file", "-"], "[]"),
        (["pools", "create", "x", "--metadata", "nothing"], None),
        (["allocations", "create", "p", "s", "--alloc-type", "eternal"], None),
        (["pools", "frobnicate"], None),
        (["frobnicate"], None),
    ],
)
def test_wrong_usage_sends_nothing(shell: Any, arguments: list[str], input: str | None) -> None:
    result = shell.run(*arguments, input=input)
    assert result.exit_code == 2
    assert shell.sent() == []


def test_a_fence_without_evidence_is_asked_for_it(shell: Any) -> None:
    shell.on("POST /api/v1/nodes/n1/fence", NODE)
    assert shell.run("nodes", "fence", "n1", input="saw it burn\n").exit_code == 0
    assert shell.sent()[0][1] == {"statement": "saw it burn"}


def test_import_prints_refused_rows_and_fails(shell: Any, tmp_path: Path) -> None:
    path = tmp_path / "devices.csv"
    path.write_bytes(b"serial,site_id\nSN-1,berlin\n")
    call = "POST /api/v1/devices/import"
    shell.on(call, {"imported": 1, "paired": 0, "errors": ["row 2: site_full"]})
    result = shell.run("devices", "import", str(path))
    assert result.exit_code == 1
    assert "row 2: site_full" in result.stderr
    assert shell.script.seen[0][1]["Content-Type"] == "text/csv"
    assert shell.script.seen[0][2] == path.read_bytes()


def test_explain_tells_the_story(shell: Any) -> None:
    story = {
        "pool_id": "wifi",
        "resource": "10.0.0.7",
        "state": "cooling",
        "shard": {"index": 0, "state": "serving", "owner": "n1", "epoch": 3},
        "history": [
            {
                "subscriber_id": "s1",
                "from": "2026-01-01T00:00:00Z",
                "epoch": 3,
                "reason": "released",
            }
        ],
    }
    shell.on("GET /api/v1/explain/wifi/10.0.0.7", story)
    text = shell.run("explain", "wifi", "10.0.0.7").stdout
    assert "cooling" in text
    assert "0, serving, owner n1, epoch 3" in text
    assert "released" in text
    assert shell.json("explain", "wifi", "10.0.0.7") == story


def test_a_resource_with_a_slash_is_one_segment(shell: Any) -> None:
    call = "GET /api/v1/explain/v6/2001%3Adb8%3A%3A%2F56"
    shell.on(call, {"pool_id": "v6", "resource": "2001:db8::/56", "state": "free"})
    assert shell.run("explain", "v6", "2001:db8::/56").exit_code == 0
    assert shell.script.calls() == [call]


def test_a_refusal_is_told_and_fails(shell: Any) -> None:
    error = {"error": "no quorum", "code": "quorum_unavailable", "definite": False, "cause_id": "c"}
    shell.on("POST /api/v1/allocations", error, 503)
    result = shell.run("allocations", "create", "wifi", "s1")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "no quorum (quorum_unavailable)" in result.stderr
    assert "may still happen" in result.stderr


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff"])
def test_what_is_no_nexus_is_told(shell: Any, body: bytes) -> None:
    shell.on("GET /api/v1/pools?limit=1000", body)
    result = shell.run("pools", "list")
    assert result.exit_code == 1
    assert "is no Nexus" in result.stderr


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("http://127.0.0.1:1", "cannot be reached"),
        ("127.0.0.1:1", "cannot be reached"),
        ("ftp://x", "is no server"),
        ("http://x:99999", "is no server"),
        ("http://", "is no server"),
    ],
)
def test_no_server(server: str, said: str) -> None:
    result = CliRunner().invoke(nexus, ["pools", "list", "--server", server])
    assert result.exit_code == 1
    assert said in result.stderr


def test_nothing_from_the_server_steers_the_terminal(shell: Any) -> None:
    evil = {**POOL, "id": "\x1b[2J[bold]x[/bold]"}
    shell.on("GET /api/v1/pools?limit=1000", {"pools": [evil], "count": 1, "total": 1})
    output = shell.run("pools", "list").stdout
    assert "\x1b" not in output
    assert "?[2J[bold]x[/bold]" in output


def test_every_command_and_its_options_have_help() -> None:
    runner = CliRunner()
    assert runner.invoke(nexus, ["--help"]).stdout.count("\n") > len(COMMANDS)
    for name, (place, _line) in COMMANDS.items():
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert command.name == name
        for each in command.commands.values() if isinstance(command, click.Group) else [command]:
            assert each.help, f"{name} {each.name}"
            assert runner.invoke(each, ["--help"]).exit_code == 0


def test_version_names_the_version() -> None:
    assert CliRunner().invoke(nexus, ["version"]).stdout.startswith(f"Nexus {VERSION}")


def test_the_commit_is_read_from_the_checkout(tmp_path: Path) -> None:
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    assert commit_of(tmp_path) is None
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert commit_of(tmp_path) is None
    (git / "packed-refs").write_text("# pack-refs\n" + "a" * 40 + " refs/heads/main\n")
    assert commit_of(tmp_path) == "a" * 12
    (git / "refs" / "heads" / "main").write_text("b" * 40 + "\n")
    assert commit_of(tmp_path) == "b" * 12
    (git / "HEAD").write_text("c" * 40 + "\n")
    assert commit_of(tmp_path) == "c" * 12


def test_operator_commands_import_neither_the_daemon_nor_the_table_printer() -> None:
    """An operator's loop over a thousand subscribers must not pay for what it does not use."""
    code = (
        "import sys, nexus.cli.allocations, nexus.cli.version, nexus.cli.main;"
        "heavy = {'rich.table', 'aiohttp', 'asyncio', 'nexus.core', 'nexus.rest', 'yaml'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
