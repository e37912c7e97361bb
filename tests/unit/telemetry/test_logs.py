"""Logs: lines that machines can read, whatever is in them, and few of the frequent ones."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from nexus.telemetry.logs import Sampler, configure


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_json_line_has_the_fields_and_the_trace(stream: io.StringIO) -> None:
    configure("info", "json", "node-1", stream)
    try:
        raise ValueError("no\nsuch")
    except ValueError:
        logging.getLogger("nexus.x").exception(
            "it broke: %s", "why", extra={"fields": {"cause_id": "c-1", "path": io}}
        )
    (line,) = stream.getvalue().splitlines()
    seen = json.loads(line)
    assert (seen["level"], seen["node"], seen["event"]) == ("error", "node-1", "it broke: why")
    assert seen["cause_id"] == "c-1"
    assert "ValueError: no\nsuch" in seen["trace"]


def test_a_text_line_reads_well(stream: io.StringIO) -> None:
    configure("info", "text", stream=stream)
    logging.getLogger("nexus.x").info("ready", extra={"fields": {"port": 9000}})
    assert stream.getvalue().split(" ", 1)[1] == "info ready port=9000\n"


def test_the_level_holds(stream: io.StringIO) -> None:
    configure("warning", "json", stream=stream)
    logging.getLogger("nexus.x").info("no")
    assert stream.getvalue() == ""


def test_a_sampler_lets_few_through_and_tells_of_the_rest() -> None:
    sampler = Sampler(interval_ns=100, burst=2)
    assert [sampler.take(now) for now in (0, 1, 2, 3, 100, 101, 102)] == [
        0,
        0,
        None,
        None,
        2,
        0,
        None,
    ]
