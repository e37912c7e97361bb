"""Execute decided operations: pools, members, devices.

Deterministic: the same operations in the same order give the same catalogue on every node.  What
an operation then means for this node's own shards (fences, draining, rows of a deleted pool) is
done here too, by calling the parts that own them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

import msgspec

from nexus.core.book import PoolBook
from nexus.core.context import Context
from nexus.core.decided import (
    DeviceOp,
    DiskLost,
    MemberAdmitted,
    MemberDraining,
    MemberFenced,
    PoolGone,
    PoolMade,
    Proposal,
)
from nexus.core.generations import Generations
from nexus.core.members import Member, Members
from nexus.core.pool_record import PoolRecord
from nexus.core.shaping import pool_view
from nexus.devices.registry import DeviceRegistry
from nexus.errors import NexusError
from nexus.model.views import Done, PoolView
from nexus.ownership.pool_state import PoolState
from nexus.resources import geometry


class Catalog:
    """Everything decided, and its execution."""

    def __init__(self, ctx: Context, book: PoolBook, members: Members) -> None:
        self.ctx = ctx
        self.book = book
        self.members = members
        self.devices = DeviceRegistry()
        self.generations = Generations(ctx, book)
        self.on_pool_gone: Callable[[PoolState], None] = _nothing
        self.on_placement: Callable[[], None] = _nothing
        self.on_fenced: Callable[[str, int], None] = _nothing
        self.on_disk_lost: Callable[[str, int], None] = _nothing

    def execute(self, number: int, proposal: Proposal) -> Any:
        """Carry out one decided operation; returns its outcome (a `NexusError` is returned)."""
        op = proposal.op
        match op:
            case PoolMade():
                return self._make_pool(number, op, proposal)
            case PoolGone():
                return self._delete_pool(op, proposal)
            case MemberAdmitted():
                return self._admit(op, proposal)
            case MemberDraining():
                return self._drain(op, proposal)
            case MemberFenced():
                return self._fence(op, proposal)
            case DiskLost():
                return self._disk_lost(op, proposal)
            case DeviceOp():
                return self._device(op, proposal)
            case _:
                assert_never(op)

    # --- pools -------------------------------------------------------------------------------

    def _make_pool(self, number: int, op: PoolMade, proposal: Proposal) -> PoolView | NexusError:
        spec = op.spec
        known = self.book.by_id.get(spec.id)
        if known is not None:
            if known.spec == spec:
                return pool_view(known)
            return NexusError("pool_exists", f"pool {spec.id} exists with another definition")
        shape = geometry(spec)
        for other in self.book.by_id.values():
            if other.geometry.overlaps(shape) and not (
                spec.allow_overlap and other.spec.allow_overlap
            ):
                return NexusError(
                    "pool_overlaps", f"the range overlaps pool {other.spec.id} of the same type"
                )
        generation = self.book.generations.get(spec.id, 0) + 1
        pool = PoolState(number, generation, spec, shape, op.at_us)
        self._add(pool)
        self.generations.made(pool)
        view = pool_view(pool, created=True)
        self._announce("put", "POOL_CREATED", f"pools/{spec.id}", proposal, view, type=spec.type)
        self.on_placement()
        return view

    def _delete_pool(self, op: PoolGone, proposal: Proposal) -> Done | NexusError:
        pool = self.book.by_id.get(op.pool_id)
        if pool is None:
            return NexusError("pool_not_found", f"pool not found: {op.pool_id}")
        self._retire(pool, op.at_us)
        self._announce("delete", "POOL_DELETED", f"pools/{op.pool_id}", proposal, None)
        return Done()

    def _retire(self, pool: PoolState, at_us: int) -> None:
        self.book.retire(pool, at_us)
        self.on_pool_gone(pool)
        self.generations.gone(pool)

    def _add(self, pool: PoolState) -> None:
        self.book.add(pool)
        pool.touched = self.ctx.touched
        for shard in pool.shards:
            self.ctx.touch(shard)

    def learn_pool(self, record: PoolRecord) -> None:
        """A pool of a snapshot or a catalogue message; rows of a known one stay."""
        known = self.book.by_no.get(record.pool_no)
        if known is None:
            self.generations.made(self._load_pool(record))
        elif record.retired_us is not None and known.retired_us is None:
            self._retire(known, record.retired_us)

    def _load_pool(self, record: PoolRecord) -> PoolState:
        pool = PoolState(
            record.pool_no,
            record.generation,
            record.spec,
            geometry(record.spec),
            record.created_us,
        )
        self._add(pool)
        if record.retired_us is not None:
            self.book.retire(pool, record.retired_us)
        return pool

    # --- members -----------------------------------------------------------------------------

    def _admit(self, op: MemberAdmitted, proposal: Proposal) -> Any:
        known = self.members.get(op.member_id)
        registration = known.registration + 1 if known is not None else 1
        fenced = registration - 1
        self.members.add(
            Member(op.member_id, op.role, op.weight, registration, op.incarnation, fenced)
        )
        self._announce("put", "NODE_JOINED", f"nodes/{op.member_id}", proposal, None, role=op.role)
        if known is not None:
            self.on_fenced(op.member_id, fenced)
        self.on_placement()
        return registration

    def _drain(self, op: MemberDraining, proposal: Proposal) -> Any:
        member = self.members.get(op.member_id)
        if member is None:
            return NexusError("node_not_found", f"node not found: {op.member_id}")
        if op.draining and self._last_owner(member):
            return NexusError("last_owner", f"{op.member_id} is the only member that can own")
        self.members.add(msgspec.structs.replace(member, draining=op.draining))
        self._announce(
            "put", "ADMIN_ACTION", f"nodes/{op.member_id}", proposal, None, draining=op.draining
        )
        self.on_placement()
        return None

    def _fence(self, op: MemberFenced, proposal: Proposal) -> Any:
        member = self.members.get(op.member_id)
        if member is None:
            return NexusError("node_not_found", f"node not found: {op.member_id}")
        if self._last_owner(member):
            return NexusError("last_owner", f"{op.member_id} is the only member that can own")
        upto = max(member.fenced_upto, op.registration)
        self.members.add(msgspec.structs.replace(member, fenced_upto=upto))
        self._announce(
            "put",
            "NODE_FENCED",
            f"nodes/{op.member_id}",
            proposal,
            None,
            statement=op.statement,
            registration=op.registration,
        )
        self.on_fenced(op.member_id, upto)
        self.on_placement()
        return None

    def _last_owner(self, member: Member) -> bool:
        """Nobody else could own its shards; decided facts only, so that all nodes agree."""
        return not any(
            other.id != member.id
            and other.role != "read"
            and not other.draining
            and other.registration > other.fenced_upto
            for other in self.members.all()
        )

    def _disk_lost(self, op: DiskLost, proposal: Proposal) -> Any:
        member = self.members.get(op.member_id)
        if member is None:
            return NexusError("node_not_found", f"node not found: {op.member_id}")
        self.members.add(msgspec.structs.replace(member, incarnation=op.incarnation))
        self._announce(
            "put",
            "NODE_DISK_LOST",
            f"nodes/{op.member_id}",
            proposal,
            None,
            incarnation=op.incarnation,
        )
        self.on_disk_lost(op.member_id, op.incarnation)
        return None

    # --- devices -----------------------------------------------------------------------------

    def _device(self, op: DeviceOp, proposal: Proposal) -> Any:
        executed = self.devices.execute(op.request, op.at_us)
        action = "DEVICE_" + type(op.request).__name__.upper()
        for change in executed.changes:
            for kind, key, value in change.watch_events():
                self._announce(kind, action, key, proposal, value, serial=change.serial)
        return executed.outcome

    # --- telling -----------------------------------------------------------------------------

    def _announce(
        self,
        kind: str,
        action: str,
        key: str,
        proposal: Proposal,
        value: Any,
        **detail: Any,
    ) -> None:
        """Watchers everywhere hear of it; the audit line is written where it was asked for."""
        self.ctx.when_durable(self._announced, (kind, action, key, proposal, value, detail))

    def _announced(self, argument: tuple[str, str, str, Proposal, Any, dict[str, Any]]) -> None:
        kind, action, key, proposal, value, detail = argument
        self.ctx.watch(kind, key, value)
        if proposal.node == self.ctx.me:
            self.ctx.audit(action, proposal.actor, proposal.cause_id, key, **detail)


def _nothing(*_: Any) -> None:
    """Default of a hook that nobody has taken."""
