"""Schemathesis against the OpenAPI document of a started daemon, with a fixed budget and seed.

What it checks: no 5xx by any input, only documented statuses and types, replies as their schemas
say, and bad data refused.  `NEXUS_SCHEMATHESIS_EXAMPLES` raises the budget.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.socket.conftest import StartDaemon

EXAMPLES = int(os.environ.get("NEXUS_SCHEMATHESIS_EXAMPLES", "8"))
SEED = 2026
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
LIMIT_S = 240


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="needs schemathesis")
def test_the_document_holds(tmp_path: Path, start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    with daemon.client() as client:
        client.post("/api/v1/pools", {"id": "a", "cidr": "10.0.0.0/24"}).expect(201)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            f"{daemon.base_url}/api/v1/openapi.json",
            f"--checks={','.join(CHECKS)}",
            "--phases=examples,coverage,fuzzing",
            f"--max-examples={EXAMPLES}",
            f"--seed={SEED}",
            "--generation-deterministic",
            "--generation-database=none",
            "--exclude-path=/api/v1/watch",
            "--continue-on-failure",
            "--request-timeout=10",
            "--suppress-health-check=all",
            "--warnings=off",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
    assert daemon.alive
    assert "Traceback" not in daemon.log()
