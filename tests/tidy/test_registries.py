"""Every row of every registry is documented and tested; a row without both is half a feature."""

from __future__ import annotations

import importlib
import pkgutil
import re

import msgspec
import pytest

import nexus.core.operations
from nexus.config.keys import KEYS
from nexus.errors import REGISTRY
from nexus.resources import RESOURCE_TYPES
from tests.support import write_docs
from tests.support.source_tree import text_of_docs, text_of_tests

FILES = tuple(dict.fromkeys(file for file, _name in write_docs.TABLES))


@pytest.mark.parametrize("file", FILES)
def test_generated_tables_are_not_older_than_their_registries(file: str) -> None:
    text = (write_docs.DOCS / file).read_text()
    assert text == write_docs.with_tables(file, text), "run `make docs`"


def test_errors_are_documented_and_tested() -> None:
    tests, docs = text_of_tests(), text_of_docs()
    assert [code for code in REGISTRY if f"`{code}`" not in docs] == []
    assert [code for code in REGISTRY if f'"{code}"' not in tests] == []


def test_resource_types_are_documented_and_tested() -> None:
    tests, docs = text_of_tests(), text_of_docs()
    assert [name for name in RESOURCE_TYPES if f"`{name}`" not in docs] == []
    assert [name for name in RESOURCE_TYPES if f'"{name}"' not in tests] == []


def test_knobs_are_documented_and_tested() -> None:
    tests, docs = text_of_tests(), text_of_docs()
    assert [key.name for key in KEYS if f"`{key.name}`" not in docs] == []
    working = [key for key in KEYS if not key.missing and not key.idle]
    assert [key.name for key in working if not _named(key.name, key.flag, tests)] == []


def _named(name: str, flag: str, tests: str) -> bool:
    return re.search(rf"\b{name}|{flag}\b", tests) is not None


def _operations() -> list[type]:
    package = nexus.core.operations
    modules = pkgutil.iter_modules(package.__path__, package.__name__ + ".")
    return [
        value
        for module in modules
        for value in vars(importlib.import_module(module.name)).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct)
        if "Answer: " in (value.__doc__ or "")
    ]


def test_operations_are_tested() -> None:
    tests = text_of_tests()
    rows = dict.fromkeys(each.__name__ for each in _operations())
    assert len(rows) > 15
    assert [name for name in rows if not re.search(rf"\b{name}\b", tests)] == []


def test_routes_are_documented_and_tested() -> None:
    tests, docs = text_of_tests(), text_of_docs()
    assert [route.path for route in write_docs.routes() if f"`{route.path}`" not in docs] == []
    untested = [
        f"{route.method} {route.path}"
        for route in write_docs.routes()
        if not _path_pattern(route.path).search(tests)
    ]
    assert untested == []


def _path_pattern(template: str) -> re.Pattern[str]:
    """A path of this route as a test would write it, with values or variables as parameters."""
    parts = template.removeprefix("/api/v1").split("/")
    end = r"(?=[\"'?\s\\{]|$)"
    patterns = ["/".join(_part_pattern(part) for part in parts) + end]
    if parts[-1].startswith("{") and parts[-2].startswith("{"):
        # One variable may stand for the rest of the path, slashes and all.
        patterns.append("/".join(_part_pattern(part) for part in parts[:-2]) + r"/\{\w+\}" + end)
    return re.compile("|".join(patterns))


def _part_pattern(part: str) -> str:
    return r"[^/\s\"']+" if part.startswith("{") else re.escape(part)


def test_metrics_are_documented_and_tested() -> None:
    tests, docs = text_of_tests(), text_of_docs()
    names = [write_docs.metric_name(family) for family in write_docs.metrics()]
    assert len(names) > 10
    assert [name for name in names if f"`{name}`" not in docs] == []
    assert [name for name in names if not re.search(rf"\b{name}", tests)] == []
