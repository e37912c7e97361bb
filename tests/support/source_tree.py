"""The project's own source files, parsed once, for the tests that read code."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).parents[2]
PRODUCT = ("nexus", "simulator")

CORE = (
    *("model", "errors.py", "resources", "space", "crdt", "ring", "membership"),
    *("ownership", "devices", "core", "codec.py", "driver"),
)
"""What is told the time and all else: everything below the edges."""


@functools.cache
def python_files(*places: str) -> tuple[Path, ...]:
    """Python files below these folders (or these files), in order of their names."""
    found: list[Path] = []
    for place in places:
        path = REPO / place
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.exists() else []
    return tuple(found)


def core_files() -> tuple[Path, ...]:
    """Files of the core."""
    return python_files(*(f"nexus/{name}" for name in CORE))


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text(), str(path))


def short(path: Path) -> str:
    """Its name from the top of the project."""
    return str(path.relative_to(REPO))


def module_of(path: Path) -> str:
    """The dotted name under which it is imported."""
    parts = path.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(tree: ast.AST) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """(module, names taken from it, line) of every import statement, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, (), node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", tuple(alias.name for alias in node.names), node.lineno


@functools.cache
def text_of_tests() -> str:
    """All of tests/ but the tests about the tree itself, which name everything they look for."""
    files = [path for path in python_files("tests") if "tidy" not in path.parts]
    return "\n".join(path.read_text() for path in files if path.name != "write_docs.py")


@functools.cache
def text_of_docs() -> str:
    """README, DESIGN and docs/."""
    paths = [*REPO.glob("*.md"), *sorted((REPO / "docs").rglob("*.md"))]
    return "\n".join(path.read_text() for path in paths)
