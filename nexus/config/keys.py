"""Every key of `nexus serve`: flag, environment variable and file key are one row here.

``--http-port``, ``NEXUS_HTTP_PORT`` and ``http_port:`` in nexus.yaml are the same key.  A row says
how a value is read, what is accepted and what it is for; defaults stand in `ServeConfig` alone.

Keys of parts that this version does not have are known, so that a configuration written for them
is refused with the reason instead of being started with less protection than it asks for.
"""

from __future__ import annotations

import msgspec

from nexus.config.kinds import Address, Choice, Count, Duration, Flag, Kind, Ratio, Text, Words
from nexus.config.schema import ServeConfig
from nexus.model.time import NS_PER_MS, NS_PER_S

MINUTE_NS = 60 * NS_PER_S
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

ROLES = ("core", "write", "read", "edge")
DISCOVERIES = ("", "none", "rendezvous", "dns", "mdns")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
RTC_TRUSTED = "rtc_trusted"
COLD_STARTS = ("deny", RTC_TRUSTED)
PORT_MAX = 65_535
NODE_ID_PATTERN = r"|[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9._-]{0,126}[A-Za-z0-9]"

CLUSTER = "the cluster transport is not in this version"
SECURITY = "TLS and certificates are not in this version"
ALONE = "it is for clusters, and the cluster transport is not in this version"
ZTP = "the DHCP answerer is not in this version"

_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(ServeConfig)}


class Key(msgspec.Struct, frozen=True):
    """One key: the row of the registry."""

    name: str
    kind: Kind
    group: str
    help: str
    missing: str = ""
    """Why this version refuses any value but the default; empty for keys that work."""
    idle: str = ""
    """Why a value is accepted without effect in this version; told as a warning."""

    @property
    def field(self) -> str:
        """Name in `ServeConfig`: the key and its unit."""
        return self.name + self.kind.suffix

    @property
    def default(self) -> object:
        return _DEFAULTS[self.field]

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "NEXUS_" + self.name.upper()


_PORT = Count(1, PORT_MAX)
_PORT_OR_ANY = Count(0, PORT_MAX)
_PATH = Text("a file path")
_MULTIADDRS = Words("multiaddrs like /ip4/192.0.2.1/tcp/33123, separated by commas")
_MEMBERS = Words("id=multiaddr of each first member, separated by commas", r"[^=\s]+=\S+")

KEYS: tuple[Key, ...] = (
    Key(
        "node_id",
        Text(
            "1 to 128 letters, digits and . _ -, first and last a letter or digit", NODE_ID_PATTERN
        ),
        "node",
        "id of this member; default: made at the first start and kept in the data path",
    ),
    Key("role", Choice(ROLES), "node", "what this node does; only cores vote"),
    Key(
        "weight",
        Ratio(0.01, 100),
        "node",
        "share of shards relative to other members",
        idle=ALONE,
    ),
    Key(
        "data_path",
        Text("a folder that this process may write", ".+"),
        "node",
        "folder of the durable state; one process at a time",
    ),
    Key("ephemeral", Flag(), "node", "keep everything in memory, nothing survives a stop"),
    Key("listen", Address(), "listeners", "address of all listeners"),
    Key("http_port", _PORT_OR_ANY, "listeners", "REST API; 0 takes a free port and logs it"),
    Key(
        "grpc_port",
        Count(0, PORT_MAX),
        "listeners",
        "gRPC API, 0 for none",
        idle="gRPC is not served by this version",
    ),
    Key("metrics_port", _PORT_OR_ANY, "listeners", "Prometheus metrics; 0 takes a free port"),
    Key(
        "max_connections",
        Count(1, 1_000_000),
        "listeners",
        "open HTTP connections; more are closed and counted",
    ),
    Key(
        "registration_rate",
        Count(1, 100_000),
        "listeners",
        "device registrations a second, over all sources",
    ),
    Key(
        "registration_burst",
        Count(1, 1_000_000),
        "listeners",
        "device registrations that may come at once",
    ),
    Key(
        "shutdown_grace",
        Duration(0, 10 * MINUTE_NS),
        "listeners",
        "time for open requests to finish after TERM",
    ),
    Key(
        "snapshot_log_mib",
        Count(1, 65_536),
        "records",
        "log size in MiB after which a snapshot is taken while serving",
    ),
    Key(
        "watch_buffer",
        Count(100, 10_000_000),
        "records",
        "changes kept for watchers that come back with Last-Event-ID",
    ),
    Key("log_level", Choice(LOG_LEVELS), "records", "least severe log line that is written"),
    Key("log_format", Choice(LOG_FORMATS), "records", "text for people, json for machines"),
    Key(
        "clock_error_bound",
        Duration(0, HOUR_NS, optional=True),
        "ownership of this node",
        "how wrong the wall clock can be after a reboot; default 10s on cores, none on edges",
    ),
    Key(
        "renew_interval",
        Duration(NS_PER_S, 5 * DAY_NS, optional=True),
        "ownership of this node",
        "time between renewals of grants; none: the smaller of 20s and horizon / 6",
    ),
    Key(
        "witness_age",
        Duration(100 * NS_PER_MS, 10 * NS_PER_S),
        "ownership of this node",
        "without a clock that runs on while stopped: age of a voter's answer that still counts",
        idle=ALONE,
    ),
    Key(
        "suspect_phi",
        Ratio(1, 16),
        "ownership of this node",
        "suspicion level of the failure detector; moves placement, never safety",
        idle=ALONE,
    ),
    Key(
        "offline_after",
        Duration(3 * NS_PER_S, HOUR_NS),
        "ownership of this node",
        "silence after which a member counts as offline",
    ),
    Key(
        "cold_start_offline",
        Choice(COLD_STARTS),
        "ownership of this node",
        "whether an edge that starts cut off may go on with its holds, by a battery-backed clock",
    ),
    Key(
        "cold_start_error_bound",
        Duration(0, HOUR_NS, optional=True),
        "ownership of this node",
        "how wrong that clock can be; required by cold_start_offline = rtc_trusted",
    ),
    Key(
        "ack_limit",
        Duration(NS_PER_S, 15 * MINUTE_NS),
        "ownership of the cluster",
        "age up to which an acknowledgement counts; at most mclt / 4 and cooldown of each pool",
    ),
    Key(
        "round_interval",
        Duration(0, 100 * NS_PER_MS),
        "ownership of the cluster",
        "one quorum round for all requests that wait, this often",
    ),
    Key(
        "quorum_wait",
        Duration(100 * NS_PER_MS, 30 * NS_PER_S),
        "ownership of the cluster",
        "how long a request waits for the majority",
    ),
    Key(
        "grant_wait",
        Duration(0, 30 * NS_PER_S),
        "ownership of the cluster",
        "how long a request waits for a shard that is not granted yet",
    ),
    Key(
        "drift_ppm",
        Count(100, 20_000),
        "ownership of the cluster",
        "bound on how fast or slow a member's clock may run, parts per million",
    ),
    Key(
        "move_budget",
        Ratio(0, 1),
        "ownership of the cluster",
        "share of all shards that may move for balance in a minute",
        idle=ALONE,
    ),
    Key("p2p", Flag(), "cluster", "talk to other members", CLUSTER),
    Key(
        "p2p_port",
        _PORT,
        "cluster",
        "libp2p over TCP",
        idle=CLUSTER,
    ),
    Key("bootstrap", _MULTIADDRS, "cluster", "members to join through", CLUSTER),
    Key("initial_cluster", _MEMBERS, "cluster", "the voters that found a cluster", CLUSTER),
    Key(
        "discovery",
        Choice(DISCOVERIES),
        "cluster",
        "how members find each other",
        idle=CLUSTER,
    ),
    Key("rendezvous_server", Text("a multiaddr"), "cluster", "meeting point", CLUSTER),
    Key(
        "rendezvous_namespace",
        Text("a name", r"\S*"),
        "cluster",
        "name of the cluster at the meeting point",
        idle=CLUSTER,
    ),
    Key("dns_service_name", Text("a DNS name", r"\S*"), "cluster", "lists members", CLUSTER),
    Key(
        "dns_poll_interval",
        Duration(NS_PER_S, HOUR_NS),
        "cluster",
        "time between DNS look-ups",
        idle=CLUSTER,
    ),
    Key(
        "dns_ready_timeout",
        Duration(0, HOUR_NS),
        "cluster",
        "readiness waits this long for the first peer",
        idle=CLUSTER,
    ),
    Key("tls_cert", _PATH, "security", "certificate of the REST listener", SECURITY),
    Key("tls_key", _PATH, "security", "its private key", SECURITY),
    Key("tls_ca", _PATH, "security", "authority of client certificates", SECURITY),
    Key("tls_client_auth", Flag(), "security", "require client certificates", SECURITY),
    Key("ca_cert", _PATH, "security", "authority of device certificates", SECURITY),
    Key("ca_key", _PATH, "security", "its private key", SECURITY),
    Key(
        "cert_validity",
        Count(1, 8760),
        "security",
        "hours that a device certificate is valid",
        idle=SECURITY,
    ),
    Key(
        "whitelist_file",
        _PATH,
        "security",
        "devices known before they call",
        "use `nexus devices import` or POST /api/v1/devices/whitelist",
    ),
    Key("grpc_tls_cert", _PATH, "security", "certificate of the gRPC listener", SECURITY),
    Key("grpc_tls_key", _PATH, "security", "its private key", SECURITY),
    Key("ztp", Flag(), "zero-touch provisioning", "answer DHCP on port 67", ZTP),
    Key(
        "ztp_interface",
        Text("an interface name", r"\S{1,15}"),
        "zero-touch provisioning",
        "interface to answer on",
        idle=ZTP,
    ),
    Key(
        "ztp_network",
        Text("an IPv4 network", r"[0-9./]+"),
        "zero-touch provisioning",
        "network to give addresses from",
        idle=ZTP,
    ),
    Key(
        "ztp_gateway",
        Text("an IPv4 address", r"[0-9.]*"),
        "zero-touch provisioning",
        "router told; default: first address of the network",
        idle=ZTP,
    ),
    Key(
        "ztp_dns",
        Words("addresses, separated by commas", r"[0-9a-fA-F.:]+"),
        "zero-touch provisioning",
        "name servers told",
        idle=ZTP,
    ),
)

KEY_BY_NAME: dict[str, Key] = {key.name: key for key in KEYS}
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(key.group for key in KEYS))
