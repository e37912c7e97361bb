"""docs/rules.md is true: what it names exists, and every rule function stands in it."""

from __future__ import annotations

import ast
import re

from tests.support.source_tree import REPO, python_files, text_of_tests, tree_of

TABLE = (REPO / "docs" / "rules.md").read_text()
CLAUSES = (
    *(f"R{number}" for number in range(1, 23)),
    *("R8 a", "R8 b", "R8 c", "R8 d", "R15 i", "R15 ii", "R15 iii", "R15 iv"),
    *("R21 a", "R21 b", "R21 c", "R21 d"),
)
RULE = re.compile(r"r\d+[a-d]?_\w+")


def rows() -> list[list[str]]:
    lines = [line for line in TABLE.splitlines() if line.startswith("| R")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def rule_functions() -> set[str]:
    found = {
        node.name
        for path in python_files("nexus/ownership")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef) and RULE.fullmatch(node.name)
    }
    assert len(found) > 70
    return found


def test_every_clause_has_a_row() -> None:
    said = [row[0] for row in rows()]
    missing = [
        clause
        for clause in CLAUSES
        if not any(name == clause or name.startswith(f"{clause} ") for name in said)
    ]
    assert missing == []


def test_every_rule_function_stands_in_the_table_and_no_other() -> None:
    named = {name for row in rows() for name in RULE.findall(row[2])}
    assert named == rule_functions()


def test_what_the_table_names_exists() -> None:
    tests = text_of_tests()
    wrong = []
    for row in rows():
        for name in re.findall(r"`([^`]+)`", row[2] + row[3]):
            if name.endswith(".txt"):
                there = (REPO / "tests" / "interaction" / "scripts" / name).exists()
            elif name.endswith(".py"):
                there = (REPO / name).exists() or (REPO / "nexus" / name).exists()
            elif name.startswith("test_"):
                there = f"def {name}(" in tests
            else:
                there = RULE.fullmatch(name) is not None
            if not there:
                wrong.append(f"{row[0]}: {name}")
    assert wrong == []


def test_every_rule_has_code_and_a_test() -> None:
    assert [row[0] for row in rows() if "`" not in row[2] or "`" not in row[3]] == []
