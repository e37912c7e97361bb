"""A twin of the real BNG client: every call that it makes to Nexus, as it makes it.

The allocator, the ztp bootstrap client, the agent's bootstrap and the health checker, with their
URLs (nothing trimmed where they trim nothing), headers, accepted statuses, retry timers and
decoding (`go_json` into `bng_shapes`).  What would fail there raises `TwinError` here.  Timers run
on a `ScaledClock`, which also remembers what was slept.

Two ways of real life are kept on purpose: an error reply is not read to its end but its
connection dropped, and a redirect is reported as a failure, since Go would turn POST into GET.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from tests.support import bng_shapes
from tests.support.go_json import GoDecodeError, Kind, decode_first, unmarshal

HTTP_TIMEOUT_S = 30.0
HEALTH_TIMEOUT_S = 5.0
ZTP_BACKOFF_FIRST_S = 5
ZTP_BACKOFF_MAX_S = 300
AGENT_RETRY_S = 30
# Go's url.PathEscape leaves these raw beside letters and digits.
PATH_SAFE = "$&+=:@-_.~"
GO_USER_AGENT = "Go-http-client/1.1"


class TwinError(Exception):
    """The call failed as the client would see it."""

    def __init__(self, what: str, status: int | None = None) -> None:
        super().__init__(what)
        self.status = status


class NoAllocationError(TwinError):
    """404 of a look-up: the subscriber is not activated."""


class RejectedError(TwinError):
    """The agent was told `rejected`; it stops."""


@dataclass
class ScaledClock:
    """Sleeps ``seconds / scale`` and keeps the seconds asked for."""

    scale: float = 1000.0
    slept_s: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Sleep on the scaled clock."""
        self.slept_s.append(seconds)
        time.sleep(seconds / self.scale)


@dataclass(frozen=True)
class PskAuth:
    """Headers of `--auth-mode psk`; the key itself is never sent."""

    key: bytes
    serial: str = ""
    mac: str = ""

    def device_id(self) -> str:
        """The id that the BNG derives when none is configured."""
        if self.serial:
            return f"device-{self.serial}"
        if self.mac:
            return f"device-{self.mac.replace(':', '')}"
        return f"device-{hashlib.sha256(self.key).digest()[:8].hex()}"

    def headers(self) -> dict[str, str]:
        """Signed headers for one request."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        signed = f"{self.device_id()}:{stamp}".encode()
        found = {
            "X-Auth-Mode": "psk",
            "X-Device-ID": self.device_id(),
            "X-Device-Timestamp": stamp,
            "X-Device-Signature": hmac.new(self.key, signed, hashlib.sha256).hexdigest(),
        }
        if self.serial:
            found["X-Device-Serial"] = self.serial
        if self.mac:
            found["X-Device-MAC"] = self.mac
        return found


class GoTransport:
    """One kept connection, used as Go's default transport uses it."""

    def __init__(self, base_url: str, timeout_s: float = HTTP_TIMEOUT_S) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None
        self._address = (parts.hostname, parts.port or 80)
        self._prefix = parts.path
        self._timeout_s = timeout_s
        self._kept: http.client.HTTPConnection | None = None

    def call(
        self,
        method: str,
        path: str,
        good: tuple[int, ...],
        value: Any = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body; where the status is not ``good``, the body is left unread.

        That costs the connection, as in the client.
        """
        sent = {"User-Agent": GO_USER_AGENT, "Accept-Encoding": "gzip", **(headers or {})}
        body = None
        if value is not None:
            body = json.dumps(value, separators=(",", ":")).encode()
            sent.setdefault("Content-Type", "application/json")
        connection, self._kept = self._kept, None
        reused = connection is not None
        if connection is None:
            connection = http.client.HTTPConnection(*self._address, timeout=self._timeout_s)
        try:
            reply = self._exchange(connection, method, self._prefix + path, body, sent, reused)
            if 300 <= reply.status < 400:
                raise TwinError(f"{method} {path}: redirected, {reply.status}", reply.status)
            if reply.headers.get("Content-Encoding"):
                raise TwinError(f"{method} {path}: encoded reply")
            if reply.status in good:
                content = reply.read()
                if not reply.will_close:
                    self._kept, connection = connection, None
                return reply.status, content
            reply.close()
            return reply.status, b""
        except (OSError, http.client.HTTPException) as error:
            raise TwinError(f"{method} {path}: {error!r}") from error
        finally:
            if connection is not None:
                connection.close()

    @staticmethod
    def _exchange(
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        reused: bool,
    ) -> http.client.HTTPResponse:
        try:
            connection.request(method, path, body, headers)
            return connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            # Go tries again on a fresh connection where a kept one was dead, if it is safe.
            if not reused or method not in ("GET", "HEAD"):
                raise
        connection.close()
        connection.request(method, path, body, headers)
        return connection.getresponse()

    def close(self) -> None:
        """Drop the kept connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def __enter__(self) -> GoTransport:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _decode(kind: Kind, content: bytes, *, whole: bool) -> Any:
    try:
        return unmarshal(kind, content) if whole else decode_first(kind, content)
    except GoDecodeError as error:
        raise TwinError(f"{error}; the reply was {content[:500]!r}") from error


@dataclass(frozen=True)
class Address:
    """What the BNG installs for a subscriber."""

    ip: str
    prefix: int
    gateway: str
    dns: tuple[str, ...]
    timestamp: datetime


class HttpAllocator:
    """The allocator: calls 1 to 6 of the table of real calls."""

    def __init__(self, base_url: str, auth: PskAuth | None = None) -> None:
        self._transport = GoTransport(base_url)
        self._auth = auth
        self._pools: dict[str, dict[str, Any]] = {}

    def _call(
        self, method: str, path: str, good: tuple[int, ...], value: Any = None
    ) -> tuple[int, bytes]:
        headers = self._auth.headers() if self._auth is not None else None
        return self._transport.call(method, path, good, value, headers)

    def health_check(self) -> None:
        """Call 1: exactly 200."""
        status, _ = self._call("GET", "/health", (200,))
        if status != 200:
            raise TwinError(f"health: {status}", status)

    def pool_info(self, pool_id: str) -> dict[str, Any]:
        """Call 2: cached for the life of the process; the id goes into the path unescaped."""
        if pool_id not in self._pools:
            status, content = self._call("GET", f"/api/v1/pools/{pool_id}", (200,))
            if status != 200:
                raise TwinError(f"pool not found: {status}", status)
            pool = _decode(bng_shapes.POOL, content, whole=False)
            try:
                ipaddress.ip_network(pool["cidr"])
            except ValueError as error:
                raise TwinError(f"pool {pool_id}: cidr {pool['cidr']!r}: {error}") from error
            self._pools[pool_id] = pool
        return self._pools[pool_id]

    def create_pool(self, pool_id: str, cidr: str, prefix: int) -> int:
        """Call 3: 200, 201 and 409 are fine."""
        body = {"id": pool_id, "cidr": cidr, "prefix": prefix}
        status, _ = self._call("POST", "/api/v1/pools", (200, 201), body)
        if status not in (200, 201, 409):
            raise TwinError(f"create pool: {status}", status)
        return status

    def allocate(self, subscriber_id: str, pool_id: str) -> Address:
        """Call 4, and call 5 after a 409, for either address family."""
        pool = self.pool_info(pool_id)
        body = {"pool_id": pool_id, "subscriber_id": subscriber_id}
        status, content = self._call("POST", "/api/v1/allocations", (200, 201), body)
        if status == 409:
            return self.lookup(subscriber_id, pool_id)
        if status not in (200, 201):
            raise TwinError(f"allocation failed: {status}", status)
        return self._address(pool, _decode(bng_shapes.ALLOCATION, content, whole=False))

    def lookup(self, subscriber_id: str, pool_id: str) -> Address:
        """Call 5: exactly 200; 404 means not activated."""
        pool = self.pool_info(pool_id)
        return self._address(pool, self.allocation(subscriber_id))

    def allocation(self, subscriber_id: str) -> dict[str, Any]:
        """Call 5, the bare object."""
        escaped = quote(subscriber_id, safe=PATH_SAFE)
        status, content = self._call("GET", f"/api/v1/allocations/{escaped}", (200,))
        if status == 404:
            raise NoAllocationError("no allocation", status)
        if status != 200:
            raise TwinError(f"look-up failed: {status}", status)
        found: dict[str, Any] = _decode(bng_shapes.ALLOCATION, content, whole=False)
        return found

    def release(self, subscriber_id: str) -> None:
        """Call 6: 200 or 204; no pool is named, also for IPv6."""
        escaped = quote(subscriber_id, safe=PATH_SAFE)
        status, _ = self._call("DELETE", f"/api/v1/allocations/{escaped}", (200, 204))
        if status not in (200, 204):
            raise TwinError(f"release failed: {status}", status)

    @staticmethod
    def _address(pool: dict[str, Any], allocation: dict[str, Any]) -> Address:
        try:
            ip = ipaddress.ip_address(allocation["ip"])
        except ValueError as error:
            raise TwinError(f"ip {allocation['ip']!r}: {error}") from error
        network = ipaddress.ip_network(pool["cidr"])
        prefix = network.prefixlen
        if ip.version == 6 and allocation["prefix"]:
            prefix = allocation["prefix"]
        dns = []
        for server in pool["dns"]:
            try:
                dns.append(str(ipaddress.ip_address(server)))
            except ValueError:
                continue
        return Address(
            ip=str(ip),
            prefix=prefix,
            gateway=pool["gateway"] or str(network[1] if network.num_addresses > 1 else ip),
            dns=tuple(dns),
            timestamp=allocation["timestamp"],
        )

    def close(self) -> None:
        """Drop the connection."""
        self._transport.close()

    def __enter__(self) -> HttpAllocator:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class HealthChecker:
    """The resilience checker of `run`: every 5 s with the default client, 3 failures = cut off."""

    def __init__(self, base_url: str, clock: ScaledClock, *, interval_s: float = 5) -> None:
        self._base_url = base_url
        self._clock = clock
        self._interval_s = interval_s
        self._failures = 0

    @property
    def partitioned(self) -> bool:
        """Whether the BNG believes that it is cut off."""
        return self._failures >= 3

    def probe(self) -> bool:
        """One probe and the wait after it; true if it succeeded."""
        with GoTransport(self._base_url, HEALTH_TIMEOUT_S) as transport:
            try:
                status, _ = transport.call("GET", "/health", (200,))
                good = status == 200
            except TwinError:
                good = False
        self._failures = 0 if good else self._failures + 1
        self._clock.sleep(self._interval_s)
        return good


@dataclass
class ZtpBootstrap:
    """The ztp client: `POST /api/v1/bootstrap` until the status is `configured`."""

    base_url: str
    serial: str
    mac: str
    clock: ScaledClock
    model: str = ""
    firmware: str = ""
    public_key: str = ""
    max_retries: int = 0
    """Pending answers before it gives up, 0 for never."""
    give_up_after_errors: int = 20
    """The real one never gives up on errors; a test has to."""
    replies: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def body(self) -> dict[str, str]:
        """The request; empty fields are left out."""
        optional = {"model": self.model, "firmware": self.firmware, "public_key": self.public_key}
        return {
            "serial": self.serial,
            "mac": self.mac,
            **{key: text for key, text in optional.items() if text},
        }

    def bootstrap(self) -> dict[str, Any]:
        """The configured reply."""
        with GoTransport(self.base_url.rstrip("/")) as transport:
            return self._poll(transport)

    def _poll(self, transport: GoTransport) -> dict[str, Any]:
        backoff_s = ZTP_BACKOFF_FIRST_S
        pending = errors = 0
        while True:
            try:
                reply = self._once(transport)
            except TwinError:
                errors += 1
                if errors >= self.give_up_after_errors:
                    raise
                self.clock.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, ZTP_BACKOFF_MAX_S)
                continue
            if reply["status"] == "configured":
                return reply
            pending += 1
            if self.max_retries and pending >= self.max_retries:
                raise TwinError(f"still {reply['status']} after {pending} answers")
            self.clock.sleep(reply["retry_after"] or backoff_s)

    def _once(self, transport: GoTransport) -> dict[str, Any]:
        status, content = transport.call("POST", "/api/v1/bootstrap", (200, 201), self.body())
        self.statuses.append(status)
        if status not in (200, 201):
            raise TwinError(f"bootstrap: {status}", status)
        reply: dict[str, Any] = _decode(bng_shapes.ZTP_REPLY, content, whole=True)
        self.replies.append(reply)
        return reply


@dataclass
class AgentBootstrap:
    """The agent: `POST /api/v1/devices/register` every 30 s until approved or rejected."""

    base_url: str
    serial: str
    mac: str
    clock: ScaledClock
    model: str = "OLT-BNG"
    firmware: str = "1.0.0"
    version: str = "0.1.0"
    capabilities: tuple[str, ...] = ("bng", "dhcp")
    max_retries: int = 0
    """Attempts of any outcome before it gives up, 0 for never."""
    replies: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def bootstrap(self) -> dict[str, Any]:
        """The approved reply."""
        with GoTransport(self.base_url) as transport:
            return self._poll(transport)

    def _poll(self, transport: GoTransport) -> dict[str, Any]:
        attempts = 0
        while True:
            attempts += 1
            failure = TwinError(f"not approved after {attempts} attempts")
            try:
                reply = self._once(transport)
                if reply["status"] == "approved":
                    return reply
                if reply["status"] == "rejected":
                    raise RejectedError(f"rejected: {reply['message']}")
            except RejectedError:
                raise
            except TwinError as error:
                failure = error
            if self.max_retries and attempts >= self.max_retries:
                raise failure
            self.clock.sleep(AGENT_RETRY_S)

    def _once(self, transport: GoTransport) -> dict[str, Any]:
        body = {
            "serial": self.serial,
            "mac": self.mac,
            "model": self.model,
            "firmware": self.firmware,
            "agent_version": self.version,
            "capabilities": list(self.capabilities),
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }
        headers = {"User-Agent": f"olt-bng/{self.version}"}
        path = "/api/v1/devices/register"
        status, content = transport.call("POST", path, (200, 202), body, headers)
        self.statuses.append(status)
        if status not in (200, 202):
            raise TwinError(f"register: {status}", status)
        reply: dict[str, Any] = _decode(bng_shapes.AGENT_REPLY, content, whole=True)
        self.replies.append(reply)
        return reply
