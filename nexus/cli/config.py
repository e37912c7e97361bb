"""`nexus config check`: what a configuration means, without starting anything."""

from __future__ import annotations

from typing import Any

import click

from nexus.cli.keys import KeysCommand, key_options, load_or_exit
from nexus.cli.output import Column, print_json, print_table
from nexus.config.keys import KEYS

_COLUMNS = (Column("KEY", "key"), Column("VALUE", "value"), Column("FROM", "source"))


@click.group()
def config() -> None:
    """Check a configuration without starting anything."""


@config.command(cls=KeysCommand)
@click.option("--output", type=click.Choice(["table", "json"]), default="table")
@key_options
def check(config_path: str | None, output: str, **options: Any) -> None:
    """Print every key with its value and where it comes from; status 2 if it must not start."""
    loaded = load_or_exit(config_path, options)
    rows = [
        {
            "key": key.name,
            "value": key.kind.show(getattr(loaded.config, key.field)),
            "source": loaded.sources[key.name],
        }
        for key in KEYS
        if not key.missing
    ]
    if output == "json":
        print_json({"config": rows, "warnings": list(loaded.warnings)})
    else:
        print_table(_COLUMNS, rows)
