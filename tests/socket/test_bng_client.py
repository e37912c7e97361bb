"""The real BNG's calls, by its twin, against a started daemon: all of them must succeed there."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import bng_shapes
from tests.support.api_client import ApiClient
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
from tests.support.daemon import Daemon
from tests.support.fresh import Fresh
from tests.support.go_json import unmarshal

DEMO_POOLS = {
    "wgar": "10.255.0.0/16",
    "isp-residential": "10.0.0.0/16",
    "isp-business": "10.16.0.0/16",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("bng") / "data") as daemon:
        yield daemon


@pytest.fixture
def clock() -> ScaledClock:
    """30 s of the client are 10 ms."""
    return ScaledClock(scale=3000)


@pytest.fixture
def operator(daemon: Daemon) -> Iterator[ApiClient]:
    with daemon.client() as client:
        yield client


@pytest.fixture
def twin(daemon: Daemon) -> Iterator[HttpAllocator]:
    with HttpAllocator(daemon.base_url) as twin:
        for pool_id, cidr in DEMO_POOLS.items():
            assert twin.create_pool(pool_id, cidr, 32) in (200, 201)
        yield twin


# ---- allocator


def test_demo_start_creates_its_pools_again_and_again(daemon: Daemon) -> None:
    for statuses in ((200, 201), (200,)):
        with HttpAllocator(daemon.base_url) as twin:
            for pool_id, cidr in DEMO_POOLS.items():
                assert twin.create_pool(pool_id, cidr, 32) in statuses
    with HttpAllocator(daemon.base_url) as twin:
        assert twin.create_pool("wgar", "10.254.0.0/16", 32) == 409, "another definition"


def test_demo_session(twin: HttpAllocator) -> None:
    twin.health_check()
    first = twin.allocate("DEMO00000001", "wgar")
    assert ipaddress.ip_address(first.ip) in ipaddress.ip_network(DEMO_POOLS["wgar"])
    assert (first.prefix, first.gateway) == (16, "10.255.0.1")
    assert twin.allocate("DEMO00000001", "wgar") == first, "a repeat is the same allocation"
    assert twin.lookup("DEMO00000001", "wgar") == first
    twin.release("DEMO00000001")
    with pytest.raises(NoAllocationError):
        twin.allocation("DEMO00000001")
    with pytest.raises(TwinError, match="release failed: 404"):
        twin.release("DEMO00000001")


def test_walled_garden_to_residential_keeps_both_unique(twin: HttpAllocator) -> None:
    garden = twin.allocate("session-0b1f2a", "wgar")
    home = twin.allocate("session-0b1f2a", "isp-residential")
    assert ipaddress.ip_address(garden.ip) in ipaddress.ip_network(DEMO_POOLS["wgar"])
    assert ipaddress.ip_address(home.ip) in ipaddress.ip_network(DEMO_POOLS["isp-residential"])
    twin.release("session-0b1f2a")
    twin.release("session-0b1f2a")


def test_run_looks_up_by_mac_in_lower_case_with_colons(
    daemon: Daemon, twin: HttpAllocator, operator: ApiClient
) -> None:
    mac = "aa:bb:cc:dd:ee:01"
    with pytest.raises(NoAllocationError):
        twin.lookup(mac, "isp-residential")
    body = {"pool_id": "isp-residential", "subscriber_id": mac}
    ip = operator.post("/api/v1/allocations", body).expect(201)["ip"]
    assert twin.lookup(mac, "isp-residential").ip == ip
    for spelled in (mac, mac.replace(":", "%3A"), mac.replace(":", "%3a")):
        assert operator.get(f"/api/v1/allocations/{spelled}").expect(200)["ip"] == ip


@pytest.mark.parametrize("subscriber", ["line/1;2", "user@isp", "a,b", "x=1+2", "slot/3/port#7"])
def test_subscriber_ids_as_go_escapes_them(twin: HttpAllocator, subscriber: str) -> None:
    if ";" in subscriber:
        with pytest.raises(TwinError, match="400"):
            twin.allocate(subscriber, "wgar")
        return
    got = twin.allocate(subscriber, "wgar")
    assert twin.lookup(subscriber, "wgar") == got
    twin.release(subscriber)


def test_dual_stack_of_one_subscriber(twin: HttpAllocator, operator: ApiClient) -> None:
    """The client asks one subscriber for v4 and v6, and releases twice without naming a pool."""
    operator.post(
        "/api/v1/pools", {"id": "six", "cidr": "2001:db8::/48", "prefix_length": 56}
    ).expect(200, 201)
    four = twin.allocate("dual-1", "isp-business")
    six = twin.allocate("dual-1", "six")
    assert ipaddress.ip_address(four.ip).version == 4
    assert ipaddress.ip_address(six.ip).version == 6
    assert six.prefix == 56, "the delegated length, not the pool's mask"
    assert twin.allocation("dual-1")["ip"] == four.ip, "look-ups without pool find IPv4 first"
    twin.release("dual-1")
    assert twin.allocation("dual-1")["ip"] == six.ip
    twin.release("dual-1")
    with pytest.raises(NoAllocationError):
        twin.allocation("dual-1")


def test_psk_headers_are_tolerated(daemon: Daemon, twin: HttpAllocator) -> None:
    for auth in (PskAuth(b"secret"), PskAuth(b"secret", serial="SN1", mac="aa:bb:cc:00:00:01")):
        with HttpAllocator(daemon.base_url, auth) as signed:
            signed.health_check()
            assert signed.pool_info("wgar")["cidr"] == DEMO_POOLS["wgar"]
            got = signed.allocate("psk-1", "wgar")
            assert signed.lookup("psk-1", "wgar") == got


def test_a_base_url_with_a_trailing_slash(daemon: Daemon, twin: HttpAllocator) -> None:
    with HttpAllocator(daemon.base_url + "/") as slashed:
        slashed.health_check()
        got = slashed.allocate("slash-1", "wgar")
        assert slashed.lookup("slash-1", "wgar") == got
        slashed.release("slash-1")


def test_pool_details_that_the_client_uses(twin: HttpAllocator, operator: ApiClient) -> None:
    operator.post(
        "/api/v1/pools",
        {"id": "dns", "cidr": "10.99.0.0/24", "gateway": "10.99.0.254", "dns": ["9.9.9.9"]},
    ).expect(200, 201)
    address = twin.allocate("dns-1", "dns")
    assert (address.gateway, address.dns, address.prefix) == ("10.99.0.254", ("9.9.9.9",), 24)
    with pytest.raises(TwinError, match="pool not found: 404"):
        twin.pool_info("no-such-pool")


def test_a_thousand_subscribers_on_many_connections_never_share(daemon: Daemon) -> None:
    def shift(worker: int) -> list[str]:
        with HttpAllocator(daemon.base_url) as twin:
            return [twin.allocate(f"crowd-{worker}-{i}", "isp-residential").ip for i in range(125)]

    with ThreadPoolExecutor(8) as pool:
        addresses = [ip for ips in pool.map(shift, range(8)) for ip in ips]
    assert len(set(addresses)) == 1000


def test_concurrent_requests_of_one_subscriber_give_one_allocation(daemon: Daemon) -> None:
    def ask(_: int) -> str:
        with HttpAllocator(daemon.base_url) as twin:
            return twin.allocate("impatient", "isp-business").ip

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(ask, range(64)))) == 1


def test_health_checker_sees_no_partition(daemon: Daemon, clock: ScaledClock) -> None:
    checker = HealthChecker(daemon.base_url, clock)
    assert all(checker.probe() for _ in range(5))
    assert not checker.partitioned


def test_lists_decode_strictly(twin: HttpAllocator, operator: ApiClient) -> None:
    twin.allocate("listed-1", "wgar")
    pools = operator.get("/api/v1/pools")
    assert unmarshal(bng_shapes.POOL_LIST, pools.body)["count"] >= 3
    for path in ("/api/v1/allocations", "/api/v1/allocations?pool_id=wgar"):
        listed = unmarshal(bng_shapes.ALLOCATION_LIST, operator.get(path).body)
        assert listed["count"] == len(listed["allocations"]) >= 1


# ---- bootstrap


def test_ztp_waits_until_the_operator_assigns_a_site(
    daemon: Daemon, operator: ApiClient, clock: ScaledClock, fresh: Fresh
) -> None:
    serial, site = fresh.serial(), fresh.name("site")
    twin = ZtpBootstrap(daemon.base_url, serial, fresh.mac(), clock, model="M1", max_retries=2)
    with pytest.raises(TwinError, match="still pending after 2 answers"):
        twin.bootstrap()
    assert twin.statuses == [201, 200], "new, then known"
    assert clock.slept_s == [30], "retry_after of the body"
    node_id = twin.replies[0]["node_id"]
    assert node_id.startswith("node-") and len(node_id) == 21
    operator.put(f"/api/v1/devices/{node_id}", {"site_id": site}).expect(200)
    reply = twin.bootstrap()
    assert (reply["site_id"], reply["role"], reply["partner"]) == (site, "active", None)

    second = ZtpBootstrap(daemon.base_url, fresh.serial(), fresh.mac(), clock, max_retries=1)
    with pytest.raises(TwinError):
        second.bootstrap()
    operator.put(f"/api/v1/devices/{second.serial}", {"site_id": site}).expect(200)
    reply = second.bootstrap()
    assert reply["role"] == "standby"
    assert reply["partner"]["node_id"] == node_id
    assert twin.bootstrap()["partner"]["node_id"] == reply["node_id"]


@pytest.mark.parametrize("serial", ["machine-0123456789abcdef", "MID-" + "0123456789abcdef" * 2])
def test_fallback_serials_of_the_real_clients(
    daemon: Daemon, clock: ScaledClock, fresh: Fresh, serial: str
) -> None:
    mac = fresh.mac()
    ztp = ZtpBootstrap(daemon.base_url, serial, mac, clock, max_retries=1)
    with pytest.raises(TwinError, match="still pending"):
        ztp.bootstrap()
    agent = AgentBootstrap(daemon.base_url, serial, mac, clock, max_retries=1)
    with pytest.raises(TwinError, match="not approved"):
        agent.bootstrap()
    assert agent.replies[0]["status"] == "pending", "one record behind both dialects"


def test_configured_device_gets_the_pools_of_its_site(
    daemon: Daemon, operator: ApiClient, twin: HttpAllocator, clock: ScaledClock, fresh: Fresh
) -> None:
    site, serial = fresh.name("site"), fresh.serial()
    for pool_id, cidr, where in (
        ("here", "10.40.0.0/24", site),
        ("there", "10.40.1.0/24", "elsewhere"),
    ):
        body = {"id": pool_id, "cidr": cidr, "metadata": {"site": where}}
        operator.post("/api/v1/pools", body).expect(201)
    ztp = ZtpBootstrap(daemon.base_url, serial, fresh.mac(), clock)
    operator.post("/api/v1/devices/whitelist", {"serial": serial}).expect(201)
    operator.put(f"/api/v1/devices/{serial}", {"site_id": site}).expect(200)
    pools = {pool["pool_id"]: pool["cidr"] for pool in ztp.bootstrap()["pools"]}
    assert pools["here"] == "10.40.0.0/24"
    assert pools["wgar"] == DEMO_POOLS["wgar"], "a pool without a site is everybody's"
    assert "there" not in pools


def test_agent_waits_for_approval(
    daemon: Daemon, operator: ApiClient, clock: ScaledClock, fresh: Fresh
) -> None:
    agent = AgentBootstrap(daemon.base_url, fresh.serial(), fresh.mac(), clock, max_retries=2)
    with pytest.raises(TwinError, match="not approved after 2 attempts"):
        agent.bootstrap()
    assert agent.statuses == [202, 202]
    assert clock.slept_s == [30]
    operator.post(f"/api/v1/devices/{agent.serial}/approve").expect(200)
    reply = agent.bootstrap()
    assert agent.statuses[-1] == 200
    assert reply["device_id"]
    # Approved without a site: the ztp dialect goes on waiting.
    ztp = ZtpBootstrap(daemon.base_url, agent.serial, agent.mac, clock, max_retries=1)
    with pytest.raises(TwinError, match="still pending"):
        ztp.bootstrap()
    operator.put(f"/api/v1/devices/{agent.serial}", {"site_id": fresh.name("site")}).expect(200)
    assert agent.bootstrap()["ha_role"] == "active"
    assert ztp.bootstrap()["role"] == "active"


@pytest.mark.parametrize("verb", ["reject", "revoke"])
def test_a_shut_out_device(
    daemon: Daemon, operator: ApiClient, clock: ScaledClock, fresh: Fresh, verb: str
) -> None:
    agent = AgentBootstrap(daemon.base_url, fresh.serial(), fresh.mac(), clock, max_retries=1)
    with pytest.raises(TwinError):
        agent.bootstrap()
    operator.post(f"/api/v1/devices/{agent.serial}/{verb}").expect(200)
    with pytest.raises(RejectedError):
        agent.bootstrap()
    assert agent.statuses[-1] == 200
    ztp = ZtpBootstrap(daemon.base_url, agent.serial, agent.mac, clock, give_up_after_errors=3)
    with pytest.raises(TwinError, match="bootstrap: 403"):
        ztp.bootstrap()
    assert clock.slept_s[-2:] == [5, 10], "it retries with its own back-off"


def test_a_thousand_edges_after_a_power_cut(daemon: Daemon, fresh: Fresh) -> None:
    """A thousand registrations at once stay inside the burst: no real edge is rate limited."""
    devices = [(fresh.serial(), fresh.mac()) for _ in range(1000)]

    def boot(device: tuple[str, str]) -> list[int]:
        clock = ScaledClock(scale=1e6)
        ztp = ZtpBootstrap(daemon.base_url, *device, clock, max_retries=1, give_up_after_errors=1)
        with pytest.raises(TwinError, match="still pending"):
            ztp.bootstrap()
        return ztp.statuses

    with ThreadPoolExecutor(16) as pool:
        assert set(map(tuple, pool.map(boot, devices))) == {(201,)}


# ---- probes and scripts


def test_what_manifests_and_scripts_probe(daemon: Daemon, operator: ApiClient) -> None:
    health = operator.get("/health")
    assert health.status == 200
    assert any(word in health.body for word in (b"healthy", b"ok", b"ready", b"alive"))
    assert operator.get("/api/v1/health").expect(200)["status"] == "healthy"
    assert operator.get("/ready").expect(200)["ready"] is True
    operator.get("/api/v1/pools").expect(200)
    operator.get("/api/v1/nodes").expect(200)
    operator.get("/api/v1/hashring").expect(200)
    for line in daemon.metrics().splitlines():
        assert not line or line.startswith(("#", "nexus_", "go_", "python_", "process_")), line


@pytest.mark.parametrize(
    ("cidr", "fields", "length"),
    [
        ("2001:db8:100::/48", {"prefix": 64}, 64),
        ("2001:db8:200::/64", {"prefix_length": 128}, 128),
        ("2001:db8:300::/48", {"prefix_length": 60}, 60),
    ],
)
def test_ipv6_pools_of_tests_and_runbooks(
    operator: ApiClient, twin: HttpAllocator, cidr: str, fields: dict[str, int], length: int
) -> None:
    pool_id = f"v6-{length}"
    operator.post("/api/v1/pools", {"id": pool_id, "cidr": cidr, **fields}).expect(201)
    address = twin.allocate("runbook-1", pool_id)
    assert address.prefix == length
    assert ipaddress.ip_address(address.ip) in ipaddress.ip_network(cidr)


def test_scripts_that_post_a_mac_instead_of_a_subscriber(operator: ApiClient) -> None:
    answer = operator.post("/api/v1/allocations", {"pool_id": "wgar", "mac": "aa:bb:cc:dd:ee:ff"})
    assert answer.status in (201, 400), answer
