"""From the views of the devices to the objects of the three dialects."""

from __future__ import annotations

from nexus.devices.records import APPROVED, CONFIGURED, REJECTED, REVOKED, DeviceRecord
from nexus.devices.views import AssignmentView, DeviceConfigView, RegistrationView
from nexus.model.views import PoolView
from nexus.rest import device_schemas as schemas
from nexus.rest.http import presents
from nexus.rest.times import rfc3339, rfc3339_or_none

RETRY_AFTER_S = 30
"""How soon a pending device calls again."""

ADDRESS_METADATA_KEY = "address"
ENDPOINT_METADATA_KEY = "endpoint"
"""Metadata of a device that its partner is told: an address, and ``host:port`` of its HA sync."""

_IPV4_TYPES = ("ipv4",)
_IPV6_TYPES = ("ipv6",)
_VLAN_TYPES = ("vlan", "svlan")

_AGENT_STATUS = {APPROVED: "approved", CONFIGURED: "approved", REJECTED: "rejected"}
_AGENT_STATUS[REVOKED] = "rejected"

_AGENT_MESSAGES = {
    "pending": "Device registered, awaiting approval",
    "approved": "Device approved",
    "rejected": "Device is not admitted",
}

Warnings = tuple[str, ...]


@presents(DeviceRecord)
def device(record: DeviceRecord, warnings: Warnings = ()) -> schemas.DeviceReply:
    """One device."""
    return schemas.DeviceReply(
        node_id=record.node_id,
        serial=record.serial,
        mac=record.mac or "",
        status=record.state,  # type: ignore[arg-type]  # one of the states, all are listed
        model=record.model,
        firmware=record.firmware,
        agent_version=record.agent_version,
        capabilities=record.capabilities,
        site_id=record.site_id,
        role=record.role,
        partner_node_id=record.partner_node_id,
        metadata=record.metadata,
        added_at=rfc3339(record.added_us),
        first_seen=rfc3339_or_none(record.first_seen_us),
        last_seen=rfc3339_or_none(record.last_seen_us),
        approved_at=rfc3339_or_none(record.approved_us),
        rejected_at=rfc3339_or_none(record.rejected_us),
        revoked_at=rfc3339_or_none(record.revoked_us),
        warnings=warnings,
    )


@presents(DeviceConfigView)
def config(view: DeviceConfigView) -> schemas.DeviceConfigReply:
    """The configuration document of a device."""
    return schemas.DeviceConfigReply(
        node_id=view.device.node_id,
        site_id=view.device.site_id or "",
        role=view.device.role or "",
        partner=_partner(view.partner),
        pools=tuple(map(_pool, view.pools)),
        cluster=_cluster(view),
        timestamp=rfc3339(view.at_us),
    )


def assignment(view: AssignmentView, warnings: Warnings) -> schemas.AssignReply:
    """A device at its site."""
    record = view.device
    return schemas.AssignReply(
        node_id=record.node_id,
        site_id=record.site_id or "",
        role=record.role or "",
        partner_node_id=record.partner_node_id,
        status=record.state,
        message=f"Device assigned to site {record.site_id} as {record.role}",
        warnings=warnings,
    )


def ztp(
    view: RegistrationView, configured: DeviceConfigView | None, warnings: Warnings
) -> schemas.ZtpReply:
    """A registration in the ztp dialect, whose client polls until the word is `configured`."""
    if configured is None:
        return schemas.ZtpReply(
            node_id=view.device.node_id,
            status="pending",
            retry_after=RETRY_AFTER_S,
            message="Device registered, awaiting configuration",
            warnings=warnings,
        )
    record = configured.device
    return schemas.ZtpReply(
        node_id=record.node_id,
        status="configured",
        site_id=record.site_id,
        role=record.role,
        partner=_partner(configured.partner),
        pools=tuple(map(_pool, configured.pools)),
        cluster=_cluster(configured),
        message="Device configured successfully",
        warnings=warnings,
    )


def agent(
    view: RegistrationView, configured: DeviceConfigView | None, warnings: Warnings
) -> schemas.AgentReply:
    """A registration in the agent dialect."""
    status = _AGENT_STATUS.get(view.device.state, "pending")
    reply = schemas.AgentReply(
        status=status,  # type: ignore[arg-type]  # the table holds the three words
        device_id=view.device.node_id,
        message=_AGENT_MESSAGES[status],
        warnings=warnings,
    )
    if configured is None:
        return reply
    record, partner = configured.device, configured.partner
    return schemas.AgentReply(
        status=reply.status,
        device_id=record.node_id,
        message=f"Device approved for site {record.site_id}",
        config=schemas.AgentConfigReply(record.node_id, _agent_pools(configured.pools)),
        clset_peers=configured.peers,
        ha_role=record.role,
        ha_partner=None
        if partner is None
        else schemas.AgentPartnerReply(
            partner.node_id, partner.metadata.get(ENDPOINT_METADATA_KEY, "")
        ),
        warnings=warnings,
    )


def _partner(record: DeviceRecord | None) -> schemas.PartnerReply | None:
    if record is None:
        return None
    address = record.metadata.get(ADDRESS_METADATA_KEY)
    return schemas.PartnerReply(record.node_id, record.state, address)


def _pool(view: PoolView) -> schemas.PoolShareReply:
    spec = view.spec
    return schemas.PoolShareReply(
        spec.id, spec.type, spec.cidr, spec.range, spec.c_vlan, spec.prefix, view.gateway, spec.dns
    )


def _agent_pools(pools: tuple[PoolView, ...]) -> schemas.AgentPoolsReply:
    def ids(types: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(view.spec.id for view in pools if view.spec.type in types)

    return schemas.AgentPoolsReply(ids(_IPV4_TYPES), ids(_IPV6_TYPES), ids(_VLAN_TYPES))


def _cluster(view: DeviceConfigView) -> schemas.ClusterReply | None:
    return schemas.ClusterReply(view.peers) if view.peers else None
