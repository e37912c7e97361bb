"""A scripted server, and a way to run commands against it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nexus.cli.main import nexus
from tests.support.scripted_server import Script, scripted_server


class Shell:
    """Runs `nexus` commands; `on` scripts what the server answers."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def on(self, call: str, body: Any, status: int = 200) -> Shell:
        """Answer one call with a JSON body, or with bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.script.on(call, (status, data))
        return self

    def run(self, *arguments: str, input: str | bytes | None = None) -> Result:
        """One command; what it prints and its status."""
        environment = {"NEXUS_SERVER": self.script.base_url}
        return CliRunner().invoke(nexus, arguments, input=input, env=environment)

    def json(self, *arguments: str) -> Any:
        """One command that must succeed, with --output json."""
        result = self.run(*arguments, "--output", "json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def sent(self) -> list[tuple[str, Any]]:
        """Calls that the server saw, with their JSON bodies (None where there was none)."""
        return [(call, json.loads(data) if data else None) for call, _, data in self.script.seen]


@pytest.fixture
def shell() -> Iterator[Shell]:
    with scripted_server() as script:
        yield Shell(script)
