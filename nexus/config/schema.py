"""The typed result of loading a configuration: what `nexus serve` runs with.

How each key is read, what it accepts and what it is for is in `nexus.config.keys`; rules between
keys are in `nexus.config.rules`.  A field is named like its key, plus the unit where it has one.
"""

from __future__ import annotations

import msgspec

from nexus.model.time import NS_PER_MS, NS_PER_S


class ServeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A checked configuration of `nexus serve`; durations are nanoseconds."""

    # this node
    node_id: str = ""
    """Empty: the member id that the data path remembers, else a new one."""
    role: str = "core"
    weight: float = 1.0
    data_path: str = "data"
    ephemeral: bool = False
    # listeners
    listen: str = "127.0.0.1"
    http_port: int = 9000
    grpc_port: int = 9001
    metrics_port: int = 9002
    max_connections: int = 4096
    registration_rate: int = 100
    registration_burst: int = 2000
    shutdown_grace_ns: int = 10 * NS_PER_S
    # records
    snapshot_log_mib: int = 8
    watch_buffer: int = 10_000
    log_level: str = "info"
    log_format: str = "text"
    # ownership, this node (protocol knobs)
    clock_error_bound_ns: int | None = 10 * NS_PER_S
    """None: the wall clock is not trusted after a reboot (R11); edges default to that."""
    renew_interval_ns: int | None = None
    """None: min(20 s, smallest H held / 6)."""
    witness_age_ns: int = NS_PER_S
    suspect_phi: float = 8.0
    offline_after_ns: int = 30 * NS_PER_S
    cold_start_offline: str = "deny"
    cold_start_error_bound_ns: int | None = None
    # ownership, the same on all members
    ack_limit_ns: int = 5 * NS_PER_S
    round_interval_ns: int = 2 * NS_PER_MS
    quorum_wait_ns: int = 2 * NS_PER_S
    grant_wait_ns: int = 2 * NS_PER_S
    drift_ppm: int = 1000
    move_budget: float = 0.01
    # cluster
    p2p: bool = False
    p2p_port: int = 33_123
    bootstrap: tuple[str, ...] = ()
    initial_cluster: tuple[str, ...] = ()
    discovery: str = ""
    rendezvous_server: str = ""
    rendezvous_namespace: str = "nexus"
    dns_service_name: str = ""
    dns_poll_interval_ns: int = 10 * NS_PER_S
    dns_ready_timeout_ns: int = 30 * NS_PER_S
    # security
    tls_cert: str = ""
    tls_key: str = ""
    tls_ca: str = ""
    tls_client_auth: bool = False
    ca_cert: str = ""
    ca_key: str = ""
    cert_validity: int = 24
    whitelist_file: str = ""
    grpc_tls_cert: str = ""
    grpc_tls_key: str = ""
    # zero-touch provisioning by DHCP
    ztp: bool = False
    ztp_interface: str = "eth0"
    ztp_network: str = "192.168.100.0/24"
    ztp_gateway: str = ""
    ztp_dns: tuple[str, ...] = ("8.8.8.8", "8.8.4.4")
