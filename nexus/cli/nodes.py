"""`nexus nodes`: members of the cluster."""

from __future__ import annotations

import click

from nexus.cli.client import segment
from nexus.cli.operator import Operator, limit_option, operator_command
from nexus.cli.output import Column

NODES = "/api/v1/nodes"
COLUMNS = (
    Column("ID", "id"),
    Column("ROLE", "role"),
    Column("STATUS", "status"),
    Column("SHARDS", "shards", right=True),
    Column("WEIGHT", "weight", right=True),
    Column("BEST BEFORE", "best_before"),
)


@click.group()
def nodes() -> None:
    """List and show members, drain and fence them."""


@operator_command(nodes, "list")
@limit_option
def list_nodes(operator: Operator, limit: int) -> None:
    """All members."""
    operator.show_list(NODES, "nodes", COLUMNS, limit=limit)


@operator_command(nodes)
@click.argument("node_id")
def show(operator: Operator, node_id: str) -> None:
    """One member."""
    operator.show_reply(operator.server.call("GET", f"{NODES}/{segment(node_id)}"))


@operator_command(nodes)
@click.argument("node_id")
def drain(operator: Operator, node_id: str) -> None:
    """Let a member hand its shards over; it takes no new allocations."""
    reply = operator.server.call("POST", f"{NODES}/{segment(node_id)}/drain", body={})
    operator.show_reply(reply)


@operator_command(nodes)
@click.argument("node_id")
def resume(operator: Operator, node_id: str) -> None:
    """Let a drained member own shards again."""
    operator.show_reply(operator.server.call("DELETE", f"{NODES}/{segment(node_id)}/drain"))


@operator_command(nodes)
@click.argument("node_id")
@click.option(
    "--statement",
    prompt="How do you know that it is off and stays off",
    help="Your evidence; it goes to the audit log.",
)
def fence(operator: Operator, node_id: str, statement: str) -> None:
    """Declare a member dead, so that others may have its shards at once.

    If it still forwards traffic, two subscribers can have one address: cut its power first.
    """
    path = f"{NODES}/{segment(node_id)}/fence"
    operator.show_reply(operator.server.call("POST", path, body={"statement": statement}))
