"""`nexus serve`: check the configuration, then hand over to the runtime."""

from __future__ import annotations

import gc
from typing import Any

import click

from nexus.cli.keys import KeysCommand, key_options, load_or_exit


@click.command(cls=KeysCommand)
@key_options
def serve(config_path: str | None, **options: Any) -> None:
    """Start a node; state is kept in --data-path, TERM or ctrl-c stops it in good order.

    Every key below is a flag, a variable (--http-port is NEXUS_HTTP_PORT) and a key of the file
    (http_port); a flag beats a variable, a variable beats the file.
    """
    loaded = load_or_exit(config_path, options)
    # Nothing that a start imports or restores is garbage; `Daemon` collects once it serves.
    gc.disable()
    from nexus.runtime.real import Daemon

    raise SystemExit(Daemon(loaded.config).run())
