"""One daemon shared by the conformance tests, and a starter for tests that need their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_client import ApiClient
from tests.support.daemon import Daemon
from tests.support.fresh import Fresh
from tests.support.waiting import wait_for

# The shortest that the knobs allow, so that tests of cooling wait 1 s instead of 60.
QUICK = ("--ack-limit=1s",)
COOLDOWN_S = 1


@pytest.fixture(scope="session")
def shared_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The daemon of all tests that leave it as they found it, but for their own names."""
    with Daemon(tmp_path_factory.mktemp("shared") / "data", *QUICK) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def fresh() -> Fresh:
    """Names and ranges nobody else uses."""
    return Fresh()


@pytest.fixture
def api(shared_daemon: Daemon) -> Iterator[ApiClient]:
    """A client of the shared daemon."""
    assert shared_daemon.alive, f"the shared daemon died\n{shared_daemon.log_tail()}"
    with shared_daemon.client() as client:
        yield client
    assert shared_daemon.alive, f"the shared daemon died in this test\n{shared_daemon.log_tail()}"


MakePool = Callable[..., dict[str, Any]]


@pytest.fixture
def make_pool(api: ApiClient, fresh: Fresh) -> MakePool:
    """Create an IPv4 /24 of its own, or whatever the keywords say."""

    def make(**fields: Any) -> dict[str, Any]:
        if not {"cidr", "range"} & set(fields):
            fields["cidr"] = fresh.cidr()
        fields.setdefault("id", fresh.name("pool"))
        pool: dict[str, Any] = api.post("/api/v1/pools", fields).expect(201)
        usage = f"/api/v1/pools/{pool['id']}/usage"
        # Allocations wait for the grants of the shards by themselves; numbers do not.
        wait_for("shards granted", lambda: api.get(usage).expect(200)["locked"] == 0)
        return pool

    return make


StartDaemon = Callable[..., Daemon]


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[StartDaemon]:
    """Start daemons that end with the test; ``start=False`` leaves starting to the test."""
    started: list[Daemon] = []

    def start(*arguments: str, name: str = "data", start: bool = True, **more: Any) -> Daemon:
        daemon = Daemon(tmp_path / name, *QUICK, *arguments, **more)
        started.append(daemon)
        return daemon.start() if start else daemon

    yield start
    for daemon in started:
        daemon.kill()
