"""What operator commands print: tables for people, the API's own JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import click

PIPE_WIDTH = 10_000
"""Columns when nobody looks: a cut line would hide from grep what was asked for."""


class Column(NamedTuple):
    """One column of a table: its head, and the key or function that gives its cells."""

    head: str
    cell: str | Callable[[Mapping[str, Any]], Any]
    right: bool = False

    def text(self, row: Mapping[str, Any]) -> str:
        value = row.get(self.cell) if isinstance(self.cell, str) else self.cell(row)
        return show(value)


def show(value: Any) -> str:
    """A JSON value in a cell; nothing in it may steer the terminal."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        value = ",".join(f"{key}={each}" for key, each in value.items())
    elif isinstance(value, list | tuple):
        value = ",".join(show(each) for each in value)
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def print_table(columns: Iterable[Column], rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows under heads; plain text, full width where the output is not a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = tuple(columns)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.head, justify="right" if column.right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(column.text(row)) for column in columns))
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(width=width, highlight=False).print(table)


def print_object(value: Mapping[str, Any]) -> None:
    """One object, a key a line."""
    width = max((len(key) for key in value), default=0)
    for key, each in value.items():
        click.echo(f"{show(key):<{width}}  {show(each)}")


def print_json(value: Any) -> None:
    """A JSON value, indented."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_warnings(value: Mapping[str, Any]) -> None:
    """The reply's warnings, on standard error."""
    for warning in value.get("warnings") or ():
        click.echo(f"nexus: warning: {show(warning)}", err=True)
