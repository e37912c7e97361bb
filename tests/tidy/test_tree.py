"""Nothing dead, nothing hidden, nothing from somebody's own machine."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from nexus.cli.main import COMMANDS
from tests.support.source_tree import (
    REPO,
    core_files,
    imports_of,
    module_of,
    python_files,
    short,
    text_of_docs,
    tree_of,
)

ENTRY_POINTS = frozenset(("nexus.__main__", "nexus.runtime.__main__"))
"""Modules that nobody imports because they are run."""

# Written in halves, so that this file does not find itself.
UNWANTED = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/")

TEXT_SUFFIXES = frozenset((".py", ".md", ".toml", ".yaml", ".yml", ".sh", ".lock", ".cfg", ""))


def tracked_files() -> list[Path]:
    """Files of the project, whatever else lies around."""
    if not (REPO / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPO, capture_output=True, check=True, text=True
    ).stdout
    return [REPO / name for name in names.split("\0") if name and (REPO / name).is_file()]


def test_no_module_is_dead() -> None:
    used: set[str] = set()
    for path in python_files("nexus", "simulator", "tests"):
        for module, names, _line in imports_of(tree_of(path)):
            used.add(module)
            used.update(f"{module}.{name}" for name in names)
    used |= _lazy_commands()
    dead = [
        short(path)
        for path in python_files("nexus")
        if path.name != "__init__.py" and module_of(path) not in used | ENTRY_POINTS
    ]
    assert dead == []


def _lazy_commands() -> set[str]:
    return {place.partition(":")[0] for place, _line in COMMANDS.values()}


def test_every_module_says_what_it_is() -> None:
    files = [path for path in python_files("nexus", "simulator") if path.read_text().strip()]
    assert [short(path) for path in files if not ast.get_docstring(tree_of(path))] == []


def test_nothing_unwanted_is_written_down() -> None:
    found = []
    for path in tracked_files():
        if path.suffix in TEXT_SUFFIXES:
            text = path.read_text(errors="replace")
            found += [f"{short(path)}: {word}" for word in UNWANTED if word in text]
    assert found == []


def test_links_of_the_documents_lead_somewhere() -> None:
    for document in [*REPO.glob("*.md"), *(REPO / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{short(document)}: {target}"


def test_the_documents_name_the_rules_of_the_house() -> None:
    assert "make serve" in text_of_docs()
    assert "make test" in text_of_docs()


def test_core_and_forbidden_modules_are_listed_for_the_import_checker() -> None:
    """A new core package must not slip past import-linter."""
    config = tomllib.loads((REPO / "pyproject.toml").read_text())
    contracts = config["tool"]["importlinter"]["contracts"]
    listed = {name for each in contracts[1:2] for name in each["source_modules"]}
    packages = {".".join(module_of(path).split(".")[:2]) for path in core_files()}
    assert packages == listed
