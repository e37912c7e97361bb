"""What all operator commands share: where the server is, how to print, how to fail."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from nexus.cli.client import DEFAULT_SERVER, TIMEOUT_S, Json, Server, ServerError
from nexus.cli.output import (
    Column,
    print_json,
    print_object,
    print_table,
    print_warnings,
    show,
)

LIST_LIMIT = 1000
REFUSED_STATUS = 1


class Operator:
    """One command's server and way to print."""

    def __init__(self, server: Server, output: str) -> None:
        self.server = server
        self.json = output == "json"

    def show_list(
        self,
        path: str,
        noun: str,
        columns: Iterable[Column],
        *,
        limit: int,
        query: Mapping[str, object] | None = None,
    ) -> None:
        """Fetch a list and print it; says so where it was cut."""
        items, total = self.server.pages(path, noun, query or {}, limit)
        if self.json:
            print_json({noun: items, "count": len(items), "total": total})
            return
        print_table(columns, items)
        if len(items) < total:
            click.echo(f"{len(items)} of {total}; --limit 0 prints all", err=True)

    def show_reply(self, value: Json, done: str = "") -> None:
        """Print one object, or what was done where the reply has none."""
        print_warnings(value)
        if self.json:
            print_json(value)
        elif value and not done:
            print_object({key: each for key, each in value.items() if key != "warnings"})
        else:
            click.echo(done)


def operator_command(
    group: click.Group | None = None, name: str | None = None
) -> Callable[[Callable[..., None]], click.Command]:
    """A command that talks to a server: its function gets an `Operator` first."""

    def decorate(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def run(server: str, output: str, timeout: float, **options: Any) -> None:
            try:
                function(Operator(Server(server, timeout), output), **options)
            except ServerError as error:
                click.echo(f"nexus: {show(str(error))}", err=True)
                raise SystemExit(REFUSED_STATUS) from None

        command = click.command(name or function.__name__)(_common(run))
        if group is not None:
            group.add_command(command)
        return command

    return decorate


def _common(run: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "--timeout",
            type=click.FloatRange(0.1, 3600),
            default=TIMEOUT_S,
            show_default=True,
            help="Seconds to wait for the server.",
        ),
        click.option(
            "--output",
            type=click.Choice(["table", "json"]),
            default="table",
            show_default=True,
        ),
        click.option(
            "--server",
            envvar="NEXUS_SERVER",
            default=DEFAULT_SERVER,
            show_default=True,
            show_envvar=True,
            help="URL of the REST API.",
        ),
    ):
        run = option(run)
    return run


limit_option = click.option(
    "--limit",
    type=click.IntRange(0),
    default=LIST_LIMIT,
    show_default=True,
    help="Rows at most; 0 for all.",
)
