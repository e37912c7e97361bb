"""`nexus explain`: the story of one resource."""

from __future__ import annotations

import click

from nexus.cli.client import segment
from nexus.cli.operator import Operator, operator_command
from nexus.cli.output import Column, print_object, print_table

COLUMNS = (
    Column("SUBSCRIBER", "subscriber_id"),
    Column("FROM", "from"),
    Column("TO", "to"),
    Column("EPOCH", "epoch", right=True),
    Column("REASON", "reason"),
    Column("CAUSE", "cause_id"),
)


@operator_command()
@click.argument("pool_id")
@click.argument("resource")
def explain(operator: Operator, pool_id: str, resource: str) -> None:
    """Who holds or held a resource, when, and why it may be refused now."""
    path = f"/api/v1/explain/{segment(pool_id)}/{segment(resource)}"
    story = operator.server.call("GET", path)
    if operator.json:
        operator.show_reply(story)
        return
    shard = story.get("shard") or {}
    print_object(
        {
            "pool": story.get("pool_id"),
            "resource": story.get("resource"),
            "state": story.get("state"),
            "holder": story.get("holder"),
            "shard": f"{shard.get('index')}, {shard.get('state')}, owner {shard.get('owner')}, "
            f"epoch {shard.get('epoch')}",
        }
    )
    if story.get("history"):
        click.echo()
        print_table(COLUMNS, story["history"])
