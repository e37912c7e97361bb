"""A file past 500 lines asks for a seam, a function past 70 for a name for its half."""

from __future__ import annotations

import ast

from tests.support.source_tree import PRODUCT, python_files, short, tree_of

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70


def long_functions(tree: ast.AST) -> list[str]:
    """Functions above the limit, with line and length."""
    return [
        f"{node.lineno}: {node.name} has {lines} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]


def test_no_file_is_too_long() -> None:
    files = python_files(*PRODUCT, "tests")
    lines = {short(path): path.read_text().count("\n") for path in files}
    assert {name: count for name, count in lines.items() if count > FILE_LINES_MAX} == {}


def test_no_function_is_too_long() -> None:
    found = [
        f"{short(path)}:{each}"
        for path in python_files(*PRODUCT, "tests")
        for each in long_functions(tree_of(path))
    ]
    assert not found, "\n".join(found)


def test_the_alarm_rings() -> None:
    body = "    pass\n" * FUNCTION_LINES_MAX
    assert long_functions(ast.parse(f"def f():\n{body}"))
    assert not long_functions(ast.parse(f"def f():\n{body[:-9]}"))
