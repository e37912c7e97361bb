"""The Go structs that the BNG clients decode our replies into: names and types, nothing else.

Three clients: the allocator (pools and allocations), the ztp bootstrap client and the agent.
Whatever is not named here is skipped by them, as by `go_json`.
"""

from __future__ import annotations

from tests.support.go_json import (
    BOOL,
    FLOAT64,
    INT,
    STRING,
    TIME,
    UINT16,
    UINT64,
    list_of,
    pointer,
    struct,
)

POOL = struct(
    "Pool",
    {
        "id": STRING,
        "cidr": STRING,
        "prefix": INT,
        "gateway": STRING,
        "dns": list_of(STRING),
    },
)

ALLOCATION = struct(
    "Allocation",
    {
        "pool_id": STRING,
        "subscriber_id": STRING,
        "ip": STRING,
        "prefix": INT,
        "timestamp": TIME,
    },
)

POOL_LIST = struct("PoolList", {"pools": list_of(POOL), "count": INT})
ALLOCATION_LIST = struct("AllocationList", {"allocations": list_of(ALLOCATION), "count": INT})

ZTP_REPLY = struct(
    "ZtpReply",
    {
        "node_id": STRING,
        "status": STRING,
        "site_id": STRING,
        "role": STRING,
        "partner": pointer(
            struct("Partner", {"node_id": STRING, "address": STRING, "status": STRING})
        ),
        "pools": list_of(
            struct("PoolShare", {"pool_id": STRING, "cidr": STRING, "subnets": list_of(STRING)})
        ),
        "cluster": pointer(struct("Cluster", {"peers": list_of(STRING), "sync_endpoint": STRING})),
        "retry_after": INT,
        "message": STRING,
    },
)

_AGENT_POOLS = struct(
    "Pools", {"ipv4": list_of(STRING), "ipv6": list_of(STRING), "vlans": list_of(STRING)}
)

_AGENT_CONFIG = struct(
    "Config",
    {
        "device_id": STRING,
        "netco_id": STRING,
        "image": STRING,
        "network": struct(
            "Network",
            {
                "management_vlan": UINT16,
                "management_ip": STRING,
                "management_gateway": STRING,
                "uplink_interface": STRING,
                "pon_interfaces": list_of(STRING),
            },
        ),
        "pon": struct("Pon", {"ports": INT, "technology": STRING, "split_ratio": INT}),
        "pools": _AGENT_POOLS,
        "isps": list_of(
            struct(
                "Isp",
                {
                    "isp_id": STRING,
                    "name": STRING,
                    "radius": struct(
                        "Radius",
                        {
                            "servers": list_of(STRING),
                            "secret_ref": STRING,
                            "realm": STRING,
                            "timeout_ms": INT,
                            "retries": INT,
                        },
                    ),
                    "pools": _AGENT_POOLS,
                    "qos_policies": list_of(STRING),
                    "control_vlan": UINT16,
                },
            )
        ),
        "qos": struct(
            "Qos",
            {
                "default_down_mbps": UINT64,
                "default_up_mbps": UINT64,
                "burst_allowance": FLOAT64,
            },
        ),
        "walled_garden": struct(
            "WalledGarden",
            {
                "enabled": BOOL,
                "portal_ip": STRING,
                "portal_port": UINT16,
                "allowed_dns": list_of(STRING),
                "allowed_hosts": list_of(STRING),
            },
        ),
    },
)

AGENT_REPLY = struct(
    "AgentReply",
    {
        "status": STRING,
        "device_id": STRING,
        "config": pointer(_AGENT_CONFIG),
        "clset_peers": list_of(STRING),
        "message": STRING,
        "ha_role": STRING,
        "ha_partner": pointer(struct("HaPartner", {"node_id": STRING, "endpoint": STRING})),
    },
)
