"""JSON objects of the devices and of the three bootstrap dialects; rules as in `schemas`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from nexus.rest.schemas import Reply, Request, Time

SHORT_CHARS_MAX = 64
PUBLIC_KEY_CHARS_MAX = 4096
METADATA_KEYS_MAX = 64
METADATA_VALUE_CHARS_MAX = 512
CAPABILITIES_MAX = 64

Serial = Annotated[
    str,
    Meta(
        description="4 to 64 letters, digits, `- _ . / :`, single spaces within.",
        extra_json_schema={
            "pattern": "^[A-Za-z0-9._/:-](?:[A-Za-z0-9._/:-]| (?! )){2,62}[A-Za-z0-9._/:-]$"
        },
    ),
]
Mac = Annotated[
    str,
    Meta(
        description="Octets in hexadecimal, separated by `:` or `-`, dotted, or bare.",
        examples=["aa:bb:cc:dd:ee:ff"],
        extra_json_schema={"pattern": "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$"},
    ),
]
SiteId = Annotated[
    str,
    Meta(
        description="1 to 64 letters, digits, `_ -`; first and last a letter or digit.",
        extra_json_schema={"pattern": "^[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?$"},
    ),
]
ShortText = Annotated[str, Meta(max_length=SHORT_CHARS_MAX)]
Metadata = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=SHORT_CHARS_MAX)],
        Annotated[str, Meta(max_length=METADATA_VALUE_CHARS_MAX)],
    ],
    Meta(max_length=METADATA_KEYS_MAX),
]
State = Literal["pending", "approved", "configured", "rejected", "revoked"]


class RegistrationRequest(Request, frozen=True):
    """What a device says of itself, in either dialect; ``timestamp`` is not looked at."""

    serial: Serial
    mac: Mac
    model: ShortText | None = None
    firmware: ShortText | None = None
    public_key: Annotated[str, Meta(max_length=PUBLIC_KEY_CHARS_MAX)] | None = None
    agent_version: ShortText | None = None
    capabilities: Annotated[list[ShortText], Meta(max_length=CAPABILITIES_MAX)] | None = None
    timestamp: Any = None


class PartnerReply(Reply, frozen=True):
    """The other device at the site; ``address`` is its metadata's, where it has one."""

    node_id: str
    status: str
    address: str | None = None


class PoolShareReply(Reply, frozen=True):
    """A pool that a device may use."""

    pool_id: str
    type: str
    cidr: str | None = None
    range: str | None = None
    c_vlan: str | None = None
    prefix: int = 0
    gateway: str | None = None
    dns: tuple[str, ...] = ()


class ClusterReply(Reply, frozen=True):
    """Members that a device may talk to."""

    peers: tuple[str, ...]


class ZtpReply(Reply, frozen=True, kw_only=True):
    """Answer to a registration in the ztp dialect; ``retry_after`` in seconds while pending."""

    node_id: str
    status: Literal["pending", "configured"]
    site_id: str | None = None
    role: str | None = None
    partner: PartnerReply | None = None
    pools: tuple[PoolShareReply, ...] = ()
    cluster: ClusterReply | None = None
    retry_after: int = 0
    message: str
    warnings: tuple[str, ...] = ()


class AgentPoolsReply(Reply, frozen=True):
    """Ids of the pools of a device by kind."""

    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...]
    vlans: tuple[str, ...]


class AgentConfigReply(Reply, frozen=True):
    """The part of an agent's configuration that is kept here."""

    device_id: str
    pools: AgentPoolsReply


class AgentPartnerReply(Reply, frozen=True):
    """The other device at the site; ``endpoint`` is its metadata's, ``""`` where it has none."""

    node_id: str
    endpoint: str


class AgentReply(Reply, frozen=True, kw_only=True):
    """Answer to a registration in the agent dialect."""

    status: Literal["pending", "approved", "rejected"]
    device_id: str
    message: str
    config: AgentConfigReply | None = None
    clset_peers: tuple[str, ...] = ()
    ha_role: str | None = None
    ha_partner: AgentPartnerReply | None = None
    warnings: tuple[str, ...] = ()


class DeviceConfigReply(Reply, frozen=True, kw_only=True):
    """All that a configured device needs."""

    node_id: str
    site_id: str
    role: str
    partner: PartnerReply | None = None
    pools: tuple[PoolShareReply, ...]
    cluster: ClusterReply | None = None
    timestamp: Time


class DeviceReply(Reply, frozen=True, kw_only=True):
    """A device; its public key is never returned, stamps are absent until they happened."""

    node_id: str
    serial: str
    mac: str
    """``""`` until the first contact."""
    status: State
    model: str = ""
    firmware: str = ""
    agent_version: str = ""
    capabilities: tuple[str, ...] = ()
    site_id: str | None = None
    role: str | None = None
    partner_node_id: str | None = None
    metadata: dict[str, str] = {}
    added_at: Time
    first_seen: Time | None = None
    last_seen: Time | None = None
    approved_at: Time | None = None
    rejected_at: Time | None = None
    revoked_at: Time | None = None
    warnings: tuple[str, ...] = ()


class DevicePage(Reply, frozen=True):
    """Devices by serial."""

    devices: tuple[DeviceReply, ...]
    count: int
    total: int
    next_cursor: str | None = None


class AssignRequest(Request, frozen=True):
    """The site of a device; ``metadata`` replaces the device's own."""

    site_id: SiteId
    metadata: Metadata | None = None


class AssignReply(Reply, frozen=True, kw_only=True):
    """A device at its site."""

    node_id: str
    site_id: str
    role: str
    partner_node_id: str | None = None
    status: str
    message: str
    warnings: tuple[str, ...] = ()


class WhitelistRequest(Request, frozen=True):
    """A device that is expected; the MAC may stay unknown until it calls."""

    serial: Serial
    mac: Mac | None = None
    metadata: Metadata | None = None


class DeletedReply(Reply, frozen=True):
    """What was removed."""

    message: str
    node_id: str


class ImportReply(Reply, frozen=True):
    """Rows that took effect, pairs that they completed, and the others' faults by line."""

    imported: int
    paired: int
    errors: tuple[str, ...] = ()
