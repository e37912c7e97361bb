"""`nexus allocations`: which subscriber holds which resource."""

from __future__ import annotations

from typing import Any

import click

from nexus.cli.client import segment
from nexus.cli.operator import Operator, limit_option, operator_command
from nexus.cli.output import Column

ALLOCATIONS = "/api/v1/allocations"
COLUMNS = (
    Column("POOL", "pool_id"),
    Column("SUBSCRIBER", "subscriber_id"),
    Column("RESOURCE", "resource"),
    Column("TYPE", "alloc_type"),
    Column("TTL", "ttl", right=True),
    Column("EXPIRES", "expires_at"),
    Column("NODE", "node_id"),
    Column("EPOCH", "epoch", right=True),
)
pool_option = click.option("--pool-id", help="Only of this pool.")


@click.group()
def allocations() -> None:
    """List, show, create, renew and release allocations."""


@operator_command(allocations, "list")
@pool_option
@click.option("--subscriber-id")
@click.option("--node-id")
@click.option("--resource", help="An address, prefix, VLAN or port.")
@click.option("--retired", is_flag=True, default=None, help="Only those to be confirmed.")
@limit_option
def list_allocations(operator: Operator, limit: int, retired: bool | None, **query: Any) -> None:
    """All allocations, or those that the options select."""
    if retired:
        query["retired"] = "true"
    operator.show_list(ALLOCATIONS, "allocations", COLUMNS, limit=limit, query=query)


@operator_command(allocations)
@click.option("--within", type=click.IntRange(0), default=3600, show_default=True, help="Seconds.")
@pool_option
@limit_option
def expiring(operator: Operator, limit: int, **query: Any) -> None:
    """Those that end soon, the first to end first."""
    path = f"{ALLOCATIONS}/expiring"
    operator.show_list(path, "allocations", COLUMNS, limit=limit, query=query)


@operator_command(allocations)
@click.argument("subscriber_id")
@pool_option
def show(operator: Operator, subscriber_id: str, pool_id: str | None) -> None:
    """A subscriber's allocation."""
    path = f"{ALLOCATIONS}/{segment(subscriber_id)}"
    operator.show_reply(operator.server.call("GET", path, query={"pool_id": pool_id}))


@operator_command(allocations)
@click.argument("pool_id")
@click.argument("subscriber_id")
@click.option("--ip", help="This address and no other.")
@click.option("--resource", help="This resource and no other, any type.")
@click.option("--ttl", type=click.IntRange(0), help="Seconds.")
@click.option("--alloc-type", type=click.Choice(["session", "sticky", "permanent"]))
@click.option("--node-id")
@click.option("--backup-node-id")
@click.option("--provisional", is_flag=True, default=None, help="A short lease will do.")
def create(operator: Operator, **options: Any) -> None:
    """Give a resource of a pool to a subscriber."""
    body = {key: value for key, value in options.items() if value is not None}
    operator.show_reply(operator.server.call("POST", ALLOCATIONS, body=body))


@operator_command(allocations)
@click.argument("subscriber_id")
@click.option("--ttl", type=click.IntRange(0), help="Seconds; default: as it was.")
@pool_option
def renew(operator: Operator, subscriber_id: str, ttl: int | None, pool_id: str | None) -> None:
    """Begin a subscriber's TTL anew."""
    path = f"{ALLOCATIONS}/{segment(subscriber_id)}/renew"
    body = {} if ttl is None else {"ttl": ttl}
    reply = operator.server.call("POST", path, query={"pool_id": pool_id}, body=body)
    operator.show_reply(reply)


@operator_command(allocations)
@click.argument("subscriber_id")
@pool_option
def release(operator: Operator, subscriber_id: str, pool_id: str | None) -> None:
    """Take a subscriber's resource back."""
    path = f"{ALLOCATIONS}/{segment(subscriber_id)}"
    reply = operator.server.call("DELETE", path, query={"pool_id": pool_id})
    operator.show_reply(reply, f"allocation of {subscriber_id} released")


@operator_command(allocations, "confirm-retired")
@click.argument("subscriber_id")
@click.argument("pool_id")
@click.argument("resource")
def confirm_retired(operator: Operator, subscriber_id: str, pool_id: str, resource: str) -> None:
    """The younger of a subscriber's two allocations is out of use: take it back.

    A partition can give a subscriber two; `nexus allocations list --retired` lists the younger.
    """
    path = f"{ALLOCATIONS}/{segment(subscriber_id)}/confirm-retired"
    body = {"pool_id": pool_id, "resource": resource}
    reply = operator.server.call("POST", path, body=body)
    operator.show_reply(reply, f"{resource} taken back from {subscriber_id}")
