"""`nexus voters`: whose majority decides."""

from __future__ import annotations

import click

from nexus.cli.operator import Operator, operator_command

VOTERS = "/api/v1/voters"


@click.group()
def voters() -> None:
    """Show who votes, and change it."""


@operator_command(voters)
def show(operator: Operator) -> None:
    """The voters, and those of a change that is under way."""
    operator.show_reply(operator.server.call("GET", VOTERS))


@operator_command(voters)
@click.argument("node_ids", nargs=-1, required=True)
def change(operator: Operator, node_ids: tuple[str, ...]) -> None:
    """Let these core nodes vote: 1, 3 or 5 of them, one size up or down at a time.

    The change goes on by itself; `nexus voters show` tells when it is done.
    """
    operator.show_reply(operator.server.call("PUT", VOTERS, body={"voters": list(node_ids)}))
