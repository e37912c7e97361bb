"""The twin of the BNG client, against scripted replies: it must fail where the client fails."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest

from tests.support.bng_twin import (
    AgentBootstrap,
    HealthChecker,
    HttpAllocator,
    NoAllocationError,
    PskAuth,
    RejectedError,
    ScaledClock,
    TwinError,
    ZtpBootstrap,
)
from tests.support.scripted_server import Script, scripted_server

POOL = b'{"id":"wgar","cidr":"10.255.0.0/16","prefix":32,"dns":["1.1.1.1","bad"]}'
POOL6 = b'{"id":"six","cidr":"2001:db8::/48","prefix":56}'
GOOD = (
    b'{"pool_id":"wgar","subscriber_id":"s","ip":"10.255.0.9","timestamp":"2026-01-02T03:04:05Z"}'
)
POST = "POST /api/v1/allocations"
BOOTSTRAP = "POST /api/v1/bootstrap"
REGISTER = "POST /api/v1/devices/register"


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_server() as script:
        yield script


@pytest.fixture
def clock() -> ScaledClock:
    return ScaledClock(scale=1e6)


def test_an_allocation_brings_address_mask_gateway_and_dns(script: Script) -> None:
    script.on("GET /api/v1/pools/wgar", (200, POOL)).on(POST, (201, GOOD))
    with HttpAllocator(script.base_url) as twin:
        address = twin.allocate("s", "wgar")
        twin.allocate("s", "wgar")
    assert (address.ip, address.prefix, address.gateway) == ("10.255.0.9", 16, "10.255.0.1")
    assert address.dns == ("1.1.1.1",)
    assert script.calls().count("GET /api/v1/pools/wgar") == 1, "the pool is cached"
    assert json.loads(script.seen[1][2]) == {"pool_id": "wgar", "subscriber_id": "s"}
    assert not any(name.startswith("X-") for name in script.seen[1][1])


def test_409_is_followed_by_a_look_up(script: Script) -> None:
    script.on("GET /api/v1/pools/wgar", (200, POOL)).on(POST, (409, b"{}"))
    script.on("GET /api/v1/allocations/aa:bb:cc%2F1", (200, GOOD))
    with HttpAllocator(script.base_url) as twin:
        assert twin.allocate("aa:bb:cc/1", "wgar").ip == "10.255.0.9"


@pytest.mark.parametrize(("prefix", "wanted"), [(b',"prefix":56', 56), (b"", 48)])
def test_ipv6_length_comes_from_the_reply_else_from_the_pool(
    script: Script, prefix: bytes, wanted: int
) -> None:
    script.on("GET /api/v1/pools/six", (200, POOL6))
    script.on(POST, (201, b'{"ip":"2001:db8:0:100::"' + prefix + b"}"))
    with HttpAllocator(script.base_url) as twin:
        assert twin.allocate("s", "six").prefix == wanted


@pytest.mark.parametrize(
    "reply",
    [
        (201, b""),
        (201, GOOD.replace(b"10.255.0.9", b"10.255.0.9/32")),
        (201, GOOD.replace(b"2026-01-02T03:04:05Z", b"")),
        (201, GOOD.replace(b'"2026-01-02T03:04:05Z"', b"1767323045")),
        (201, GOOD.replace(b'"s"', b"7")),
        (201, GOOD.replace(b"}", b',"warnings":null}')),
        (202, GOOD),
        (302, GOOD),
        (400, b"{}"),
        (429, b"{}"),
        (503, b"{}"),
    ],
)
def test_replies_that_fail_an_allocation(script: Script, reply: tuple[int, bytes]) -> None:
    script.on("GET /api/v1/pools/wgar", (200, POOL)).on(POST, reply)
    with HttpAllocator(script.base_url) as twin, pytest.raises(TwinError):
        twin.allocate("s", "wgar")


@pytest.fixture
def twin(script: Script) -> Iterator[HttpAllocator]:
    with HttpAllocator(script.base_url) as twin:
        yield twin


def test_statuses_of_the_look_up(script: Script, twin: HttpAllocator) -> None:
    script.on("GET /api/v1/allocations/gone", (404, b"{}")).on(
        "GET /api/v1/allocations/sick", (500, b"{}")
    )
    with pytest.raises(NoAllocationError):
        twin.allocation("gone")
    with pytest.raises(TwinError, match="look-up failed: 500"):
        twin.allocation("sick")


def test_statuses_of_the_other_calls(script: Script, twin: HttpAllocator) -> None:
    script.on("DELETE /api/v1/allocations/a", (204, b"")).on(
        "DELETE /api/v1/allocations/gone", (404, b"{}")
    )
    twin.release("a")
    with pytest.raises(TwinError, match="release failed: 404"):
        twin.release("gone")
    script.on("POST /api/v1/pools", (201, POOL), (409, b"{}"), (500, b"{}"))
    assert twin.create_pool("wgar", "10.255.0.0/16", 32) == 201
    assert twin.create_pool("wgar", "10.255.0.0/16", 32) == 409
    with pytest.raises(TwinError, match="create pool: 500"):
        twin.create_pool("wgar", "10.255.0.0/16", 32)
    script.on("GET /health", (200, b"ok"), (503, b""))
    twin.health_check()
    with pytest.raises(TwinError, match="health: 503"):
        twin.health_check()


def test_a_trailing_slash_of_the_base_url_doubles_the_slash(script: Script) -> None:
    script.on("GET //health", (200, b"ok"))
    with HttpAllocator(script.base_url + "/") as twin:
        twin.health_check()


def test_psk_headers(script: Script) -> None:
    script.on("GET /health", (200, b"ok"))
    auth = PskAuth(b"key", serial="SN1", mac="aa:bb")
    with HttpAllocator(script.base_url, auth) as twin:
        twin.health_check()
    headers = script.seen[0][1]
    signed = f"device-SN1:{headers['X-Device-Timestamp']}".encode()
    assert headers["X-Device-Signature"] == hmac.new(b"key", signed, hashlib.sha256).hexdigest()
    assert headers["X-Auth-Mode"] == "psk"
    assert headers["X-Device-MAC"] == "aa:bb"
    assert PskAuth(b"key", mac="aa:bb").device_id() == "device-aabb"
    assert len(PskAuth(b"key").device_id()) == len("device-") + 16


def test_three_failed_probes_are_a_partition_and_one_good_heals(
    script: Script, clock: ScaledClock
) -> None:
    script.on("GET /health", (503, b""), (500, b""), (429, b""), (200, b"ok"))
    checker = HealthChecker(script.base_url, clock)
    seen = []
    for _ in range(4):
        checker.probe()
        seen.append(checker.partitioned)
    assert seen == [False, False, True, False]
    assert clock.slept_s == [5, 5, 5, 5]


def test_ztp_doubles_its_wait_after_errors_and_obeys_retry_after(
    script: Script, clock: ScaledClock
) -> None:
    errors = [(status, b"{}") for status in (500, 202, 403, 409, 503, 429, 500, 500)]
    script.on(BOOTSTRAP, *errors)
    script.on(BOOTSTRAP, (201, b'{"node_id":"node-1","status":"pending","retry_after":30}'))
    script.on(BOOTSTRAP, (200, b'{"node_id":"node-1","status":"approved"}'))
    script.on(BOOTSTRAP, (200, b'{"node_id":"node-1","status":"configured","role":"active"}'))
    twin = ZtpBootstrap(script.base_url + "/", "machine-00", "aa:bb", clock)
    assert twin.bootstrap()["role"] == "active"
    assert clock.slept_s == [5, 10, 20, 40, 80, 160, 300, 300, 30, 300]
    assert json.loads(script.seen[0][2]) == {"serial": "machine-00", "mac": "aa:bb"}


def test_ztp_counts_pending_answers_only(script: Script, clock: ScaledClock) -> None:
    script.on(BOOTSTRAP, (500, b""), (200, b'{"status":"pending"}'))
    twin = ZtpBootstrap(script.base_url, "S1", "aa:bb", clock, max_retries=3)
    with pytest.raises(TwinError, match="after 3 answers"):
        twin.bootstrap()
    assert len(twin.statuses) == 4


@pytest.mark.parametrize("body", [b"", b'{"status":1}', b'{"status":"x"} more', b'{"pools":null}'])
def test_ztp_retries_what_does_not_decode(script: Script, clock: ScaledClock, body: bytes) -> None:
    script.on(BOOTSTRAP, (200, body), (200, b'{"status":"configured"}'))
    ZtpBootstrap(script.base_url, "S1", "aa:bb", clock).bootstrap()
    assert clock.slept_s == [5]


def test_agent_waits_30_s_whatever_happens(script: Script, clock: ScaledClock) -> None:
    script.on(REGISTER, (202, b'{"status":"pending"}'), (201, b'{"status":"approved"}'))
    script.on(REGISTER, (401, b""), (200, b'{"status":"new word"}'))
    script.on(
        REGISTER, (200, b'{"status":"approved","device_id":"d","config":{"pon":{"ports":4}}}')
    )
    twin = AgentBootstrap(script.base_url, "MID-1", "00:00:00:00:00:00", clock)
    assert twin.bootstrap()["config"]["pon"]["ports"] == 4
    assert clock.slept_s == [30, 30, 30, 30]
    assert twin.statuses == [202, 201, 401, 200, 200]
    assert script.seen[0][1]["User-Agent"] == "olt-bng/0.1.0"
    assert set(json.loads(script.seen[0][2])) == {
        "serial", "mac", "model", "firmware", "agent_version", "capabilities", "timestamp",
    }  # fmt: skip


def test_agent_stops_when_rejected_and_after_its_retries(
    script: Script, clock: ScaledClock
) -> None:
    script.on(REGISTER, (200, b'{"status":"rejected","message":"no"}'))
    with pytest.raises(RejectedError, match="rejected: no"):
        AgentBootstrap(script.base_url, "S1", "aa:bb", clock).bootstrap()
    script.replies[REGISTER] = [(500, b"")]
    with pytest.raises(TwinError, match="register: 500"):
        AgentBootstrap(script.base_url, "S1", "aa:bb", clock, max_retries=2).bootstrap()
    assert clock.slept_s == [30]
