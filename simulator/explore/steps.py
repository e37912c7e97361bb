"""What may happen next in a small world, and what comes of it; see `simulator.explore.search`."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import permutations
from typing import Any, NamedTuple

import msgspec

from simulator.explore.canon import QUANTUM_NS
from simulator.explore.local import Event, Local, Locals, Outcome, Told
from simulator.explore.small import Small

Use = tuple[str, str, int]
"""(subscriber, resource, quanta left or -1)."""


class World(NamedTuple):
    """Everything that matters for what may happen next."""

    nodes: tuple[int, ...]
    """State number of each member, or ~number of a dead one's disk."""
    ticked: int
    """Bit i: member i's clock has moved on in this round; the bit above them: the subscribers'."""
    net: tuple[int, ...]
    """Messages under way."""
    told: tuple[int, ...]
    """Answers under way to subscribers."""
    uses: int
    """Number of who uses what."""
    asked: int
    left: tuple[int, ...]
    """Rounds, crashes, wipes, drains, duplicates, runs, then the timers."""


ROUNDS, CRASHES, WIPES, DRAINS, DUPLICATES, RUNS, FIRES = range(7)

Action = tuple[Any, ...]
Step = tuple[Action, World]
Choice = tuple[Action, Callable[[], World | None]]


class Dead(msgspec.Struct, frozen=True):
    """A machine without a process."""

    member: int
    session: int
    incarnation: int
    disk: tuple[bytes, ...]
    at_ns: int
    passed: int
    """Quanta since it died."""
    classes: tuple[int, ...]


class Steps:
    """Choices and acts of one small world; numbers everything that worlds are made of."""

    def __init__(self, small: Small) -> None:
        self.small = small
        self.names = small.voters
        self.renamings = _renamings(small)
        self.locals = Locals(small, self.renamings)
        self.dead: list[Dead] = []
        self.dead_classes: list[tuple[int, ...]] = []
        self._dead_numbers: dict[Any, int] = {}
        self._births_known: dict[tuple[int, bool], int] = {}
        self.timers = tuple(sorted(small.fires))
        self.tellings: list[tuple[int, Told]] = []
        """(member, answer)"""
        self._telling_numbers: dict[tuple[int, Told], int] = {}
        self.usages: list[tuple[Use, ...]] = []
        self._usage_numbers: dict[tuple[Use, ...], int] = {}
        self._orders = [self._order(names) for names in self.renamings]
        # Where nobody asks anything there are no subscribers, and their clock is none.
        self._clocks = len(self.names) + bool(small.asks or small.given)
        self._all_ticked = (1 << self._clocks) - 1

    # --- what may happen ---------------------------------------------------------------------

    def next(self, world: World) -> Iterator[Step]:
        """Every world that may be next."""
        for action, reach in self.choices(world):
            after = reach()
            if after is not None:
                yield action, after

    def choices(self, world: World) -> Iterator[Choice]:
        """Everything that may happen, and how to find out what comes of it."""
        yield from self._arrivals(world)
        for at, number in enumerate(world.nodes):
            if number >= 0:
                yield from self._of_node(world, at, number)
            else:
                yield from self._births(world, at)
        for place, telling in enumerate(world.told):
            _, told = self.tellings[telling]
            action = ("install", told.subscriber, told.resource)
            yield action, partial(self._install, world, place)
        if world.left[ROUNDS]:
            for at in range(self._clocks):
                if not world.ticked >> at & 1:
                    who = self.names[at] if at < len(self.names) else "the subscribers"
                    yield ("the clock of", who, "moves on"), partial(self._tick, world, at)

    def _arrivals(self, world: World) -> Iterator[Choice]:
        before = -1
        for place, number in enumerate(world.net):
            if number == before:
                continue
            before = number
            at = self.names.index(self.locals.messages[number][1])
            if world.nodes[at] < 0:
                continue
            net = world.net[:place] + world.net[place + 1 :]
            event = ("message", number)
            yield (*event, False), partial(self._react, world._replace(net=net), at, event)
            if world.left[DUPLICATES]:
                spent = world._replace(left=_less(world.left, DUPLICATES))
                yield (*event, True), partial(self._react, spent, at, event)

    def _react(self, world: World, at: int, event: Event) -> World | None:
        """What comes of an event at a living member; None if nothing does."""
        number = world.nodes[at]
        outcome = self.locals.step(number, event)
        if outcome.after == number and not outcome.sent and not outcome.told:
            return None
        return self._after(world, at, outcome)

    def _of_node(self, world: World, at: int, number: int) -> Iterator[Choice]:
        """What may happen at a living member besides messages."""
        name = self.names[at]
        events = self._own_events(world, name, self.locals.states[number])
        for action, event, spent in events:
            yield action, partial(self._react, spent, at, event)
        if world.left[CRASHES] and self.locals.may_die(name):
            yield from self._deaths(world, at, number, events)

    def _own_events(
        self, world: World, name: str, state: Local
    ) -> list[tuple[Action, Event, World]]:
        """(for people, event, the world with that much less left)."""
        events: list[tuple[Action, Event, World]] = []
        if state.due:
            events.append(((name, "looks at its clock"), ("look",), world))
        if state.waiting:
            events.append((("the disk of", name, "commits"), ("durable",), world))
        for place, timer in enumerate(self.timers, FIRES):
            if timer in state.timers and world.left[place]:
                spent = world._replace(left=_less(world.left, place))
                events.append((("timer", timer, "of", name, "rings"), ("timer", timer), spent))
        if name not in self.small.owners:
            return events
        for number, ask in enumerate(self.small.asks):
            asked_before = ask.after < 0 or world.asked >> ask.after & 1
            # Asked where nobody serves, the answer is a refusal: no need to try.
            if state.serves and not world.asked >> number & 1 and asked_before:
                asking = self._asking(world, number)
                events.append((("ask", number, name), ("ask", number), asking))
        if world.left[RUNS]:
            spent = world._replace(left=_less(world.left, RUNS))
            events.append(((name, "runs for the shard"), ("run",), spent))
        if world.left[DRAINS] and state.holds:
            spent = world._replace(left=_less(world.left, DRAINS))
            events.append(((name, "is drained"), ("drain",), spent))
        return events

    def _asking(self, world: World, ask: int) -> World:
        """The subscriber's own part: who gives back uses it no more, and waits for nothing."""
        world = world._replace(asked=world.asked | 1 << ask)
        wish = self.small.asks[ask]
        if wish.verb == "release":
            who = wish.subscriber
            uses = tuple(use for use in self.usages[world.uses] if use[0] != who)
            told = tuple(n for n in world.told if self.tellings[n][1].subscriber != who)
            world = world._replace(uses=self._using(uses), told=told)
        return world

    def _using(self, uses: tuple[Use, ...]) -> int:
        """The number of who uses what."""
        number = self._usage_numbers.setdefault(uses, len(self.usages))
        if number == len(self.usages):
            self.usages.append(uses)
        return number

    def _telling(self, at: int, told: Told) -> int:
        """The number of an answer under way."""
        number = self._telling_numbers.setdefault((at, told), len(self.tellings))
        if number == len(self.tellings):
            self.tellings.append((at, told))
        return number

    def _deaths(
        self, world: World, at: int, number: int, events: list[tuple[Action, Event, World]]
    ) -> Iterator[Choice]:
        """It dies now, or in the middle of a step: written, and nothing of it said."""
        state = self.locals.states[number]
        name = self.names[at]
        spent = world._replace(left=_less(world.left, CRASHES))
        yield (name, "dies"), partial(self._dead, spent, at, number, state.disk)
        if state.waiting:
            disk = state.disk + state.waiting
            yield (name, "dies, its last commit done"), partial(self._dead, spent, at, number, disk)
            return
        for place, message in enumerate(world.net):
            if self.locals.messages[message][1] == name:
                net = world.net[:place] + world.net[place + 1 :]
                action = (name, "dies with a message written and nothing said:", message)
                event = ("message", message)
                yield action, partial(self._torn, spent._replace(net=net), at, number, event)
        for action, event, after in events:
            dying = after._replace(left=_less(after.left, CRASHES))
            dies = (name, "dies right after writing what comes of:", *action)
            yield dies, partial(self._torn, dying, at, number, event)

    def _torn(self, world: World, at: int, number: int, event: Event) -> World | None:
        outcome = self.locals.step(number, event)
        if outcome.disk == self.locals.states[number].disk:
            return None
        return self._dead(world, at, number, outcome.disk)

    def _dead(self, world: World, at: int, number: int, disk: tuple[bytes, ...]) -> World:
        state = self.locals.states[number]
        root = state.root
        on_disk = self.locals.disk_classes(root, disk, state.at_ns)
        dead = Dead(at, root.session, root.incarnation, disk, state.at_ns, 0, on_disk)
        return _with_node(world, at, ~self._bury(dead))

    def _bury(self, dead: Dead) -> int:
        key = (dead.member, dead.session, dead.incarnation, dead.passed, *dead.classes)
        number = self._dead_numbers.setdefault(key, len(self.dead))
        if number == len(self.dead):
            said = (dead.session, dead.incarnation, dead.passed)
            classes = tuple(self.locals.class_of([*said, each]) for each in dead.classes)
            self.dead.append(dead)
            self.dead_classes.append(classes)
        return number

    def _births(self, world: World, at: int) -> Iterator[Choice]:
        """A dead member starts again, on its disk or on an empty one."""
        name = self.names[at]
        yield (name, "starts again"), partial(self._born, world, at, wiped=False)
        if world.left[WIPES]:
            spent = world._replace(left=_less(world.left, WIPES))
            action = (name, "starts again with an empty disk")
            yield action, partial(self._born, spent, at, wiped=True)

    def _born(self, world: World, at: int, *, wiped: bool) -> World:
        grave = ~world.nodes[at]
        number = self._births_known.get((grave, wiped))
        if number is None:
            dead = self.dead[grave]
            name = self.names[at]
            disk = self.locals.empty(name) if wiped else dead.disk
            now = dead.at_ns + dead.passed * QUANTUM_NS
            life = dead.incarnation + wiped
            number = self.locals.start(name, dead.session + 1, life, disk, now)
            self._births_known[grave, wiped] = number
        return self._after(world, at, self.locals.step(number, ("start",)))

    # --- acts --------------------------------------------------------------------------------

    def _apply(self, world: World, at: int, event: Event) -> World:
        return self._after(world, at, self.locals.step(world.nodes[at], event))

    def _after(self, world: World, at: int, outcome: Outcome) -> World:
        nodes, ticked, net, told, uses, asked, left = world
        if outcome.sent:
            net = tuple(sorted(net + outcome.sent))
        if outcome.told:
            new = {self._telling(at, each) for each in outcome.told}
            told = tuple(sorted(new.union(told)))
        nodes = (*nodes[:at], outcome.after, *nodes[at + 1 :])
        return World(nodes, ticked, net, told, uses, asked, left)

    def _install(self, world: World, place: int) -> World:
        _, told = self.tellings[world.told[place]]
        uses = [
            use for use in self.usages[world.uses] if use[:2] != (told.subscriber, told.resource)
        ]
        uses.append((told.subscriber, told.resource, told.left))
        rest = world.told[:place] + world.told[place + 1 :]
        return world._replace(told=rest, uses=self._using(tuple(sorted(uses))))

    def _tick(self, world: World, at: int) -> World:
        nodes, ticked, net, told, uses, asked, left = world
        ticked |= 1 << at
        if ticked == self._all_ticked:
            ticked = 0
            left = _less(left, ROUNDS)
        if at == len(self.names):
            older = ((who, what, n - (n > 0)) for who, what, n in self.usages[uses])
            uses = self._using(tuple(use for use in older if use[2]))
            return World(nodes, ticked, net, told, uses, asked, left)
        number = nodes[at]
        if number >= 0:
            number = self.locals.step(number, ("tick",)).after
        else:
            dead = self.dead[~number]
            number = ~self._bury(msgspec.structs.replace(dead, passed=dead.passed + 1))
        nodes = (*nodes[:at], number, *nodes[at + 1 :])
        if told:
            told = tuple(sorted(filter(None, (self._aged(each, at) for each in told))))
        return World(nodes, ticked, net, told, uses, asked, left)

    def _aged(self, telling: int, at: int) -> int | None:
        """An answer a quantum later by the clock of the machine that gave it; None: too late."""
        machine, told = self.tellings[telling]
        if machine != at:
            return telling
        left = told.left - (told.left > 0)
        if not left or told.valid <= 1:
            return None
        return self._telling(at, msgspec.structs.replace(told, left=left, valid=told.valid - 1))

    # --- folding -----------------------------------------------------------------------------

    def _key(self, world: World) -> bytes:
        key = min(self._seen_as(world, which) for which in range(len(self.renamings)))
        return hashlib.blake2b(key, digest_size=12).digest()

    def _seen_as(self, world: World, which: int) -> bytes:
        """The world under one renaming of members."""
        states, dead, classes = self.locals.states, self.dead_classes, self.locals.message_classes
        nodes = [states[n].classes[which] if n >= 0 else -1 - dead[~n][which] for n in world.nodes]
        net = sorted([classes[number][which] for number in world.net])
        told: Iterable[int] = world.told
        ticked = world.ticked
        if which:
            order = self._orders[which]
            nodes = [nodes[at] for at in order]
            ticked &= 1 << len(order)
            for place, at in enumerate(order):
                ticked |= (world.ticked >> at & 1) << place
            tellings = map(self.tellings.__getitem__, told)
            told = sorted(self._telling(order.index(at), each) for at, each in tellings)
        flat = [*nodes, ticked, world.uses, world.asked, *world.left, *told, -1, *net]
        return array("i", flat).tobytes()

    def _order(self, names: Mapping[str, str]) -> list[int]:
        """Which member stands in each place under a renaming."""
        return [
            next(at for at, name in enumerate(self.names) if names.get(name, name) == wanted)
            for wanted in self.names
        ]


def _renamings(small: Small) -> tuple[Mapping[str, str], ...]:
    """Members that never run for the shard are alike, and ballots never name them: they fold."""
    alike = [
        name
        for name in small.voters
        if name not in small.owners and (not small.crashable or name not in small.crashable)
    ]
    return tuple(dict(zip(alike, order, strict=True)) for order in permutations(alike))


def _less(left: tuple[int, ...], place: int) -> tuple[int, ...]:
    return (*left[:place], left[place] - 1, *left[place + 1 :])


def _with_node(world: World, at: int, number: int) -> World:
    return world._replace(nodes=(*world.nodes[:at], number, *world.nodes[at + 1 :]))
