"""`nexus version`."""

from __future__ import annotations

from pathlib import Path

import click

from nexus.version import VERSION

COMMIT_CHARS = 12


def commit_of(checkout: Path) -> str | None:
    """The commit that a git checkout stands on; None if it is none."""
    git = checkout / ".git"
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head[:COMMIT_CHARS]
        name = head.removeprefix("ref: ")
        loose = git / name
        if loose.exists():
            return loose.read_text().strip()[:COMMIT_CHARS]
        for line in (git / "packed-refs").read_text().splitlines():
            if line.endswith(f" {name}"):
                return line[:COMMIT_CHARS]
    except (OSError, UnicodeDecodeError):
        pass
    return None


@click.command()
def version() -> None:
    """Print the version, and the commit when run from a checkout."""
    commit = commit_of(Path(__file__).parents[2])
    click.echo(f"Nexus {VERSION} ({commit})" if commit else f"Nexus {VERSION}")
