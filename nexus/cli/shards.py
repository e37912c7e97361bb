"""`nexus shards`: the parts of a pool and who owns them."""

from __future__ import annotations

import click

from nexus.cli.client import segment
from nexus.cli.operator import Operator, limit_option, operator_command
from nexus.cli.output import Column

COLUMNS = (
    Column("INDEX", "index", right=True),
    Column("RANGE", "range"),
    Column("OWNER", "owner"),
    Column("EPOCH", "epoch", right=True),
    Column("STATE", "state"),
    Column("HOLD LEFT", "hold_remaining_seconds", right=True),
    Column("FREE", "free", right=True),
    Column("HELD", "held", right=True),
    Column("COOLING", "cooling", right=True),
    Column("LOCKED", "locked", right=True),
    Column("RESERVED", "reserved", right=True),
)


@click.group()
def shards() -> None:
    """Who owns which part of a pool."""


@operator_command(shards, "list")
@click.argument("pool_id")
@limit_option
def list_shards(operator: Operator, pool_id: str, limit: int) -> None:
    """All shards of a pool."""
    path = f"/api/v1/pools/{segment(pool_id)}/shards"
    operator.show_list(path, "shards", COLUMNS, limit=limit)
