"""The command `nexus`: finds the module of a command and imports only that one."""

from __future__ import annotations

import importlib

import click

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("nexus.cli.serve:serve", "Start a node."),
    "config": ("nexus.cli.config:config", "Check a configuration without starting anything."),
    "version": ("nexus.cli.version:version", "Print the version."),
    "pools": ("nexus.cli.pools:pools", "List, show, create and delete pools."),
    "allocations": ("nexus.cli.allocations:allocations", "List, create, renew, release."),
    "nodes": ("nexus.cli.nodes:nodes", "List members, drain and fence them."),
    "voters": ("nexus.cli.voters:voters", "Show who votes, and change it."),
    "devices": ("nexus.cli.devices:devices", "Approve, reject, revoke, assign, import devices."),
    "shards": ("nexus.cli.shards:shards", "Who owns which part of a pool."),
    "watch": ("nexus.cli.watch:watch", "Print changes as they happen."),
    "explain": ("nexus.cli.explain:explain", "Who holds or held a resource, and why."),
    "audit": ("nexus.cli.audit:audit", "Check a running server's books."),
}
"""command -> (module:attribute, one line of help), in the order of the help page."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_place, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def nexus() -> None:
    """Nexus hands out addresses, prefixes, VLANs and ports to broadband edges, each once."""


def main() -> None:
    """Entry point of the command `nexus`."""
    nexus(prog_name="nexus")
