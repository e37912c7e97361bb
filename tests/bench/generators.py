"""Load generators: wrk for HTTP, h2load for etcd's gRPC, redis-benchmark for Redis."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from itertools import count
from pathlib import Path

_run_numbers = count(1)

SINGLE_LUA = """
local n = 0
request = function()
  n = n + 1
  return wrk.format("POST", "/api/v1/allocations", nil,
    '{"pool_id":"bench","subscriber_id":"RUN-' .. n .. '","ttl":86400}')
end
failed = 0
response = function(status)
  if status ~= 201 then wrk.thread:set("bad", (wrk.thread:get("bad") or 0) + 1) end
end
setup = function(thread) table.insert(threads, thread) end
threads = {}
done = function(summary)
  local bad = 0
  for _, thread in ipairs(threads) do bad = bad + (thread:get("bad") or 0) end
  io.write("not 201: " .. bad .. "\\n")
end
"""

BATCH_LUA = """
local n = 0
request = function()
  local items = {}
  for i = 1, SIZE do
    n = n + 1
    items[i] = '{"pool_id":"bench","subscriber_id":"RUN-' .. n .. '","ttl":86400}'
  end
  return wrk.format("POST", "/api/v1/allocations/batch", nil,
    '{"allocations":[' .. table.concat(items, ",") .. ']}')
end
"""


class LoadError(RuntimeError):
    """The generator or the server failed; the number would mean nothing."""


def _wrk(folder: Path, script: str, port: int, connections: int, seconds: float) -> str:
    path = folder / f"load-{next(_run_numbers)}.lua"
    path.write_text(script)
    done = subprocess.run(
        [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds:g}s",
            "--timeout=10s",
            f"-s{path}",
            "--latency",
            f"http://127.0.0.1:{port}",
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    path.unlink()
    if done.returncode or "Socket errors" in done.stdout:
        raise LoadError(done.stdout + done.stderr)
    return done.stdout


def _requests_per_s(output: str) -> float:
    found = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    if found is None:
        raise LoadError(output)
    return float(found.group(1))


def single_posts(folder: Path, port: int, connections: int, seconds: float) -> float:
    """`POST /api/v1/allocations` with new subscribers; requests a second, all of them 201."""
    script = SINGLE_LUA.replace("RUN", f"r{next(_run_numbers)}")
    output = _wrk(folder, script, port, connections, max(1, round(seconds)))
    bad = re.search(r"not 201: (\d+)", output)
    if bad is None or int(bad.group(1)):
        raise LoadError(output)
    return _requests_per_s(output)


def batch_posts(folder: Path, port: int, connections: int, size: int, seconds: float) -> float:
    """`POST /api/v1/allocations/batch`; allocations a second."""
    script = BATCH_LUA.replace("RUN", f"b{next(_run_numbers)}").replace("SIZE", str(size))
    output = _wrk(folder, script, port, connections, max(1, round(seconds)))
    if "Non-2xx" in output:
        raise LoadError(output)
    return _requests_per_s(output) * size


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def etcd_puts(folder: Path, port: int, connections: int, seconds: float) -> float:
    """gRPC puts of one small record; requests a second."""
    message = _field(1, b"allocations/bench/subscriber-1") + _field(2, b"x" * 100)
    path = folder / "put.bin"
    path.write_bytes(struct.pack(">BI", 0, len(message)) + message)
    done = subprocess.run(
        [
            "h2load",
            "-t1",
            f"-c{connections}",
            "-m1",
            f"-D{max(1, round(seconds))}",
            f"-d{path}",
            "-Hcontent-type: application/grpc",
            "-Hte: trailers",
            f"http://127.0.0.1:{port}/etcdserverpb.KV/Put",
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    rate = re.search(r"finished in [^,]+, ([0-9.]+) req/s", done.stdout)
    failed = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", done.stdout)
    if done.returncode or rate is None or failed is None or any(map(int, failed.groups())):
        raise LoadError(done.stdout + done.stderr)
    return float(rate.group(1))


REDIS_SCRIPT = (
    "local ip=redis.call('incr',KEYS[1]); redis.call('hset','alloc',ip,ARGV[1]); return ip"
)


def redis_allocations(port: int, connections: int, seconds: float) -> float:
    """A script that takes a number and writes a record; requests a second."""
    requests = int(max(1.0, seconds) * (6_000 if connections == 1 else 25_000))
    done = subprocess.run(
        [
            "redis-benchmark",
            *("-p", str(port), "-c", str(connections), "-n", str(requests), "--csv"),
            *("eval", REDIS_SCRIPT, "1", "pool", "x" * 100),
        ],
        capture_output=True,
        text=True,
        timeout=seconds * 20 + 60,
        check=False,
    )
    rates = re.findall(r'"(?:eval|EVAL)[^"]*","([0-9.]+)"', done.stdout)
    if done.returncode or not rates:
        raise LoadError(done.stdout + done.stderr)
    return float(rates[-1])


def have_wrk() -> bool:
    """Whether HTTP can be measured here."""
    return shutil.which("wrk") is not None
