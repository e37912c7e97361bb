"""`nexus watch`: frames out of lines, and what happens when the line is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexus.cli import watch
from nexus.cli.watch import Frame, frames

CHANGE = {"type": "put", "key": "pools/wifi", "timestamp": "2026-01-01T00:00:00Z"}


def frame(number: int, event: str = "change") -> bytes:
    return f"id: {number}\nevent: {event}\ndata: {json.dumps(CHANGE)}\n\n".encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (": connected\n\n: \n\n", []),
        ("id: 1\nevent: change\ndata: {}\n\n", [Frame("1", "change", "{}")]),
        ("data:a\ndata: b\n\n", [Frame("", "message", "a\nb")]),
        ("id: 1\ndata: cut", []),
        ("id: 1\n\ndata: x\n\n", [Frame("", "message", "x")]),
        ("retry: 5\nodd\ndata: x\n\n", [Frame("", "message", "x")]),
    ],
)
def test_frames(text: str, expected: list[Frame]) -> None:
    assert list(frames(text.split("\n"))) == expected


def test_changes_are_printed_and_counted(shell: Any) -> None:
    shell.on("GET /api/v1/watch?prefix=pools", b": connected\n\n" + frame(1) + frame(2) + frame(3))
    result = shell.run("watch", "--prefix", "pools", "--count", "2")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["1", "2026-01-01T00:00:00Z", "put", "pools/wifi"],
        ["2", "2026-01-01T00:00:00Z", "put", "pools/wifi"],
    ]


def test_json_is_one_object_a_line(shell: Any) -> None:
    shell.on("GET /api/v1/watch", frame(1))
    output = shell.run("watch", "--count", "1", "--output", "json").stdout
    assert json.loads(output) == {"id": "1", **CHANGE}


def test_a_cut_stream_is_taken_up_after_the_last_id(
    shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RECONNECT_S", 0)
    shell.script.on("GET /api/v1/watch", (200, frame(7)), (200, frame(8)))
    assert shell.run("watch", "--since", "6", "--count", "2").exit_code == 0
    assert [headers["Last-Event-ID"] for _, headers, _ in shell.script.seen] == ["6", "7"]


def test_a_gap_is_told(shell: Any) -> None:
    shell.on("GET /api/v1/watch", frame(5, "gap") + frame(9))
    result = shell.run("watch", "--count", "1")
    assert "changes were missed" in result.stderr
    assert len(result.stdout.splitlines()) == 1


def test_a_refused_watch_fails(shell: Any) -> None:
    error = {"error": "validation error for field 'prefix': x", "code": "validation_failed"}
    shell.on("GET /api/v1/watch?prefix=x", error, 400)
    result = shell.run("watch", "--prefix", "x")
    assert result.exit_code == 1
    assert "validation_failed" in result.stderr
