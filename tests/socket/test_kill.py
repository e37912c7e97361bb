"""KILL under load: no acknowledged allocation is lost and none is doubled.

`NEXUS_KILL_ROUNDS` sets the rounds (5 by default, 50 is the full proof, a minute and a half), and
`NEXUS_KILL_SEED` the load and the moments of death.  All rounds go over one data path, so each
starts from what the one before left, snapshots included.
"""

from __future__ import annotations

import os
import sys
import time
from random import Random

import pytest

from tests.socket.conftest import StartDaemon
from tests.support.daemon import Daemon
from tests.support.ledger import Ledger, LedgerError
from tests.support.load import Worker

ROUNDS = int(os.environ.get("NEXUS_KILL_ROUNDS", "5"))
SEED = os.environ.get("NEXUS_KILL_SEED", "2026")
WORKERS = 6
SUBSCRIBERS = 200
LIFE_S = (0.05, 0.6)
COOLDOWN_S = 3600
POOL = {"id": "load", "cidr": "10.0.0.0/15", "cooldown": COOLDOWN_S}
LISTS = "/api/v1/allocations?pool_id=load"


def check(daemon: Daemon, ledger: Ledger) -> None:
    """The lists, single look-ups and the accounting agree with the ledger."""
    with daemon.client() as client:
        listed = list(client.pages(LISTS, "allocations", limit=5000))
        ledger.settle(listed)
        usage = client.get("/api/v1/pools/load/usage").expect(200)
        parts = [usage[key] for key in ("free", "held", "cooling", "locked", "reserved")]
        assert sum(parts) == usage["size"], usage
        assert usage["held"] == len(listed)
        assert usage["locked"] == 0, "a lone node serves all its shards after a replay"
        for allocation in listed[:20]:
            path = f"/api/v1/allocations/{allocation['subscriber_id']}"
            assert client.get(path).expect(200)["ip"] == allocation["ip"]


def work(daemon: Daemon, ledger: Ledger, rng: Random, round_index: int) -> None:
    """Load until the daemon is killed at a random moment."""
    workers = [
        Worker(daemon.http_port, "load", f"w{index}", ledger, Random(rng.random()), SUBSCRIBERS)
        for index in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    time.sleep(rng.uniform(*LIFE_S))
    daemon.kill()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()
        if worker.failure is not None:
            raise AssertionError(
                f"round {round_index}; repeat with NEXUS_KILL_SEED={SEED} "
                f"NEXUS_KILL_ROUNDS={round_index + 1}"
            ) from worker.failure


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_or_doubled(start_daemon: StartDaemon) -> None:
    rng = Random(SEED)
    ledger = Ledger(COOLDOWN_S)
    daemon = start_daemon("--snapshot-log-mib=1")
    with daemon.client() as client:
        client.post("/api/v1/pools", POOL).expect(201)
    for round_index in range(ROUNDS):
        before = ledger.acknowledged
        work(daemon, ledger, rng, round_index)
        daemon.start()
        check(daemon, ledger)
        assert ledger.acknowledged > before, "the round did nothing"
    assert daemon.stop() == 0
    daemon.start()
    check(daemon, ledger)
    print(f"{ledger.acknowledged} acknowledged over {ROUNDS} kills")  # noqa: T201


HASTY = """
import time
from functools import partial
from nexus.cli.main import main
from nexus.store.sqlite_log import SqliteStore

commit = SqliteStore._commit

def hasty(store):
    store._post(partial(store._on_durable, store._waiting[-1][0]))
    time.sleep(0.2)
    commit(store)

SqliteStore._commit = hasty
main()
"""


def test_the_alarm_rings_for_a_server_that_answers_before_it_writes(
    start_daemon: StartDaemon,
) -> None:
    """The same rounds against a store that acknowledges a fifth of a second too early."""
    rng = Random(SEED)
    ledger = Ledger(COOLDOWN_S)
    daemon = start_daemon(command=(sys.executable, "-c", HASTY, "serve"))
    with daemon.client() as client:
        client.post("/api/v1/pools", POOL).expect(201)
    time.sleep(0.5)

    def rounds() -> None:
        for round_index in range(5):
            work(daemon, ledger, rng, round_index)
            daemon.start()
            check(daemon, ledger)

    with pytest.raises(LedgerError, match=r"lost|again|was told"):
        rounds()


def test_killed_while_it_starts(start_daemon: StartDaemon) -> None:
    """A crash inside the replay, or before the first answer, loses nothing either."""
    daemon = start_daemon()
    with daemon.client() as client:
        client.post("/api/v1/pools", POOL).expect(201)
        for i in range(200):
            body = {"pool_id": "load", "subscriber_id": f"s{i}"}
            client.post("/api/v1/allocations", body).expect(201)
        before = list(client.pages(LISTS, "allocations"))
    daemon.kill()
    for tenths in range(1, 9):
        daemon.spawn()
        time.sleep(tenths / 10)
        daemon.kill()
    daemon.start()
    with daemon.client() as client:
        after = list(client.pages(LISTS, "allocations"))
    assert [each["ip"] for each in after] == [each["ip"] for each in before]
    assert len(after) == 200
