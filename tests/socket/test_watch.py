"""GET /watch: frames, prefixes, resuming, the gap marker."""

from __future__ import annotations

import re

import pytest

from tests.socket.conftest import MakePool, StartDaemon
from tests.support.api_client import ApiClient, EventStream, Frame
from tests.support.daemon import Daemon
from tests.support.fresh import Fresh
from tests.support.waiting import wait_for

ALLOCATIONS = "/api/v1/allocations"


def test_frames_of_one_allocations_life(
    api: ApiClient, shared_daemon: Daemon, make_pool: MakePool, fresh: Fresh
) -> None:
    """G26: one change, one event; the words of the documentation work."""
    pool, subscriber = make_pool(), fresh.name("sub")
    key = f"allocations/{pool['id']}/{subscriber}"
    with EventStream(shared_daemon.http_port, "/api/v1/watch?prefix=allocations") as stream:
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-cache"
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.frame().comment == "connected"
        body = {"pool_id": pool["id"], "subscriber_id": subscriber, "ttl": 2}
        created = api.post(ALLOCATIONS, body).expect(201)
        api.post(f"{ALLOCATIONS}/{subscriber}/renew", {"ttl": 1}).expect(200)
        frames: list[Frame] = []
        while len(frames) < 3:
            frame = stream.change()
            if frame.json()["key"] == key:
                frames.append(frame)
    events = [frame.json() for frame in frames]
    assert [frame.event for frame in frames] == ["change"] * 3
    assert [event["type"] for event in events] == ["put", "put", "delete"]
    assert {event["prefix"] for event in events} == {"allocations"}
    assert events[0]["value"]["ip"] == created["ip"]
    assert "value" not in events[2], "expiry is a delete"
    for event in events:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"])
    ids = [int(frame.id) for frame in frames]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("prefix", ["pools", "pool", "pools,devices", "nodes,pool"])
def test_prefixes(
    api: ApiClient, shared_daemon: Daemon, make_pool: MakePool, fresh: Fresh, prefix: str
) -> None:
    with EventStream(shared_daemon.http_port, f"/api/v1/watch?prefix={prefix}") as stream:
        assert stream.frame().comment == "connected"
        pool = make_pool()
        body = {"pool_id": pool["id"], "subscriber_id": fresh.name("sub")}
        api.post(ALLOCATIONS, body).expect(201)
        frame = stream.change()
        assert frame.json()["key"] == f"pools/{pool['id']}"
        assert frame.json()["type"] == "put"
        assert api.delete(f"/api/v1/pools/{pool['id']}?force=true").status == 204
        frame = stream.change()
        assert (frame.json()["key"], frame.json()["type"]) == (f"pools/{pool['id']}", "delete")


def test_devices_and_unknown_prefix(api: ApiClient, shared_daemon: Daemon, fresh: Fresh) -> None:
    with EventStream(shared_daemon.http_port, "/api/v1/watch?prefix=devices") as stream:
        assert stream.frame().comment == "connected"
        body = {"serial": fresh.serial(), "mac": fresh.mac()}
        node_id = api.post("/api/v1/bootstrap", body).expect(201)["node_id"]
        assert stream.change().json()["key"] == f"devices/{node_id}"
    api.get("/api/v1/watch?prefix=nonsense").error(400, "validation_failed")


def test_resuming_misses_nothing_and_repeats_nothing(
    api: ApiClient, shared_daemon: Daemon, make_pool: MakePool
) -> None:
    path = "/api/v1/watch?prefix=pools"
    with EventStream(shared_daemon.http_port, path) as stream:
        assert stream.frame().comment == "connected"
        first = make_pool()["id"]
        last_id = stream.change().id
    missed = [make_pool()["id"] for _ in range(3)]
    with EventStream(shared_daemon.http_port, path, last_event_id=last_id) as stream:
        live = make_pool()["id"]
        keys = [stream.change().json()["key"] for _ in range(4)]
    assert keys == [f"pools/{pool_id}" for pool_id in (*missed, live)]
    assert f"pools/{first}" not in keys


def test_a_gap_is_told_and_ids_rise_over_restarts(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--watch-buffer=100")
    with daemon.client() as client:
        client.post("/api/v1/pools", {"id": "gap", "cidr": "10.0.0.0/20"}).expect(201)
        for i in range(150):
            body = {"pool_id": "gap", "subscriber_id": f"s{i}"}
            client.post(ALLOCATIONS, body).expect(201)
    path = "/api/v1/watch?prefix=allocations"
    with EventStream(daemon.http_port, path, last_event_id="1") as stream:
        gap = stream.change()
        assert gap.event == "gap"
        following = stream.change()
        assert following.event == "change"
        last = int(following.id)
        assert last > 1
    assert daemon.stop() == 0
    daemon.start()
    with EventStream(daemon.http_port, path) as stream, daemon.client() as client:
        assert stream.frame().comment == "connected"
        client.delete(f"{ALLOCATIONS}/s1")
        assert int(stream.change().id) > last


def test_a_watcher_that_hangs_up_is_forgotten(
    api: ApiClient, shared_daemon: Daemon, make_pool: MakePool
) -> None:
    streams = [
        EventStream(shared_daemon.http_port, "/api/v1/watch?prefix=pools") for _ in range(50)
    ]
    for stream in streams:
        stream.close()
    make_pool()
    wait_for("still serving", lambda: api.get("/health").status == 200)
