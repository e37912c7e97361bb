"""Walk every interleaving of a small world.

A world is one number per member (its state, `simulator.explore.local`), the messages and answers
under way, who uses the address, and what is left of every budget.  From a world there is a step for
each thing that may happen next: a message arrives (any of those under way), a timer rings, a clock
moves on, a process dies or starts, somebody asks.  A message that never arrives is a lost one, so
losses need no step and no budget.  What changes nothing is no step: a world with the message still
under way can do all that the one without it can.

Worlds met before are not walked again, and worlds that differ only in which of the members that
never run for the shard is which are one.  When nothing is left to walk the world is closed: no
order of events within its bounds breaks an invariant.
"""

from __future__ import annotations

import pickle
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from simulator.explore.canon import QUANTUM_NS
from simulator.explore.small import Small
from simulator.explore.steps import Action, Steps, World

STATE_VERSION = 1
LOOK_EVERY = 500
"""Worlds walked between two looks at the clock."""
SETUP_STEPS_MAX = 500


class Found(msgspec.Struct, frozen=True):
    """A broken invariant and the way to it."""

    story: str
    actions: tuple[str, ...]


class Report(msgspec.Struct, frozen=True):
    """What is known of a small world."""

    name: str
    verdict: str
    """closed, open or violation."""
    worlds: int
    frontier: int
    steps: int
    node_states: int
    core_steps: int
    depth: int
    seconds: float
    walks: int = 0
    found: Found | None = None


class Search(Steps):
    """One walk; may be put down and taken up again."""

    def __init__(self, small: Small) -> None:
        super().__init__(small)
        self.seen: set[bytes] = set()
        self.parents = array("q")
        self.actions: list[Action] = []
        self._action_numbers: dict[Action, int] = {}
        self.taken = array("i")
        self.depths = array("i")
        self.frontier: deque[tuple[World, int]] = deque()
        self.steps = 0
        self.seconds = 0.0
        self.hunted = 0
        """Random walks, where it was hunted in (`simulator.explore.hunt`)."""
        self.found: Found | None = None
        self.first = self._begin()
        self._meet(self.first, -1, ("begin",))

    # --- beginning ---------------------------------------------------------------------------

    def _begin(self) -> World:
        """The first world, and the one after the setup where somebody serves already."""
        small = self.small
        nodes = tuple(
            self.locals.step(
                self.locals.start(name, 1, 1, self.locals.founded(name), QUANTUM_NS), ("start",)
            ).after
            for name in self.names
        )
        left = (
            small.rounds,
            small.crashes,
            small.wipes,
            small.drains,
            small.duplicates,
            small.runs,
        )
        world = World(
            nodes,
            0,
            (),
            (),
            self._using(()),
            0,
            left + tuple(small.fires[name] for name in self.timers),
        )
        if small.serving is not None:
            world = self._set_up(world, self.names.index(small.serving))
        return world

    def _set_up(self, world: World, at: int) -> World:
        """Let one member win the shard and serve, undisturbed; then what it was asked before."""
        world = self._calm(self._apply(world, at, ("run",)), at)
        for number in range(len(self.small.given)):
            world = self._calm(self._apply(world, at, ("ask", ~number)), at, self.small.away)
        world = self._calm(self._apply(world, at, ("timer", "renew")), at, self.small.away)
        if not self.locals.states[world.nodes[at]].holds:
            raise RuntimeError(f"{self.small.name}: the setup did not come to serve")
        return world._replace(net=())

    def _calm(self, world: World, at: int, away: tuple[str, ...] = ()) -> World:
        """Deliver everything, ring the record round while it is set, install what is told."""
        for _ in range(SETUP_STEPS_MAX):
            if world.told:
                world = self._install(world, 0)
            elif world.net:
                number = world.net[0]
                target = self.names.index(self.locals.messages[number][1])
                world = world._replace(net=world.net[1:])
                if self.names[target] not in away:
                    world = self._apply(world, target, ("message", number))
            elif self.locals.states[world.nodes[at]].waiting:
                world = self._apply(world, at, ("durable",))
            else:
                state = self.locals.states[world.nodes[at]]
                told = bool(away and self.usages[world.uses])
                if told or "round" not in state.timers:
                    return world
                after = self._apply(world, at, ("timer", "round"))
                if after == world:
                    return world
                world = after
                if not world.net:
                    return world
        raise RuntimeError(f"{self.small.name}: the setup does not come to rest")

    # --- walking -----------------------------------------------------------------------------

    def run(self, seconds: float, on_progress: Callable[[Search], None] | None = None) -> Report:
        """Walk on until everything is walked, something is found, or the time is over."""
        begun = time.monotonic()
        looked = 0
        while self.frontier and not self.over():
            looked += 1
            if looked % LOOK_EVERY == 0:
                if time.monotonic() - begun > seconds:
                    break
                if on_progress is not None:
                    on_progress(self)
            world, number = self.frontier.popleft()
            for action, after in self.next(world):
                self.steps += 1
                self._meet(after, number, action)
                if self.over():
                    break
        self.seconds += time.monotonic() - begun
        return self.report()

    def over(self) -> bool:
        """Something is found: no need to go on."""
        return self.found is not None

    def report(self) -> Report:
        """Where the walk stands."""
        verdict = "violation" if self.found else "open" if self.frontier else "closed"
        return Report(
            name=self.small.name,
            verdict=verdict,
            worlds=len(self.seen),
            frontier=len(self.frontier),
            steps=self.steps,
            node_states=len(self.locals.states),
            core_steps=self.locals.executed,
            depth=max(self.depths, default=0),
            seconds=round(self.seconds, 1),
            walks=self.hunted,
            found=self.found,
        )

    def _meet(self, world: World, parent: int, action: Action) -> None:
        key = self._key(world)
        if key in self.seen:
            return
        self.seen.add(key)
        number = len(self.parents)
        self.parents.append(parent)
        self.depths.append(self.depths[parent] + 1 if parent >= 0 else 0)
        self.taken.append(self._action_numbers.setdefault(action, len(self._action_numbers)))
        if self.taken[-1] == len(self.actions):
            self.actions.append(action)
        story = self.broken(world)
        if story:
            self.found = Found(story, tuple(self._way(number)))
            return
        self.frontier.append((world, number))

    def broken(self, world: World) -> str:
        """The invariants over members: one user, one holder; and each member's own."""
        users: dict[str, str] = {}
        for subscriber, resource, _ in self.usages[world.uses]:
            other = users.setdefault(resource, subscriber)
            if other != subscriber:
                return f"{resource} is used by {other} and by {subscriber} at once"
        holder = ""
        for name, number in zip(self.names, world.nodes, strict=True):
            if number < 0:
                continue
            state = self.locals.states[number]
            if state.problem:
                return f"{name}: {state.problem}"
            if state.holds:
                if holder:
                    return f"the shard is held by {holder} and by {name} at once"
                holder = name
        return ""

    def _way(self, number: int) -> Iterator[str]:
        way: list[Action] = []
        while number >= 0:
            way.append(self.actions[self.taken[number]])
            number = self.parents[number]
        return (self.told(action) for action in reversed(way))

    def told(self, action: Action) -> str:
        """One action for people."""
        if action[0] == "message":
            sender, target, message = self.locals.messages[action[1]]
            again = " (and once more later)" if action[2] else ""
            return f"{type(message).__name__} from {sender} reaches {target}{again}"
        if action[0] == "ask":
            return f"{self.small.asks[action[1]].told()} at {action[2]}"
        return " ".join(str(word) for word in action)

    # --- putting down and taking up ----------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write the walk into a file."""
        scratch = path.with_suffix(".new")
        with scratch.open("wb") as file:
            pickle.dump((STATE_VERSION, self), file, protocol=pickle.HIGHEST_PROTOCOL)
        scratch.replace(path)

    @classmethod
    def resume(cls, path: Path, small: Small) -> Search:
        """Take up a walk from a file of one's own (a pickle: do not open a stranger's)."""
        with path.open("rb") as file:
            version, search = pickle.load(file)
        if version != STATE_VERSION or not isinstance(search, cls) or search.small != small:
            raise ValueError(f"{path} is of another world or of another version")
        return search
