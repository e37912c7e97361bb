"""One world: machines, network, subscribers and faults over one environment and one seed.

`build` makes it, `run` lets it go; nothing is shared between two worlds and nothing is read from
outside, so a world is a function of (scenario, seed, mutant, injections kept).  A run has a safety
phase with faults, then everything is healed, and after a calm phase the world must be at rest.
"""

from __future__ import annotations

import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from random import Random
from typing import Any

import msgspec

from nexus.core.effects import Audit, Effect, Persist, Watch
from nexus.core.events import ApiRequested, Event, MessageReceived, Persisted
from nexus.core.operations.create_pool import CreatePool
from nexus.errors import NexusError
from nexus.model.time import NS_PER_MS, NS_PER_S, Instant, seconds_to_ns
from nexus.model.views import AllocationView, BatchView, PoolView
from simulator import losses
from simulator.calls import LOST, Answer
from simulator.carried import carry
from simulator.checkers import CHECKERS, Checker
from simulator.clocks import MachineClock
from simulator.detector import Detector
from simulator.env import FastEnvironment
from simulator.faults import Injection
from simulator.journal import Journal, plain
from simulator.machine import Machine
from simulator.network import Network
from simulator.oracle import Oracle
from simulator.rng import stream
from simulator.scenario import Scenario, drawn
from simulator.snapshots import SnapshotKeeper

FULL_EVERY_EVENTS = 1_000
CALL_LIMIT_NS = 10 * NS_PER_S
"""A caller gives up after this."""
ENCODED_SEEDS = 20
"""One seed in so many sends every message through the codec."""
EVENTS_MAX = 50_000_000

OnAnswer = Callable[[Answer], None]


class Violation(msgspec.Struct, frozen=True):
    """An invariant was broken, and the story of it."""

    at_ns: int
    checker: str
    invariant: int
    story: str


class Hooks(msgspec.Struct):
    """What others hang onto a world: called with the world and what happened, after checkers."""

    on_event: Callable[[World, Machine, Event, tuple[Effect, ...]], None] | None = None
    on_step: Callable[[World], None] | None = None
    """After every entry of the environment's heap."""
    on_phase: Callable[[World, str], None] | None = None
    keep_messages: bool = False


class Result(msgspec.Struct, frozen=True):
    """What came of a run; ``verdict`` is pass or violation."""

    verdict: str
    digest: str
    journal: Journal
    metrics: dict[str, Any]
    violations: tuple[Violation, ...]
    scenario: str
    seed: int


class World:
    """Everything of one run; made by `build`."""

    def __init__(
        self, scenario: Scenario, seed: int, mutant: AbstractContextManager[Any], hooks: Hooks
    ) -> None:
        self.seed = seed
        self.scenario = scenario = drawn(scenario, stream(seed, "swarm"))
        self.mutant = mutant
        self.hooks = hooks
        self.env = FastEnvironment(stream(seed, "ties"))
        self.journal = Journal(keep_messages=hooks.keep_messages)
        self.layout = scenario.topology.build(stream(seed, "topology"))
        encoded = stream(seed, "encoding").randrange(ENCODED_SEEDS) == 0
        self.network = Network(
            self.env,
            self.layout,
            lambda name: stream(seed, "network", name),
            self.journal,
            encoded=encoded,
        )
        cluster = scenario.cluster
        self.oracle = Oracle(
            self.env, cluster.drift_ppm, lambda story: self.violate("overlap", 1, story), self.note
        )
        self.machines: dict[str, Machine] = {}
        self.detectors: dict[Machine, Detector] = {}
        self.keepers: dict[str, SnapshotKeeper] = {}
        self.violations: list[Violation] = []
        self.phase = "start"
        self.calm = False
        self.events_count = 0
        self.answers: dict[str, int] = {}
        self.injections: list[Injection] = []
        self.drains_count = 0
        self.failpoints: dict[tuple[str, str], int] = {}
        """(member, message type) -> how many more of them it handles before it dies of one."""
        self._active: dict[int, tuple[Injection, Any]] = {}
        self._calls: dict[int, tuple[str, Any, OnAnswer, int]] = {}
        self._call_no = 0
        self._client_ns = cluster.client_us * 1_000
        self._make_machines()
        names = scenario.checkers or tuple(CHECKERS)
        self.checkers: list[Checker] = [CHECKERS[name](self) for name in names]
        self._hearing: dict[type, list[Checker]] = {}
        self._keeping: dict[type, list[Checker]] = {}
        self._on_the_way: dict[Machine, deque[tuple[int, Any]]] = defaultdict(deque)
        """Log entries that checkers wait for, with their tokens."""
        for checker in self.checkers:
            for kind in checker.keeps:
                self._keeping.setdefault(kind, []).append(checker)
            for kind in checker.hears:
                self._hearing.setdefault(kind, []).append(checker)

    def _make_machines(self) -> None:
        cluster = self.scenario.cluster
        drift_ppb = int(cluster.drift_ppm * 1_000 * cluster.drift_share)
        error_ns = cluster.wall_error_ms * NS_PER_MS
        for plan in self.layout.members:
            rng = self.rng("machine", plan.name)
            clock = MachineClock(
                self.env,
                rate_ppb=rng.randint(-drift_ppb, drift_ppb),
                wall_rate_ppb=rng.randint(-drift_ppb, drift_ppb) // 10,
                wall_error_ns=rng.randint(-error_ns, error_ns),
            )
            config = cluster.node_config(plan.name, plan.role, self.layout)
            machine = Machine(self.env, self.network, clock, config, rng, self, cluster.commit_us)
            self.machines[plan.name] = machine
            self.keepers[plan.name] = SnapshotKeeper(machine, cluster.snapshot_kib << 10)
            if cluster.detector and not cluster.standalone:
                self.detectors[machine] = self.detector_for(machine)

    # --- for parts of the world --------------------------------------------------------------

    def detector_for(self, machine: Machine) -> Detector:
        """What tells this machine who is silent."""
        names, cluster = self.network.names, self.scenario.cluster
        return Detector(self.env, machine, names, cluster.offline_after_s)

    def rng(self, *path: str) -> Random:
        """The generator of one consumer."""
        return stream(self.seed, *path)

    def note(self, kind: str, subject: str, **detail: Any) -> None:
        """Write a decision into the journal."""
        self.journal.note(self.env.now_ns, kind, subject, **detail)

    def violate(self, checker: str, invariant: int, story: str) -> None:
        """An invariant is broken; the run ends with this step."""
        self.violations.append(Violation(self.env.now_ns, checker, invariant, story))
        self.env.halted = True
        self.note("violation", checker, invariant=invariant, story=story)

    def homes(self, which: str) -> list[str]:
        """Members that subscribers may talk to."""
        names = self.layout.names
        if which == "cores":
            return names("core")
        if which == "edges":
            return names("edge") or names("core")
        if which == "owners":
            return [m.name for m in self.layout.members if m.role != "read"]
        return names()

    def permanent_in(self, pool_id: str) -> bool:
        """Somebody may hold a permanent allocation of this pool."""
        return any(w.permanent > 0 for w in self.scenario.workloads if w.pool == pool_id)

    def may_lose(self, name: str) -> bool:
        """The loss of this member for good leaves a majority of those who vote now (R21)."""
        return losses.may_lose(self, name)

    def call(
        self, name: str, request: Any, on_answer: OnAnswer, limit_ns: int = CALL_LIMIT_NS
    ) -> None:
        """Ask a node something as a caller on its machine; the answer comes exactly once."""
        self._call_no += 1
        number = self._call_no
        for checker in self.checkers:
            checker.asked(name, request)
        self._calls[number] = (name, request, on_answer, self.env.now_ns)
        self.env.call_later(self._client_ns, self._ask, number)
        self.env.call_later(limit_ns, self._give_up, number)

    def _ask(self, number: int) -> None:
        call = self._calls.get(number)
        if call is None:
            return
        event = ApiRequested(number, call[1], f"call-{number}", "simulator")
        late = self.scenario.cluster.late_requests
        if not self.machines[call[0]].request(event, lambda: late or number in self._calls):
            self._give_up(number)

    def _give_up(self, number: int) -> None:
        call = self._calls.pop(number, None)
        if call is not None:
            machine = self.machines[call[0]]
            self._count(call[1], LOST)
            reading = machine.clock.peek()
            call[2](Answer(call[0], call[1], LOST, reading, machine.boots))

    def _count(self, request: Any, result: Any) -> None:
        word = "ok"
        if isinstance(result, NexusError):
            word = result.code
        elif result is LOST:
            word = LOST
        key = f"{type(request).__name__}.{word}"
        self.answers[key] = self.answers.get(key, 0) + 1

    # --- what machines say -------------------------------------------------------------------

    def handled(self, machine: Machine, event: Event, effects: tuple[Effect, ...]) -> None:
        """A node has handled an event; its effects have not left yet."""
        self.events_count += 1
        if type(event) is MessageReceived:
            if self.failpoints:
                self._failpoint(machine, type(event.message).__name__)
                if machine.process is None:
                    return
            detector = self.detectors.get(machine)
            if detector is not None:
                detector.heard(event.sender)
            hearing = self._hearing.get(type(event.message))
            if hearing is not None:
                for checker in hearing:
                    checker.heard(machine, event.sender, event.message)
        elif type(event) is Persisted and self._on_the_way[machine]:
            self._durable(machine, event.token)
        if effects and type(effects[0]) is Persist:
            waiting = self._on_the_way[machine]
            token = effects[0].token
            waiting.extend(
                (token, each) for each in effects[0].entries if type(each) in self._keeping
            )
        if not self.events_count % FULL_EVERY_EVENTS:
            self._full(machine)
        if self.hooks.on_event is not None:
            self.hooks.on_event(self, machine, event, effects)

    def _durable(self, machine: Machine, token: int) -> None:
        waiting = self._on_the_way[machine]
        while waiting and waiting[0][0] <= token:
            entry = waiting.popleft()[1]
            for checker in self._keeping[type(entry)]:
                checker.durable(machine, entry)

    def _failpoint(self, machine: Machine, name: str) -> None:
        """The process dies with the message handled and nothing of it said or written."""
        key = (machine.name, name)
        left = self.failpoints.get(key)
        if left == 0:
            del self.failpoints[key]
            machine.kill(reason=f"killed at {name}")
        elif left is not None:
            self.failpoints[key] = left - 1

    def _full(self, machine: Machine) -> None:
        self.env.halted = self.stopped()
        self.journal.flush()
        for checker in self.checkers:
            checker.full(machine)
        self.keepers[machine.name].look()

    def replied(self, machine: Machine, reply_to: int, result: Any, reading: Instant) -> None:
        """An answer leaves a node."""
        call = self._calls.get(reply_to)
        if call is None:
            return
        self._count(call[1], result)
        views = (
            [item.allocation for item in result.results]
            if isinstance(result, BatchView)
            else [result]
        )
        for view in views:
            if isinstance(view, AllocationView):
                for checker in self.checkers:
                    checker.told(machine, call[1], view, reading, call[3])
        answer = Answer(machine.name, call[1], result, reading, machine.boots)
        self.env.call_later(self._client_ns, self._answer, (reply_to, answer))

    def _answer(self, argument: tuple[int, Answer]) -> None:
        call = self._calls.pop(argument[0], None)
        if call is not None:
            call[2](argument[1])

    def audited(self, machine: Machine, line: Audit) -> None:
        """An audit line leaves a node."""
        self.note(
            "audit", machine.name, action=line.action, target=line.target, **plain(line.detail)
        )

    def watched(self, machine: Machine, change: Watch) -> None:
        """A watch event leaves a node."""
        if change.prefix == "shards":
            view = change.value
            self.note("shard", machine.name, key=change.key, epoch=view.epoch, state=view.state)

    def broke(self, machine: Machine, error: Exception) -> None:
        """A node raised an exception: our own defect, whatever it was given."""
        frames = traceback.extract_tb(error.__traceback__)
        place = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-4:]))
        self.violate("defect", 0, f"{machine.name}: {type(error).__name__}: {error} in {place}")

    def process_changed(self, machine: Machine, what: str) -> None:
        """A process started, ended, or would not start."""
        self.note("process", machine.name, what=what)
        self._on_the_way[machine].clear()
        if what == "started":
            detector = self.detectors.get(machine)
            if detector is not None:
                detector.started()
            for checker in self.checkers:
                checker.started(machine)

    # --- the run -----------------------------------------------------------------------------

    def schedule(self) -> None:
        """Put everything that is known beforehand on the heap."""
        scenario = self.scenario
        rng = self.rng("start")
        for machine in self.machines.values():
            self.env.call_later(rng.randrange(NS_PER_S), Machine.start, machine)
        # What is carried over has its pools already.
        for number, spec in enumerate(() if scenario.carried else scenario.pools):
            self.env.call_later(NS_PER_S + number, self.make_pool, spec)
        warm = seconds_to_ns(scenario.warmup_s)
        for workload in scenario.workloads:
            self.env.call_later(warm, workload.start, self)
        for injection in self.injections:
            self.env.call_at(injection.at_ns, self._begin, injection)

    def make_pool(self, spec: Any) -> None:
        """An operator makes a pool, and tries until it is there."""
        cores = self.layout.names("core")
        name = cores[self._call_no % len(cores)]
        self.call(name, CreatePool(spec), lambda answer: self._pool_made(spec, answer))

    def _pool_made(self, spec: Any, answer: Answer) -> None:
        if isinstance(answer.result, PoolView):
            self.note("pool", spec.id, size=answer.result.size, shards=answer.result.shard_count)
        else:
            self.env.call_later(NS_PER_S, self.make_pool, spec)

    def _begin(self, injection: Injection) -> None:
        self.note("fault", injection.kind, number=injection.number, begins=True, **injection.aim)
        state = injection.fault.begin(self, injection.aim)
        self._active[injection.number] = (injection, state)
        self.env.call_later(injection.for_ns, self._end, injection.number)

    def _end(self, number: int) -> None:
        active = self._active.pop(number, None)
        if active is not None:
            injection, state = active
            self.note("fault", injection.kind, number=number, begins=False, **injection.aim)
            injection.fault.end(self, injection.aim, state)

    def heal(self) -> None:
        """The faults are over: end what still goes on, start what is dead."""
        self.calm = True
        for number in sorted(self._active):
            self._end(number)
        for machine in self.machines.values():
            machine.heal()
        for checker in self.checkers:
            checker.calm()

    def stopped(self) -> bool:
        """Nothing more to find out."""
        return bool(self.violations) or self.events_count > EVENTS_MAX

    def enter(self, phase: str, until_s: float) -> None:
        """Run one phase."""
        if self.stopped():
            return
        self.phase = phase
        self.note("phase", phase)
        if self.hooks.on_phase is not None:
            self.hooks.on_phase(self, phase)
        on_step = self.hooks.on_step
        after = None if on_step is None else partial(on_step, self)
        self.env.run_until(seconds_to_ns(until_s), after)


def build(
    scenario: Scenario,
    seed: int,
    *,
    mutant: AbstractContextManager[Any] | None = None,
    hooks: Hooks | None = None,
    keep: Iterable[int] | None = None,
) -> World:
    """Make a world.

    Parameters
    ----------
    mutant : entered while the world runs; replaces rule functions and puts them back.
    keep : numbers of the planned injections that happen; None: all.
    """
    world = World(scenario, seed, mutant or nullcontext(), hooks or Hooks())
    drawn_scenario = world.scenario
    if drawn_scenario.carried is not None:
        carry(world, drawn_scenario.carried)
    phase = (
        seconds_to_ns(drawn_scenario.warmup_s),
        seconds_to_ns(drawn_scenario.duration_s),
    )
    planned: list[Injection] = []
    for place, fault in enumerate(drawn_scenario.faults):
        rng = world.rng("fault", str(place), fault.kind)
        for at, lasts, aim in fault.plan(world.layout, phase, rng):
            planned.append(Injection(len(planned), fault.kind, at, lasts, aim, fault))
    kept = None if keep is None else frozenset(keep)
    world.injections = [each for each in planned if kept is None or each.number in kept]
    return world


def run(world: World) -> Result:
    """Let a world go, to its end or to the first violation."""
    scenario = world.scenario
    with world.mutant:
        world.schedule()
        world.enter("safety", scenario.duration_s)
        if not world.stopped():
            world.heal()
        world.enter("calm", scenario.duration_s + scenario.calm_s)
        if not world.violations:
            for machine in world.machines.values():
                world._full(machine)
            for checker in world.checkers:
                checker.finish()
    return Result(
        verdict="violation" if world.violations else "pass",
        digest=world.journal.digest(),
        journal=world.journal,
        metrics=_metrics(world),
        violations=tuple(world.violations),
        scenario=scenario.name,
        seed=world.seed,
    )


def _metrics(world: World) -> dict[str, Any]:
    return {
        "simulated_s": world.env.now_ns / NS_PER_S,
        "events": world.events_count,
        "heap_steps": world.env.steps,
        "messages": world.network.sent_count,
        "injections": len(world.injections),
        "installed": world.oracle.installed_count,
        "refused_installs": world.oracle.refused_count,
        "spans": len(world.oracle.spans()),
        "answers": dict(sorted(world.answers.items())),
        "encoded": world.network.encoded,
    }


__all__ = ["Hooks", "Result", "Violation", "World", "build", "run"]
