"""The registry of configuration keys as options of a command."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from nexus.config.keys import GROUPS, KEYS, Key
from nexus.config.kinds import ConfigError, Flag, Words
from nexus.config.load import Loaded, load_config

F = TypeVar("F", bound=Callable[..., Any])
WRONG_CONFIG_STATUS = 2


class KeysCommand(click.Command):
    """A command whose help page lists the keys by group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = [param for param in self.get_params(ctx) if param.name not in _NAMES]
        rows = [row for param in own if (row := param.get_help_record(ctx)) is not None]
        with formatter.section("Options"):
            formatter.write_dl(rows)
        for group in GROUPS:
            with formatter.section(group.capitalize()):
                formatter.write_dl([_help_row(key) for key in KEYS if key.group == group])


_NAMES = frozenset(key.name for key in KEYS)


def _help_row(key: Key) -> tuple[str, str]:
    text = key.help
    if key.default not in ("", None, ()):
        text += f" [{key.kind.show(key.default)}]"
    if key.missing or key.idle:
        text += f" ({key.missing or key.idle})"
    return key.flag, text


def key_options(function: F) -> F:
    """Add ``--config`` and one option for each key; values stay text until all are known."""
    for key in reversed(KEYS):
        function = _option(key)(function)
    return click.option(
        "--config", "config_path", metavar="FILE", help="A nexus.yaml (or NEXUS_CONFIG)."
    )(function)


def _option(key: Key) -> Callable[[F], F]:
    if isinstance(key.kind, Flag):
        # Both --p2p and --p2p=true are in use.
        return click.option(key.flag, key.name, is_flag=False, flag_value="true", default=None)
    if isinstance(key.kind, Words):
        return click.option(key.flag, key.name, multiple=True, default=None)
    return click.option(key.flag, key.name, default=None)


def load_or_exit(config_path: str | None, options: dict[str, Any]) -> Loaded:
    """What the flags, the environment and the file make; ends the process on mistakes."""
    flags = {name: value for name, value in options.items() if value not in (None, ())}
    try:
        loaded = load_config(flags, os.environ, config_path)
    except ConfigError as error:
        for line in str(error).splitlines():
            click.echo(f"nexus: {line}", err=True)
        raise SystemExit(WRONG_CONFIG_STATUS) from None
    for warning in loaded.warnings:
        click.echo(f"nexus: warning: {warning}", err=True)
    return loaded
