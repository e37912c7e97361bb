"""Runs the text scripts of ``scripts/``: verbs in, an exact trace out.

A script is groups of verbs; under each group stands ``# expect`` and the lines that the group
brought out, each behind ``| ``.  Other lines that begin with ``#`` are for readers.  With
``NEXUS_REWRITE=1`` the files are written anew, and the difference is reviewed like code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from nexus.core.events import DeadlineReached, PeerConnected, PeerLost
from nexus.core.messages import RenewGrants
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.confirm_retired import ConfirmRetired
from nexus.core.operations.create_pool import CreatePool
from nexus.core.operations.delete_pool import DeletePool
from nexus.core.operations.nodes import DrainNode, FenceNode, ResumeNode
from nexus.core.operations.read_allocations import GetAllocation
from nexus.core.operations.read_pools import GetUsage
from nexus.core.operations.release import Release
from nexus.core.operations.renew import Renew
from nexus.core.operations.voters import ChangeVoters
from nexus.core.shaping import shard_state
from nexus.errors import NexusError
from nexus.model.time import NS_PER_MS, NS_PER_S
from nexus.model.views import AllocationView, Done, PoolView, UsageView, VotersView
from nexus.resources import pool_spec_from
from tests.support.cluster import Cluster

UNITS = {"ms": NS_PER_MS, "s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3600 * NS_PER_S}
EXPECT = "# expect"


def duration_ns(text: str) -> int:
    """``2s``, ``500ms``, ``10m``."""
    matched = re.fullmatch(r"([\d.]+)(ms|s|m|h)", text)
    assert matched, f"not a duration: {text}"
    return int(float(matched[1]) * UNITS[matched[2]])


def run_script(text: str) -> str:
    """The script as it should read: its verbs, with what they brought out."""
    interpreter = Interpreter()
    lines: list[str] = []
    pending = False

    def flush() -> None:
        nonlocal pending
        if pending:
            out = interpreter.take()
            if out:
                lines.append(EXPECT)
                lines.extend(f"| {line}" for line in out)
        pending = False

    for line in text.splitlines():
        if line.startswith("| ") or line == EXPECT:
            continue
        if not line.strip():
            flush()
            lines.append("")
            continue
        lines.append(line)
        if not line.startswith("#"):
            pending = True
            interpreter.do(line)
    flush()
    interpreter.finish()
    return "\n".join(lines).rstrip() + "\n"


class Interpreter:
    """One script's cluster, and its verbs."""

    def __init__(self) -> None:
        self.cluster: Cluster = Cluster(())
        self.out: list[str] = []
        self.noted = 0
        self.late: dict[int, str] = {}

    def take(self) -> list[str]:
        """What came out since the last group."""
        self._late_answers()
        out, self.out = self.out, []
        return out

    def finish(self) -> None:
        """After every script all invariants hold, and nobody was told another's resource."""
        self.cluster.check()

    def do(self, line: str) -> None:
        """One verb."""
        verb, *words = line.split()
        arguments: list[str] = []
        options: dict[str, str] = {}
        for word in words:
            key, equals, value = word.partition("=")
            if equals:
                options[key] = value
            else:
                arguments.append(word)
        handler: Callable[..., None] | None = getattr(self, "verb_" + verb.replace("-", "_"), None)
        assert handler is not None, f"no such verb: {verb}"
        handler(*arguments, **options)
        self._notes()

    def _notes(self) -> None:
        notes = self.cluster.trace[self.noted :]
        self.noted = len(self.cluster.trace)
        for note in notes:
            text = note[9:]
            if " audit ALLOCATION" not in text or "RETIRED" in text:
                self.out.append(text)

    def _late_answers(self) -> None:
        for number in [number for number in self.late if number in self.cluster.replies]:
            self.out.append(f"{self.late.pop(number)}: {self._shown(self.cluster.replies[number])}")

    # --- the cluster -------------------------------------------------------------------------

    def verb_cluster(self, *roles: str, seed: str = "1", voters: str = "", **options: str) -> None:
        """``cluster core core edge horizon=15s``: founding members n1, n2 ... and knobs."""
        knobs: dict[str, Any] = {
            f"{name}_ns": duration_ns(value) for name, value in options.items()
        }
        if voters:
            knobs["voters"] = tuple(voters.split(","))
        self.cluster = Cluster(roles, seed=int(seed), **knobs)
        self.noted = 0

    def verb_add(self, name: str, role: str) -> None:
        self.cluster.add(name, role)

    def verb_run(self, duration: str) -> None:
        self.cluster.run(duration_ns(duration))
        self._late_answers()

    def verb_crash(self, name: str) -> None:
        self.cluster.crash(name)

    def verb_restart(self, name: str, reboot: str = "no") -> None:
        self.cluster.restart(name, reboot=reboot == "yes")

    def verb_lose_disk(self, name: str, proof: str = "yes") -> None:
        self.cluster.lose_disk(name, disk_proof=proof == "yes")

    def verb_pause(self, name: str, duration: str) -> None:
        self.cluster.pause(name, duration_ns(duration))

    def verb_no_clock(self, name: str) -> None:
        """The member's machine is found to have no clock that runs on while it is stopped."""
        self.cluster.members[name].options["running_clock"] = False
        self.cluster.restart(name)

    def verb_stop_clocks(self, name: str, duration: str) -> None:
        """The machine stands still, and none of its clocks counts that."""
        self.cluster.pause(name, duration_ns(duration))
        self.cluster.members[name].clock.miss(duration_ns(duration))

    def verb_hold_disk(self, name: str) -> None:
        self.cluster.hold_disk(name)

    def verb_free_disk(self, name: str) -> None:
        self.cluster.free_disk(name)

    def verb_snapshot(self, name: str) -> None:
        self.cluster.members[name].snapshot()

    def verb_partition(self, *sides: str) -> None:
        """``partition n1,n2 n3``."""
        self.cluster.partition(*(side.split(",") for side in sides))
        for sender, to in sorted(self.cluster.cut):
            if self.cluster.members[to].alive:
                self.cluster.members[to].deliver(PeerLost(sender))

    def verb_heal(self) -> None:
        cut = sorted(self.cluster.cut)
        self.cluster.heal()
        for sender, to in cut:
            if self.cluster.members[to].alive:
                self.cluster.members[to].deliver(PeerConnected(sender))

    def verb_judge(self, name: str, verdict: str) -> None:
        self.cluster.judge(name, verdict)

    def verb_trace(self, *kinds: str) -> None:
        """Messages of these kinds are shown as they are sent."""
        self.cluster.traced = set(kinds)

    def verb_lose(self, kind: str, sender: str = "*", to: str = "*") -> None:
        """Messages of a kind are lost from now on; ``lose none`` ends it."""

        def lost(one: str, other: str, message: Any) -> bool:
            named = type(message).__name__ == kind
            return named and sender in ("*", one) and to in ("*", other)

        self.cluster.lose = lost

    def verb_replay_renewal(self, name: str, session: str) -> None:
        """A duplicate of an earlier session's renewal arrives late at every voter."""
        from nexus.ownership.values import Session

        node = self.cluster.node(name)
        grants = tuple(
            (key, shard.owner.grant.epoch)
            for key, shard in node.owning.owned.items()
            if shard.owner is not None
        )
        old = Session(int(session), 0)
        for voter in node.ctx.configuration.voters:
            message = RenewGrants(node.ctx.configuration.number, 1, old, grants)
            self.cluster.send(name, voter, message)
        self.cluster.run(20 * NS_PER_MS)

    def verb_clone(self, name: str) -> None:
        """A copy of a member's disk is started elsewhere under the same name."""
        self.cluster.clone(name)

    # --- callers -----------------------------------------------------------------------------

    def _ask(self, name: str, label: str, request: Any, wait: str = "yes") -> None:
        if wait == "no":
            self.late[self.cluster.ask(name, request)] = f"{name} {label}"
            return
        answer = self.cluster.call(name, request)
        self._notes()
        self.out.append(f"{name} {label}: {self._shown(answer)}")

    def _shown(self, answer: Any) -> str:
        match answer:
            case None:
                return "no answer"
            case NexusError():
                return f"{answer.code}{'' if answer.definite else ' (indefinite)'}"
            case Done():
                return "done"
            case PoolView():
                return f"{'created' if answer.created else 'exists'} generation {answer.generation}"
            case UsageView():
                return (
                    f"free {answer.free} held {answer.held} cooling {answer.cooling} "
                    f"locked {answer.locked} reserved {answer.reserved}"
                )
            case AllocationView():
                return self._allocation(answer)
            case VotersView():
                return self._voters(answer)
            case _:
                return type(answer).__name__

    @staticmethod
    def _voters(view: VotersView) -> str:
        following = f" -> {','.join(view.next_voters)}" if view.next_voters else ""
        return f"{'begun' if view.begun else 'so already'}: {','.join(view.voters)}{following}"

    def _allocation(self, view: AllocationView) -> str:
        words = ["created" if view.created else "told", view.resource, f"epoch {view.epoch}"]
        if view.ends_us is None:
            words.append("permanent")
        else:
            wall_us = max(m.clock.read().wall_us for m in self.cluster.alive())
            words.append(f"for {(view.ends_us - wall_us + 500_000) // 1_000_000} s")
        if view.provisional:
            words.append("provisional")
        return " ".join(words)

    def verb_pool(
        self, name: str, pool_id: str, cidr: str, wait: str = "yes", **options: str
    ) -> None:
        raw: dict[str, object] = {"id": pool_id, "type": "ipv4", "cidr": cidr}
        raw.update({key: int(value) for key, value in options.items()})
        spec, _ = pool_spec_from(raw)
        self._ask(name, f"pool {pool_id}", CreatePool(spec), wait)

    def verb_delete_pool(self, name: str, pool_id: str, wait: str = "yes") -> None:
        self._ask(name, f"delete-pool {pool_id}", DeletePool(pool_id, force=True), wait)

    def verb_allocate(
        self,
        name: str,
        subscriber: str,
        ttl: str | None = None,
        pool: str = "p",
        ip: str | None = None,
        provisional: str = "no",
        wait: str = "yes",
    ) -> None:
        ttl_s = None if ttl is None else duration_ns(ttl) // NS_PER_S
        request = Allocate(
            pool, subscriber, resource=ip, ttl_s=ttl_s, provisional=provisional == "yes"
        )
        self._ask(name, f"allocate {subscriber}", request, wait)

    def verb_renew(
        self, name: str, subscriber: str, ttl: str | None = None, wait: str = "yes"
    ) -> None:
        ttl_s = None if ttl is None else duration_ns(ttl) // NS_PER_S
        self._ask(name, f"renew {subscriber}", Renew(subscriber, "p", ttl_s), wait)

    def verb_release(self, name: str, subscriber: str, wait: str = "yes") -> None:
        self._ask(name, f"release {subscriber}", Release(subscriber, "p"), wait)

    def verb_get(self, name: str, subscriber: str) -> None:
        self._ask(name, f"get {subscriber}", GetAllocation(subscriber, "p"))

    def verb_confirm_retired(self, name: str, subscriber: str, ip: str) -> None:
        self._ask(name, f"confirm-retired {subscriber}", ConfirmRetired("p", subscriber, ip))

    def verb_usage(self, name: str, pool: str = "p") -> None:
        self._ask(name, "usage", GetUsage(pool))

    def verb_drain(self, name: str, member: str) -> None:
        self._ask(name, f"drain {member}", DrainNode(member))

    def verb_resume(self, name: str, member: str) -> None:
        self._ask(name, f"resume {member}", ResumeNode(member))

    def verb_fence(self, name: str, member: str) -> None:
        self._ask(name, f"fence {member}", FenceNode(member, "power is off"))

    def verb_voters(self, name: str, *voters: str) -> None:
        """A member begins a change of voters."""
        try:
            self.cluster.node(name).voters.change(voters)
        except NexusError as refusal:
            self.out.append(f"{name} voters: {refusal.code}: {refusal.message}")
            return
        self.cluster.members[name].deliver(DeadlineReached())

    def verb_change_voters(self, name: str, *voters: str) -> None:
        """A caller asks any member for a change of voters."""
        self._ask(name, "change-voters", ChangeVoters(voters))

    # --- looking -----------------------------------------------------------------------------

    def verb_shards(self, *names: str, pool: str = "p") -> None:
        """Owners, epochs and states as these members (or all) see them."""
        for name in names or [member.name for member in self.cluster.alive()]:
            node = self.cluster.node(name)
            views = []
            for shard in node.book.require(pool).shards:
                owner = shard.owner
                epoch = owner.grant.epoch.counter if owner is not None else shard.have_epoch
                holder = name if owner is not None else shard.known_owner
                views.append(
                    f"{shard.index}:{holder or '-'} e{epoch} {shard_state(node.ctx, shard)}"
                )
            self.out.append(f"{name} shards {', '.join(views)}")

    def verb_rows(self, name: str, pool: str = "p") -> None:
        """All rows of a pool at one member."""
        node = self.cluster.node(name)
        for row in node.book.require(pool).rows_after(-1):
            geometry = node.book.require(pool).geometry
            word = "held" if row.length == 1 else "ended"
            self.out.append(
                f"{name} row {geometry.format(row.index)} {row.subscriber} {word} "
                f"({row.epoch}, {row.seq})"
            )

    def verb_voter(self, name: str, shard: str = "0", pool: str = "p") -> None:
        """A voter's part of one register."""
        voter = self.cluster.node(name).book.require(pool).shards[int(shard)].voter
        self.out.append(
            f"{name} voter shard {shard}: epoch {voter.epoch.counter} of {voter.epoch.node or '-'}"
            f", mark {voter.mark or '-'}, promised {voter.promised.counter} to "
            f"{voter.promised.node or '-'}, holds {voter.acked_seq}"
            f"{', quarantine' if voter.quarantine else ''}"
        )

    def verb_configuration(self) -> None:
        """The voter configuration that each live member is in."""
        for member in self.cluster.alive():
            ctx = member.node.ctx
            config = ctx.configuration
            voters = ",".join(config.old)
            if config.joint:
                voters += " -> " + ",".join(config.new)
            silent = member.name in config.voters and not ctx.complete
            complete = " (incomplete)" if silent else ""
            self.out.append(f"{member.name} configuration {config.number}: {voters}{complete}")

    def verb_agree(self) -> None:
        """All live members have one view."""
        found = self.cluster.differences()
        self.out.extend(found or ["all views are equal"])

    def verb_sent(self, *kinds: str) -> None:
        """How many messages of these kinds were sent since the last look."""
        for kind in kinds:
            self.out.append(f"sent {kind} {self.cluster.sent.get(kind, 0)}")
        self.cluster.sent.clear()

    def verb_check(self) -> None:
        self.cluster.check()
