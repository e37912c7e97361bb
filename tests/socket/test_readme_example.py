"""The README's example lines, executed as they stand by bash and curl, do what they promise."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import REPO, Daemon
from tests.support.go_json import parse_rfc3339

README = REPO / "README.md"

# The seed promised these lines; a README without them is a different product.
SEED_LINES = (
    """curl -X POST http://localhost:9000/api/v1/allocations \\
  -H "Content-Type: application/json" \\
  -d '{"pool_id":"wifi","subscriber_id":"mac-aabbccdd","ttl":7200,"alloc_type":"sticky"}'""",
    """curl -X POST http://localhost:9000/api/v1/allocations/mac-aabbccdd/renew \\
  -d '{"ttl":7200}'""",
    'curl "http://localhost:9000/api/v1/allocations/expiring?within=3600"',
)

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


def readme_blocks() -> list[str]:
    """The README's bash blocks that call the allocations API with curl, in order."""
    blocks = re.findall(r"^```(?:bash|sh|shell)\n(.*?)^```", README.read_text(), re.M | re.S)
    return [block for block in blocks if "curl" in block and "/api/v1/" in block]


def execute(block: str, port: int, home: Path) -> list[Any]:
    """Run a block as it stands; only curl's own start-up file leads port 9000 to the daemon."""
    home.mkdir(exist_ok=True)
    (home / ".curlrc").write_text(
        f'connect-to = "localhost:9000:127.0.0.1:{port}"\n'
        "silent\nshow-error\nfail-with-body\nmax-time = 10\nnoproxy = *\n"
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        env={**os.environ, "CURL_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    decoder = json.JSONDecoder()
    documents, rest = [], done.stdout.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        documents.append(document)
        rest = rest[end:].strip()
    return documents


def test_the_readme_has_the_seeds_lines() -> None:
    joined = "\n".join(readme_blocks())
    for line in SEED_LINES:
        assert line in joined


def test_the_example_blocks_run_verbatim(tmp_path: Path) -> None:
    blocks = readme_blocks()
    with Daemon(tmp_path / "data") as daemon:
        client = daemon.client()
        if not any(re.search(r'"id":\s*"wifi"', block) for block in blocks):
            client.post("/api/v1/pools", {"id": "wifi", "cidr": "10.7.0.0/24"}).expect(201)
        documents: list[Any] = []
        for block in blocks:
            documents += execute(block, daemon.http_port, tmp_path / "home")
        held = client.get("/api/v1/allocations/mac-aabbccdd").expect(200)
        client.close()

    ours = [each for each in documents if each.get("subscriber_id") == "mac-aabbccdd"]
    assert len(ours) >= 2, "one answer of create, one of renew"
    created, renewed = ours[0], ours[1]
    assert created["pool_id"] == "wifi"
    assert created["alloc_type"] == "sticky"
    assert created["ttl"] == 7200
    ends = parse_rfc3339(created["expires_at"])
    assert ends is not None
    assert 7100 < (ends - datetime.now(UTC)).total_seconds() <= 7200
    assert renewed["ip"] == created["ip"] == held["ip"]
    assert renewed["expires_at"] >= created["expires_at"]
    lists = [each for each in documents if "expiring_before" in each]
    assert len(lists) == 1
    # Two hours are left, one hour was asked about: the truth is an empty list.
    assert lists[0]["allocations"] == []
    assert lists[0]["count"] == 0


def test_the_flags_of_the_quick_start(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", "--node-id=nexus-01", "--role=core") as daemon:
        client = daemon.client()
        nodes = client.get("/api/v1/nodes").expect(200)["nodes"]
        assert [(node["id"], node["role"]) for node in nodes] == [("nexus-01", "core")]
        assert "nexus_" in daemon.metrics()
        client.close()
