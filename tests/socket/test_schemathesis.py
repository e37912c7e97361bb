"""Schemathesis against the OpenAPI document of a started daemon, with a fixed budget and seed.

What it checks: no 5xx by any input, only documented statuses and types, replies as their schemas
say, and bad data refused.  `NEXUS_SCHEMATHESIS_EXAMPLES` raises the budget.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.socket.conftest import StartDaemon
from tests.support.api_client import ApiClient

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

# What the daemon has, so that requests get past the look-ups and into the work.
KNOWN = """
[parameters]
"path.pool_id" = "wide"
"path.subscriber_id" = "known-1"
"path.resource" = "10.0.0.7"
"path.device_id" = "KNOWN001"
"query.pool_id" = "wide"
"""


def furnish(client: ApiClient) -> str:
    """Make what `KNOWN` names; the id of the node."""
    client.post("/api/v1/pools", {"id": "wide", "cidr": "10.0.0.0/16"}).expect(201)
    for i in range(30):
        body = {"pool_id": "wide", "subscriber_id": f"known-{i}", "ttl": 86400}
        client.post("/api/v1/allocations", body).expect(201)
    register = {"serial": "KNOWN001", "mac": "02:00:00:00:00:01"}
    client.post("/api/v1/bootstrap", register).expect(201)
    client.put("/api/v1/devices/KNOWN001", {"site_id": "known-site"}).expect(200)
    node_id: str = client.get("/api/v1/nodes").expect(200)["nodes"][0]["id"]
    return node_id


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="needs schemathesis")
@pytest.mark.parametrize("known", [True, False], ids=["known ids", "any ids"])
def test_the_document_holds(tmp_path: Path, start_daemon: StartDaemon, known: bool) -> None:
    daemon = start_daemon()
    with daemon.client() as client:
        node_id = furnish(client)
    if known:
        text = f'{KNOWN}"path.node_id" = "{node_id}"\n'
        (tmp_path / "schemathesis.toml").write_text(text)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            f"{daemon.base_url}/api/v1/openapi.json",
            f"--checks={','.join(CHECKS)}",
            f"--phases={'fuzzing' if known else 'examples,coverage,fuzzing'}",
            f"--max-examples={EXAMPLES}",
            f"--seed={SEED}",
            "--generation-deterministic",
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
    cases = re.search(r"(\d+) generated", done.stdout)
    assert cases is not None and int(cases.group(1)) > 100, done.stdout[-2_000:]
    assert daemon.alive
    assert "Traceback" not in daemon.log()
    with daemon.client() as client:
        usage = client.get("/api/v1/pools/wide/usage")
        if usage.status == 200:
            parts = usage.json()
            keys = ("free", "held", "cooling", "locked", "reserved")
            assert sum(parts[key] for key in keys) == parts["size"]
