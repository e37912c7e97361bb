"""The core reads no clock, opens nothing, draws from no shared source of chance.

import-linter forbids the modules; here stands what it cannot see: names taken from allowed
modules, built-in functions, and the order of sets, which differs from process to process.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.source_tree import core_files, imports_of, short, tree_of

FORBIDDEN_MODULES = frozenset(
    (
        *("asyncio", "concurrent", "datetime", "logging", "multiprocessing", "os", "pathlib"),
        *("queue", "secrets", "select", "signal", "socket", "sqlite3", "ssl", "subprocess"),
        *("tempfile", "threading", "time", "trio", "uuid", "zoneinfo"),
    )
)
FORBIDDEN_CALLS = frozenset(("open", "print", "input", "hash", "eval", "exec"))
"""``hash`` of a text differs from process to process."""


def violations(tree: ast.AST) -> Iterator[str]:
    """What in this tree the core must not do, with its line."""
    for module, names, line in imports_of(tree):
        if module.partition(".")[0] in FORBIDDEN_MODULES:
            yield f"{line}: imports {module}"
        if module == "random" and names != ("Random",):
            yield f"{line}: takes more than Random from random"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in FORBIDDEN_CALLS:
                yield f"{node.lineno}: calls {node.func.id}()"
            if node.func.id == "Random" and not node.args:
                yield f"{node.lineno}: Random() without a seed"
        for iterated in _iterated(node):
            if _is_set(iterated):
                yield f"{iterated.lineno}: iterates a set, whose order nobody chose"


def _iterated(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.For | ast.comprehension):
        return [node.iter]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.args[:1] if node.func.id in ("list", "tuple", "iter", "enumerate") else []
    return []


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("set", "frozenset")
    return isinstance(node, ast.Set | ast.SetComp)


@pytest.mark.parametrize("path", core_files(), ids=short)
def test_the_core_is_told(path: Path) -> None:
    found = [f"{short(path)}:{each}" for each in violations(tree_of(path))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "code",
    [
        "import time",
        "import os.path",
        "from datetime import datetime",
        "import random",
        "from random import random",
        "from random import Random, random",
        "def f():\n    import socket",
        "Random()",
        "open('x')",
        "hash('x')",
        "for x in {1, 2}: pass",
        "[x for x in set(y)]",
        "list(frozenset(y))",
    ],
)
def test_the_alarm_rings(code: str) -> None:
    assert list(violations(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["from random import Random\nRandom(1)", "for x in sorted({1}): pass", "x in {1, 2}"]
)
def test_the_alarm_is_quiet(code: str) -> None:
    assert not list(violations(ast.parse(code)))
