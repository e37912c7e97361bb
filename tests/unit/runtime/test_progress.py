"""The replay's progress: silent when short, a bar for people, lines for logs."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from nexus.runtime import progress
from nexus.runtime.progress import ReplayProgress


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, after_s: float) -> str:
    monkeypatch.setattr(progress, "SHOW_AFTER_S", after_s)
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=80)
    with ReplayProgress(console) as replay:
        replay(1_000, 10_000)
        replay(10_000, 10_000)
    return stream.getvalue()


def test_a_short_replay_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, terminal=True, after_s=60) == ""


def test_people_see_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "replaying the log" in shown(monkeypatch, terminal=True, after_s=0)


def test_logs_get_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert shown(monkeypatch, terminal=False, after_s=0) == ""
    assert [record.getMessage() for record in caplog.records] == ["replaying the log"]
    assert getattr(caplog.records[0], "fields", None) == {"done": "10%"}
