"""`nexus serve` and `nexus config check`: flags reach the configuration, mistakes end it."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nexus.cli.main import nexus
from nexus.config.keys import KEYS
from nexus.config.schema import ServeConfig


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[ServeConfig]:
    """Configurations that a daemon was started with; the daemon itself stays away."""
    configs: list[ServeConfig] = []

    class Daemon:
        def __init__(self, config: ServeConfig) -> None:
            configs.append(config)

        def run(self) -> int:
            return 7

    module = types.ModuleType("nexus.runtime.real")
    module.Daemon = Daemon  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nexus.runtime.real", module)
    return configs


def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    clean: dict[str, str | None] = {key.variable: None for key in KEYS}
    return CliRunner().invoke(nexus, arguments, env={**clean, **(env or {})})


def test_the_seeds_command_line(started: list[ServeConfig]) -> None:
    result = run(
        "serve",
        "--node-id=nexus-01",
        "--role=core",
        "--http-port=9000",
        "--metrics-port=9002",
    )
    assert result.exit_code == 7, result.output
    assert started == [ServeConfig(node_id="nexus-01")]


@pytest.mark.parametrize("spelling", [["--ephemeral"], ["--ephemeral=true"], ["--ephemeral", "on"]])
def test_a_switch_with_and_without_a_value(started: list[ServeConfig], spelling: list[str]) -> None:
    assert run("serve", *spelling, "--log-level", "debug").exit_code == 7
    assert started[0].ephemeral
    assert started[0].log_level == "debug"


def test_mistakes_are_told_with_status_2(started: list[ServeConfig]) -> None:
    result = run("serve", "--http-port=0x10", "--role=boss")
    assert result.exit_code == 2
    assert started == []
    assert "http_port = '0x10' (from --http-port) is wrong; accepted: a whole" in result.stderr
    assert "role = 'boss'" in result.stderr


def test_an_unknown_flag_is_status_2(started: list[ServeConfig]) -> None:
    assert run("serve", "--frobnicate").exit_code == 2
    assert started == []


def test_warnings_do_not_stop_the_start(started: list[ServeConfig]) -> None:
    result = run("serve", env={"NEXUS_FROBNICATE": "1"})
    assert result.exit_code == 7
    assert "NEXUS_FROBNICATE" in result.stderr


def test_every_key_is_a_flag_with_help() -> None:
    text = run("serve", "--help").stdout
    for key in KEYS:
        assert f"{key.flag} " in text, key.flag


def test_config_check_tells_values_and_where_they_come_from(tmp_path: Path) -> None:
    path = tmp_path / "nexus.yaml"
    path.write_text("http_port: 9100\n")
    result = run(
        "config", "check", "--config", str(path), "--output", "json", "--ack-limit=3s",
        env={"NEXUS_LOG_LEVEL": "error"},
    )  # fmt: skip
    rows: dict[str, Any] = {row["key"]: row for row in json.loads(result.stdout)["config"]}
    assert (rows["http_port"]["value"], rows["http_port"]["source"]) == ("9100", "file")
    assert (rows["ack_limit"]["value"], rows["ack_limit"]["source"]) == ("3s", "flag")
    assert (rows["log_level"]["value"], rows["log_level"]["source"]) == ("error", "environment")
    assert (rows["role"]["value"], rows["role"]["source"]) == ("core", "default")
    table = run("config", "check", "--config", str(path))
    assert table.exit_code == 0
    assert "http_port" in table.stdout


def test_config_check_of_a_wrong_file_is_status_2(tmp_path: Path) -> None:
    path = tmp_path / "nexus.yaml"
    path.write_text("http_prt: 9100\n")
    result = run("config", "check", "--config", str(path))
    assert result.exit_code == 2
    assert "unknown key http_prt" in result.stderr
