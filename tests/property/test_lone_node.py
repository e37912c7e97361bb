"""A lone node against a plain dictionary: allocate, repeat, renew, release, expire, restart."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nexus.core.operations.allocate import Allocate
from nexus.core.operations.create_pool import CreatePool
from nexus.core.operations.read_allocations import GetAllocation, ListAllocations
from nexus.core.operations.read_pools import GetUsage
from nexus.core.operations.release import Release
from nexus.core.operations.renew import Renew
from nexus.errors import NexusError
from nexus.model.time import NS_PER_S
from nexus.model.views import AllocationView, Done
from nexus.resources import pool_spec_from
from tests.support.cluster import Cluster

COOLDOWN_S = 10
SUBSCRIBERS = st.sampled_from([f"s{number}" for number in range(7)])
UNITS = st.integers(0, 7)
TTLS = st.sampled_from((5, 20, 60, 600))
KINDS = st.sampled_from(("session", "sticky", "permanent"))
SLACK_NS = NS_PER_S // 5
"""Calls take some milliseconds of the cluster's time: instants this close are not judged."""


class Held:
    """What the model knows of one live allocation."""

    def __init__(self, unit: str, kind: str, ttl_s: int, ends_ns: int | None) -> None:
        self.unit = unit
        self.kind = kind
        self.ttl_s = ttl_s
        self.ends_ns = ends_ns
        self.longest_ns = ends_ns or 0
        """The latest end ever told: reuse waits for it."""


class LoneNode(RuleBasedStateMachine):
    """Eight units, three of them reserved, so that exhaustion is never far."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster(("core",))
        spec, _ = pool_spec_from(
            {
                "id": "p",
                "type": "ipv4",
                "cidr": "10.0.0.0/29",
                "sharding_factor": 2,
                "cooldown": COOLDOWN_S,
            }
        )
        self.cluster.run(NS_PER_S)
        assert not isinstance(self.cluster.call("n1", CreatePool(spec)), NexusError)
        self.cluster.run(NS_PER_S)
        self.held: dict[str, Held] = {}
        self.blocked: dict[str, int] = {}
        """Unit -> true instant before which nobody else may get it."""
        self.last: dict[str, str] = {}
        """Unit -> who had it last: may have it back while it cools, nobody else."""
        self.claims: dict[str, str] = {}
        self.doubt_ns = 20 * NS_PER_S
        """How much longer a unit may cool: guard, `ack_limit`, what reboots do not vouch for."""

    # --- helpers -----------------------------------------------------------------------------

    def call(self, request: Any) -> Any:
        answer = self.cluster.call("n1", request)
        assert answer is not None, "every call is answered"
        self.expire()
        return answer

    def expire(self) -> None:
        """The model's own expiry."""
        now = self.cluster.now_ns
        for name, held in list(self.held.items()):
            if held.ends_ns is not None and held.ends_ns <= now:
                self.end(name, held.longest_ns)

    def end(self, name: str, from_ns: int) -> None:
        held = self.held.pop(name)
        self.blocked[held.unit] = from_ns + COOLDOWN_S * NS_PER_S
        if held.kind == "sticky":
            self.claims[name] = held.unit

    def settled(self, name: str) -> bool:
        """Nothing of this subscriber ends at about this instant."""
        held = self.held.get(name)
        if held is None or held.ends_ns is None:
            return True
        return abs(held.ends_ns - self.cluster.now_ns) > SLACK_NS

    def opened(self, name: str, view: AllocationView, kind: str, ttl_s: int | None) -> None:
        now = self.cluster.now_ns
        assert view.subscriber_id == name
        assert view.alloc_type == kind
        assert view.resource not in {other.unit for other in self.held.values()}
        self.claims.pop(name, None)
        own = self.last.get(view.resource) == name
        if not own:
            assert self.blocked.get(view.resource, 0) <= now, "it was given while it cooled"
        for other, unit in list(self.claims.items()):
            if unit == view.resource:
                del self.claims[other]
        longest = self.blocked.pop(view.resource, 0)
        ends_ns = None if ttl_s is None else now + ttl_s * NS_PER_S
        held = Held(view.resource, kind, ttl_s or 0, ends_ns)
        if own:
            held.longest_ns = max(held.longest_ns, longest - COOLDOWN_S * NS_PER_S)
        self.held[name] = held
        self.last[view.resource] = name

    # --- what callers do ---------------------------------------------------------------------

    @rule(name=SUBSCRIBERS, ttl_s=TTLS, kind=KINDS)
    def allocate(self, name: str, ttl_s: int, kind: str) -> None:
        self.expire()
        if not self.settled(name):
            return
        permanent = kind == "permanent"
        before = self.held.get(name)
        answer = self.call(Allocate("p", name, ttl_s=None if permanent else ttl_s, alloc_type=kind))
        if before is not None:
            if before.kind != kind:
                assert isinstance(answer, NexusError)
                assert answer.code == "allocation_exists"
            else:
                assert isinstance(answer, AllocationView)
                assert (answer.resource, answer.created) == (before.unit, False)
        elif isinstance(answer, NexusError):
            assert answer.code == "pool_exhausted"
            assert len(self.held) + self.cooling() >= 5, "free units were left"
        else:
            assert answer.created
            claim = self.claims.get(name)
            if claim is not None:
                assert answer.resource == claim, "a sticky subscriber gets its unit again"
            self.opened(name, answer, kind, None if permanent else ttl_s)

    def cooling(self) -> int:
        """Units that may be cooling: the exact guard is the core's business."""
        now = self.cluster.now_ns
        return sum(until + self.doubt_ns > now for until in self.blocked.values())

    @rule(name=SUBSCRIBERS, unit=UNITS, ttl_s=TTLS)
    def allocate_explicitly(self, name: str, unit: int, ttl_s: int) -> None:
        self.expire()
        if not self.settled(name):
            return
        resource = f"10.0.0.{unit}"
        before = self.held.get(name)
        answer = self.call(Allocate("p", name, resource=resource, ttl_s=ttl_s))
        if isinstance(answer, AllocationView) and answer.created:
            assert before is None
            assert answer.resource == resource
            assert unit not in (0, 1, 7), "reserved"
            self.opened(name, answer, "session", ttl_s)
        elif isinstance(answer, AllocationView):
            assert before is not None
            assert before.unit == resource
        elif before is not None and before.unit == resource:
            assert answer.code == "allocation_exists"
            assert before.kind == "permanent" or before.kind == "sticky"
        elif unit in (0, 1, 7) and before is None:
            assert answer.code == "resource_excluded"
        else:
            assert answer.code in (
                "allocation_exists",
                "resource_taken",
                "resource_cooling",
                "resource_excluded",
            )

    @rule(name=SUBSCRIBERS, ttl_s=TTLS)
    def renew(self, name: str, ttl_s: int) -> None:
        self.expire()
        if not self.settled(name):
            return
        held = self.held.get(name)
        answer = self.call(Renew(name, "p", ttl_s))
        if held is None:
            assert answer.code == "allocation_not_found"
        elif held.kind == "permanent":
            assert answer.code == "allocation_permanent"
        else:
            assert isinstance(answer, AllocationView)
            assert answer.resource == held.unit
            held.ttl_s = ttl_s
            held.ends_ns = self.cluster.now_ns + ttl_s * NS_PER_S
            held.longest_ns = max(held.longest_ns, held.ends_ns)

    @rule(name=SUBSCRIBERS)
    def release(self, name: str) -> None:
        self.expire()
        if not self.settled(name):
            return
        held = name in self.held
        answer = self.call(Release(name, "p"))
        if held:
            assert isinstance(answer, Done)
            self.end(name, self.cluster.now_ns - SLACK_NS)
        else:
            assert answer.code == "allocation_not_found"

    @rule(seconds=st.sampled_from((1, 4, 9, 30, 120)))
    def wait(self, seconds: int) -> None:
        self.cluster.run(seconds * NS_PER_S)
        self.expire()

    @rule(reboot=st.booleans(), snapshot=st.booleans())
    def restart(self, reboot: bool, snapshot: bool) -> None:
        if snapshot:
            self.cluster.members["n1"].snapshot()
            self.cluster.run(NS_PER_S)
        self.cluster.restart("n1", reboot=reboot)
        self.doubt_ns += (45 if reboot else 15) * NS_PER_S
        self.cluster.run(2 * NS_PER_S)
        self.expire()

    # --- what always holds -------------------------------------------------------------------

    @invariant()
    def the_node_agrees_with_itself(self) -> None:
        self.cluster.check()

    @invariant()
    def usage_adds_up(self) -> None:
        usage = self.call(GetUsage("p"))
        parts = (usage.free, usage.held, usage.cooling, usage.locked, usage.reserved)
        assert sum(parts) == usage.size == 8
        assert usage.reserved == 3

    @precondition(lambda self: all(self.settled(name) for name in self.held))
    @invariant()
    def lists_and_lookups_tell_what_is_held(self) -> None:
        page = self.call(ListAllocations("p"))
        if not all(self.settled(name) for name in self.held):
            return
        told = {view.subscriber_id: view.resource for view in page.items}
        assert told == {name: held.unit for name, held in self.held.items()}
        for name, held in self.held.items():
            view = self.call(GetAllocation(name, "p"))
            assert view.resource == held.unit
            if held.ends_ns is None:
                assert view.ends_us is None
            else:
                left_us = view.ends_us - self.cluster.members["n1"].clock.read().wall_us
                model_us = (held.ends_ns - self.cluster.now_ns) // 1000
                assert abs(left_us - model_us) < 1_000_000
            break


TestLoneNode = LoneNode.TestCase
TestLoneNode.settings = settings(max_examples=50, stateful_step_count=30)
