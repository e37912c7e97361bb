"""Walk every interleaving of a small world.

A world is one number per member (its state, `simulator.explore.local`), the messages ever sent, who
uses the address, and what is left of every budget.  From a world there is a step for each thing
that may happen next: a message arrives (any that was ever sent), a timer rings, a clock moves on, a
process dies or starts, somebody asks.

A world is not walked if one was met whose members are in the same states and which has at least its
messages, its answers under way, its uses and its budgets: that one can do all that it can, and what
it breaks that one breaks.  Worlds that differ only in which of the members that never run for the
shard is which are one.  When nothing is left to walk the world is closed: no order of events within
its bounds breaks an invariant.
"""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from simulator.explore.canon import QUANTUM_NS
from simulator.explore.local import Event
from simulator.explore.small import Small
from simulator.explore.steps import Action, Steps, World

LOOK_EVERY = 200
"""Worlds walked between two looks at the clock."""
SETUP_STEPS_MAX = 500
NODE_BITS = 24
"""A member's state in a world's key; a dead one's disk is a negative number."""


class Found(msgspec.Struct, frozen=True):
    """A broken invariant and the way to it."""

    story: str
    actions: tuple[Action, ...]


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
    """Of CPU time."""
    stopped: str = ""
    """Why an open walk stopped: time or memory."""
    found: Found | None = None


Kept = tuple[int, frozenset[int], int, int, tuple[int, ...], int]
"""What a world has beside its members' states: net, told, uses, asked, left; and its number."""


class Search(Steps):
    """One walk; may be put down and taken up again."""

    def __init__(self, small: Small) -> None:
        super().__init__(small)
        self.store: dict[int, list[Kept]] = {}
        """Worlds met that no other one covers, by their members' states."""
        self.worlds = 0
        """Worlds met; those that were covered when met are not counted."""
        self.covered = bytearray()
        """By number: another one that was met later can do all that it can."""
        self.parents = array("q")
        self.actions: list[Action] = []
        self._action_numbers: dict[Action, int] = {}
        self.taken = array("i")
        self.depth = 0
        self.frontier: deque[tuple[World, int, int]] = deque()
        """(world, its number, steps from the beginning)"""
        self.steps = 0
        self.seconds = 0.0
        self.stopped = ""
        self.found: Found | None = None
        self._lefts: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._mapped: dict[tuple[int, int], int] = {}
        self._class_bits: dict[int, int] = {}
        self._more: dict[tuple[int, int], bool] = {}
        self._asks_apart = any(ask.after >= 0 for ask in small.asks)
        self._orders = [self._order(names) for names in self.renamings]
        self.bare = self._begin()
        """The first world before what only adds to it."""
        self.first = self.settled(self.bare)
        self._meet(self.first, -1, ("begin",), 0)

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
        rings = (small.fires[name] for name in self.timers)
        left = (small.rounds, small.crashes, small.wipes, small.drains, small.runs, *rings)
        world = World(nodes, 0, 0, (), self._using(()), 0, left)
        if small.serving is not None:
            self.settling = False
            world = self._set_up(world, self.names.index(small.serving))
            self.settling = True
        return world

    def _set_up(self, world: World, at: int) -> World:
        """Let one member win the shard and serve, undisturbed; then what it was asked before."""
        away = self.small.away
        world = self._calm(world, at, ("run",), ())
        for number in range(len(self.small.given)):
            world = self._calm(world, at, ("ask", ~number), away)
        world = self._calm(world, at, ("timer", "renew"), away)
        if not self.locals.states[world.nodes[at]].holds:
            raise RuntimeError(f"{self.small.name}: the setup did not come to serve")
        return world._replace(net=0)

    def _calm(self, world: World, at: int, event: Event, away: tuple[str, ...]) -> World:
        """Let something happen and deliver all that comes of it, once; install what is told."""
        heard = world.net
        world = self._act(world, at, event)
        for _ in range(SETUP_STEPS_MAX):
            fresh = world.net & ~heard
            if world.told:
                world = self._install(world, world.told[0])
                if world.told:
                    world = world._replace(told=world.told[1:])
            elif fresh:
                heard |= fresh & -fresh
                message = (fresh & -fresh).bit_length() - 1
                target = self.names.index(self.locals.messages[message][1])
                if self.names[target] not in away:
                    world = self._act(world, target, ("message", message))
            elif self.locals.states[world.nodes[at]].waiting:
                world = self._act(world, at, ("durable",))
            else:
                told = bool(away and self.usages[world.uses])
                if told or "round" not in self.locals.states[world.nodes[at]].timers:
                    return world
                after = self._act(world, at, ("timer", "round"))
                if after == world or after.net == world.net:
                    return after
                world = after
        raise RuntimeError(f"{self.small.name}: the setup does not come to rest")

    # --- walking -----------------------------------------------------------------------------

    def run(
        self,
        seconds: float,
        on_progress: Callable[[Search], str] | None = None,
    ) -> Report:
        """Walk on until everything is walked, something is found, or the time is over.

        ``on_progress`` is called every few hundred worlds; what it returns, if anything, is why the
        walk has to stop.
        """
        until = time.monotonic() + seconds
        begun = time.process_time()
        self.stopped = ""
        looked = 0
        while self.frontier and self.found is None:
            looked += 1
            if looked % LOOK_EVERY == 0:
                now = time.process_time()
                self.seconds += now - begun
                begun = now
                self.stopped = "time" if time.monotonic() > until else ""
                if on_progress is not None:
                    self.stopped = on_progress(self) or self.stopped
                if self.stopped:
                    break
            world, number, depth = self.frontier.popleft()
            if self.covered[number]:
                continue
            for action, after in self.next(world):
                self.steps += 1
                if self._meet(after, number, action, depth + 1):
                    break
        self.seconds += time.process_time() - begun
        return self.report()

    def report(self) -> Report:
        """Where the walk stands."""
        verdict = "violation" if self.found else "open" if self.frontier else "closed"
        return Report(
            name=self.small.name,
            verdict=verdict,
            worlds=self.worlds,
            frontier=len(self.frontier),
            steps=self.steps,
            node_states=len(self.locals.states),
            core_steps=self.locals.executed,
            depth=self.depth,
            seconds=round(self.seconds, 1),
            stopped=self.stopped if verdict == "open" else "",
            found=self.found,
        )

    def _meet(self, world: World, parent: int, action: Action, depth: int) -> bool:
        """Take note of a world; True if it breaks an invariant."""
        key, net, told = self._folded(world)
        bucket = self.store.get(key)
        left = self._lefts.setdefault(world.left, world.left)
        if bucket is None:
            bucket = self.store[key] = []
        elif self._covers(bucket, net, told, world, left):
            return False
        number = self.worlds
        self.worlds += 1
        bucket.append((net, told, world.uses, world.asked, left, number))
        self.covered.append(0)
        self.parents.append(parent)
        taken = self._action_numbers.setdefault(action, len(self._action_numbers))
        if taken == len(self.actions):
            self.actions.append(action)
        self.taken.append(taken)
        self.depth = max(self.depth, depth)
        story = self.broken(world)
        if story:
            self.found = Found(story, self.way(number))
            return True
        self.frontier.append((world, number, depth))
        return False

    def _covers(
        self,
        bucket: list[Kept],
        net: int,
        told: frozenset[int],
        world: World,
        left: tuple[int, ...],
    ) -> bool:
        """A world of the bucket can do all that this one can; else drop those that this covers."""
        _, _, _, _, uses, asked, _ = world
        over: list[int] = []
        for place, (a_net, a_told, a_uses, a_asked, a_left, a_number) in enumerate(bucket):
            if a_net | net == a_net:
                if (
                    (a_left is left or self._at_least(a_left, left))
                    and (a_asked == asked or self._asks_less(a_asked, asked))
                    and (a_uses == uses or self._uses_more(a_uses, uses))
                    and a_told >= told
                ):
                    return True
                if a_net != net:
                    continue
            if (
                a_net | net == net
                and (a_left is left or self._at_least(left, a_left))
                and (a_asked == asked or self._asks_less(asked, a_asked))
                and (a_uses == uses or self._uses_more(uses, a_uses))
                and told >= a_told
            ):
                over.append(place)
                self.covered[a_number] = 1
        for place in reversed(over):
            bucket[place] = bucket[-1]
            bucket.pop()
        return False

    def _at_least(self, one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        return all(a >= b for a, b in zip(one, other, strict=True))

    def _asks_less(self, one: int, other: int) -> bool:
        return not self._asks_apart and one | other == other

    def _uses_more(self, one: int, other: int) -> bool:
        """Whoever uses a thing in the other world uses it in the one, as long or longer."""
        more = self._more.get((one, other))
        if more is None:
            lasts = {use[:2]: use[2] for use in self.usages[one]}
            more = self._more[one, other] = all(
                (who, what) in lasts and (lasts[who, what] < 0 or 0 <= left <= lasts[who, what])
                for who, what, left in self.usages[other]
            )
        return more

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

    def way(self, number: int) -> tuple[Action, ...]:
        """The choices that led to a world, from the beginning on."""
        way: list[Action] = []
        while self.parents[number] >= 0:
            way.append(self.actions[self.taken[number]])
            number = self.parents[number]
        return tuple(reversed(way))

    def told(self, action: Action) -> str:
        """One action for people."""
        if action[0] == "message":
            sender, target, message = self.locals.messages[action[1]]
            return f"{gist(message)} from {sender} reaches {target}"
        if action[0] == "install":
            machine, told = self.tellings[action[1]]
            lasts = "for ever" if told.left < 0 else f"for {told.left} more"
            return f"{told.subscriber} is told {told.resource} {lasts} by {self.names[machine]}"
        if action[0] == "ask":
            return f"{self.small.asks[action[1]].told()} at {action[2]}"
        return " ".join(str(word) for word in action)

    # --- folding -----------------------------------------------------------------------------

    def _folded(self, world: World) -> tuple[int, int, frozenset[int]]:
        """(key of the members' states, messages, answers), seen such that the key is smallest."""
        told = frozenset(world.told)
        if len(self.renamings) == 1:
            return self._key_of(world, 0), world.net, told
        key, which = min((self._key_of(world, each), each) for each in range(len(self.renamings)))
        if which and told:
            order = self._orders[which]
            tellings = map(self.tellings.__getitem__, told)
            told = frozenset(self._telling(order.index(at), each) for at, each in tellings)
        return key, self._renamed(world.net, which), told

    def _key_of(self, world: World, which: int) -> int:
        states, dead = self.locals.states, self.dead_classes
        nodes = [states[n].classes[which] if n >= 0 else -1 - dead[~n][which] for n in world.nodes]
        ticked = world.ticked
        if which:
            order = self._orders[which]
            nodes = [nodes[at] for at in order]
            ticked &= 1 << len(order)
            for place, at in enumerate(order):
                ticked |= (world.ticked >> at & 1) << place
        key = ticked
        for number in nodes:
            key = key << NODE_BITS | number + (1 << NODE_BITS - 1)
        return key

    def _renamed(self, net: int, which: int) -> int:
        """The messages as they are under a renaming, one bit for each that differs."""
        known = self._mapped.get((net, which))
        if known is None:
            known = 0
            rest = net
            while rest:
                bit = rest & -rest
                rest ^= bit
                number = self.locals.message_classes[bit.bit_length() - 1][which]
                known |= 1 << self._class_bits.setdefault(number, len(self._class_bits))
            self._mapped[net, which] = known
        return known

    def _order(self, names: Mapping[str, str]) -> list[int]:
        """Which member stands in each place under a renaming."""
        return [
            next(at for at, name in enumerate(self.names) if names.get(name, name) == wanted)
            for wanted in self.names
        ]


def gist(message: Any) -> str:
    """A message in a few words: what it is, of which round or ballot, and whether it says no."""
    words = [type(message).__name__]
    ballot, round_no = getattr(message, "ballot", None), getattr(message, "round_no", None)
    if ballot is not None and hasattr(ballot, "counter"):
        words.append(f"of ballot {ballot.counter}")
    elif round_no is not None:
        words.append(f"of round {round_no}")
    answers = (*getattr(message, "promises", ()), *getattr(message, "reads", ()))
    refusals = [each.refused for each in answers if each.refused]
    for name in ("refused", "results"):
        refusals += [each[1] for each in getattr(message, name, ()) if each[1]]
    if refusals:
        words.append(f"(refused: {refusals[0]})")
    return " ".join(words)
