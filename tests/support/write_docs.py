"""Writes the tables of docs/ that the registries of the code give; `make docs`.

A generated part stands between ``<!-- begin: name -->`` and ``<!-- end: name -->``; all around it
is written by hand.  tests/tidy checks that no table is older than its registry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, Metric

from nexus.config.keys import GROUPS, KEYS, Key
from nexus.errors import REGISTRY
from nexus.model.views import NodeView, UsageView
from nexus.resources import RESOURCE_TYPES
from nexus.rest.app import Knobs, all_routes
from nexus.rest.http import Route
from nexus.rest.watch_hub import WatchHub
from nexus.telemetry.metrics import Metrics

REPO = Path(__file__).parents[2]
DOCS = REPO / "docs"


class _Source:
    """A node with one pool and one member, so that every family of metrics has a sample."""

    def pool_usages(self) -> Iterable[tuple[str, UsageView]]:
        return [("ipv4", UsageView("p", 1, 1, 0, 0, 0, 0))]

    def nodes(self) -> Iterable[NodeView]:
        return [NodeView("n", "core", "active", 0)]

    def last_heartbeats(self) -> Iterable[tuple[str, float]]:
        return [("n", 0.0)]

    def clset_counts(self) -> tuple[int, int, int]:
        return 0, 0, 0


def routes() -> tuple[Route, ...]:
    """Every route of the API."""
    return all_routes(Metrics(), WatchHub(session=1), Knobs())


def metrics() -> list[Metric]:
    """Every family of metrics of ours, each with at least one sample."""
    collected = Metrics(_Source())
    collected.route("GET", "/").observe(200, 0.1)
    collected.pool("p").observe("created", 0.1)
    return [family for family in collected.registry.collect() if family.name.startswith("nexus_")]


def metric_name(family: Metric) -> str:
    """Its name on the wire: counters end in ``_total``."""
    return f"{family.name}_total" if isinstance(family, CounterMetricFamily) else family.name


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def errors_table() -> str:
    rows = [(f"`{kind.code}`", str(kind.http_status), kind.prose) for kind in REGISTRY.values()]
    return _table(("code", "status", "meaning"), rows)


def routes_table() -> str:
    rows = [
        (
            f"`{route.method}`",
            f"`{route.path}`",
            route.summary,
            ", ".join(str(status) for status in route.replies),
            _code(param.name for param in route.query),
            _code(route.errors),
        )
        for route in routes()
    ]
    return _table(("method", "path", "what", "success", "query", "errors of its own"), rows)


def types_table() -> str:
    rows = [
        (f"`{name}`", _code(kind.required), _code(kind.optional))
        for name, kind in RESOURCE_TYPES.items()
    ]
    return _table(("type", "required", "optional"), rows)


def metrics_table() -> str:
    rows = []
    for family in metrics():
        labels = dict.fromkeys(label for sample in family.samples for label in sample.labels)
        labels.pop("le", None)
        what = f"{family.type}: {family.documentation}"
        rows.append((f"`{metric_name(family)}`", what, _code(labels)))
    return _table(("metric", "what", "labels"), rows)


def _key_row(key: Key) -> tuple[str, str, str, str]:
    default = key.kind.show(key.default)
    text = key.help
    if key.missing:
        text += f". Refused: {key.missing}"
    if key.idle:
        text += f". No effect: {key.idle}"
    return f"`{key.name}`", f"`{default}`" if default else "", key.kind.accepted(), text


def keys_table() -> str:
    parts = []
    for group in GROUPS:
        rows = [_key_row(key) for key in KEYS if key.group == group]
        table = _table(("key", "default", "accepted", "what"), rows)
        parts.append(f"### {group.capitalize()}\n\n{table}")
    return "\n\n".join(parts)


TABLES: dict[tuple[str, str], Callable[[], str]] = {
    ("api.md", "errors"): errors_table,
    ("api.md", "routes"): routes_table,
    ("api.md", "types"): types_table,
    ("configuration.md", "keys"): keys_table,
    ("metrics.md", "metrics"): metrics_table,
}
"""(file, name of the part) -> what belongs there."""


def with_tables(file: str, text: str) -> str:
    """The document with all its generated parts as they should be."""
    for (each, name), table in TABLES.items():
        if each == file:
            begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
            pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
            part = f"{begin}\n{table()}\n{end}"
            text, count = pattern.subn(lambda _match, part=part: part, text)  # type: ignore[misc]
            if count != 1:
                raise ValueError(f"docs/{file} has {count} places for {name}, wanted 1")
    return text


def main() -> None:
    """Write what changed."""
    for file in dict.fromkeys(file for file, _name in TABLES):
        path = DOCS / file
        old = path.read_text()
        new = with_tables(file, old)
        if new != old:
            path.write_text(new)
            print(f"docs/{file} written")


if __name__ == "__main__":
    main()
