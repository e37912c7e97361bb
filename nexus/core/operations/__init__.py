"""Operations: one row per request, what runs it.  A new operation is one file and one row here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from nexus.core.operations import (
    allocate,
    backups,
    confirm_retired,
    create_pool,
    delete_pool,
    device_calls,
    nodes,
    read_allocations,
    read_pools,
    release,
    renew,
    voters,
)
from nexus.devices.requests import DeviceRead, DeviceWrite

Run = Callable[[Any, Any, Any], None]

OPERATIONS: dict[type, Run] = {
    allocate.Allocate: allocate.run,
    allocate.AllocateBatch: allocate.run_batch,
    release.Release: release.run,
    renew.Renew: renew.run,
    confirm_retired.ConfirmRetired: confirm_retired.run,
    read_allocations.GetAllocation: read_allocations.get_allocation,
    read_allocations.ListAllocations: read_allocations.list_allocations,
    read_allocations.ListExpiring: read_allocations.list_expiring,
    read_allocations.Explain: read_allocations.explain,
    backups.CreateBackups: backups.run,
    create_pool.CreatePool: create_pool.run,
    delete_pool.DeletePool: delete_pool.run,
    read_pools.GetPool: read_pools.get_pool,
    read_pools.ListPools: read_pools.list_pools,
    read_pools.GetUsage: read_pools.get_usage,
    read_pools.ListShards: read_pools.list_shards,
    nodes.ListNodes: nodes.list_nodes,
    nodes.GetNode: nodes.get_node,
    nodes.Heartbeat: nodes.heartbeat,
    nodes.DrainNode: nodes.drain,
    nodes.ResumeNode: nodes.resume,
    nodes.FenceNode: nodes.fence,
    nodes.GetHashring: nodes.hashring,
    nodes.GetReadiness: nodes.readiness,
    voters.GetVoters: voters.get_voters,
    voters.ChangeVoters: voters.change,
    **dict.fromkeys(get_args(DeviceWrite), device_calls.write),
    **dict.fromkeys(get_args(DeviceRead), device_calls.read),
}
"""Request type -> what runs it."""
