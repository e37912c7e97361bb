"""What the README tells a user to type can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from nexus.cli.main import nexus
from tests.support.source_tree import REPO

README = (REPO / "README.md").read_text()


def commands() -> list[str]:
    """Lines of the README's bash blocks, continued ones joined."""
    blocks = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def parse(arguments: list[str]) -> None:
    """Find the command and parse its arguments, without running it."""
    command: click.Command = nexus
    context = click.Context(nexus)
    while isinstance(command, click.Group):
        found = command.get_command(context, arguments.pop(0))
        assert found is not None
        command = found
    command.make_context(command.name, arguments).close()


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("nexus ")])
def test_commands_of_ours_parse(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("devices.csv", "nexus.yaml"):
        Path(name).touch()
    parse(shlex.split(line)[1:])


def test_the_alarm_rings() -> None:
    with pytest.raises(click.UsageError):
        parse(["pools", "create", "x", "--frobnicate"])
    with pytest.raises(AssertionError):
        parse(["frobnicate"])


def test_make_targets_exist() -> None:
    makefile = (REPO / "Makefile").read_text()
    targets = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    assert {"serve", "test", "check"} <= targets
    declared = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert declared is not None
    assert targets <= set(declared.group(1).split())


def test_the_two_commands_come_first() -> None:
    assert commands()[:2] == ["make serve", "make test"]
    ci = (REPO / ".ci" / "run").read_text()
    assert " make test" in ci
