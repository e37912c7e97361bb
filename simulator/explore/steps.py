"""What may happen next in a small world, and what comes of it; see `simulator.explore.search`.

The network keeps every message: one that is delivered stays, and may arrive again at any time, or
never.  So losses, delays, reordering and doubles need no steps of their own, and of two worlds that
are equal but for what is under way, the one with more can do all that the other can.  From this
follow the two great savings of the walk: what only adds (an answer that changes nothing at who
gives it, a subscriber that installs what it was told) is done at once, and a world that lacks what
another has is not walked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    net: int
    """Bit i: message i was sent at some time."""
    told: tuple[int, ...]
    """Answers that a subscriber may still install, later than others did."""
    uses: int
    """Number of who uses what."""
    asked: int
    left: tuple[int, ...]
    """Rounds, crashes, wipes, drains, runs, then the timers."""


ROUNDS, CRASHES, WIPES, DRAINS, RUNS, FIRES = range(6)

Action = tuple[Any, ...]
Step = tuple[Action, World]


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


class _Inbox:
    """What the messages do to one node in one state, as far as it was asked."""

    __slots__ = ("adding", "known", "moving")

    def __init__(self) -> None:
        self.known = 0
        """Messages asked about; those in neither of the others do nothing."""
        self.moving = 0
        """Those that change the state, or tell a subscriber something."""
        self.adding: dict[int, int] = {}
        """Bit of a message that only makes the node say something -> bits of what it says."""


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
        self._inboxes: dict[int, _Inbox] = {}
        # Where nothing is told that ends, the subscribers' clock is none.
        self._clocks = len(self.names) + small.ending
        self._all_ticked = (1 << self._clocks) - 1
        self.settling = True
        """Off: what only adds is a step like others, as stories are told."""

    # --- what may happen ---------------------------------------------------------------------

    def next(self, world: World) -> Iterator[Step]:
        """Every world that may be next."""
        for at, number in enumerate(world.nodes):
            if number < 0:
                continue
            moving = self._inbox(number, world.net, at).moving & world.net
            while moving:
                bit = moving & -moving
                moving ^= bit
                event = ("message", bit.bit_length() - 1)
                yield event, self._after(world, at, self.locals.step(number, event))
        yield from self._others(world)

    def _others(self, world: World) -> Iterator[Step]:
        """The same without messages that arrive."""
        for at, number in enumerate(world.nodes):
            if number < 0:
                yield from self._births(world, at)
            else:
                yield from self._of_node(world, at, number)
        if world.left[ROUNDS]:
            for at in range(self._clocks):
                if not world.ticked >> at & 1:
                    who = self.names[at] if at < len(self.names) else "the subscribers"
                    yield ("the clock of", who, "moves on"), self._tick(world, at)

    def apply(self, world: World, action: Action) -> World | None:
        """What comes of one action, None where it cannot happen or changes nothing."""
        if action[0] == "message":
            number = action[1]
            at = self.names.index(self.locals.messages[number][1])
            if not world.net >> number & 1 or world.nodes[at] < 0:
                return None
            after = self._after(world, at, self.locals.step(world.nodes[at], action))
            return None if after == world else after
        if action[0] == "install":
            return self._install(world, action[1]) if action[1] in world.told else None
        for each, after in self._others(world):
            if each == action:
                return after
        return None

    def _inbox(self, number: int, net: int, at: int) -> _Inbox:
        """What the messages under way do to a node in this state."""
        inbox = self._inboxes.get(number)
        if inbox is None:
            inbox = self._inboxes[number] = _Inbox()
        fresh = net & self.locals.inbound[self.names[at]] & ~inbox.known
        while fresh:
            bit = fresh & -fresh
            fresh ^= bit
            outcome = self.locals.step(number, ("message", bit.bit_length() - 1))
            inbox.known |= bit
            if outcome.after != number or outcome.told:
                inbox.moving |= bit
            elif outcome.sent:
                inbox.adding[bit] = outcome.sent
        return inbox

    def _of_node(self, world: World, at: int, number: int) -> Iterator[Step]:
        """What may happen at a living member besides messages."""
        name = self.names[at]
        for action, event, spent in self._own_events(world, name, self.locals.states[number]):
            outcome = self.locals.step(number, event)
            if outcome.after != number or outcome.sent or outcome.told:
                yield action, self._after(spent, at, outcome)
        if world.left[CRASHES] and self.locals.may_die(name):
            # In the midst of a step is no case of its own: what it said may be lost as well.
            state = self.locals.states[number]
            spent = world._replace(left=_less(world.left, CRASHES))
            yield (name, "dies"), self._dead(spent, at, number, state.disk)

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

    # --- dying and starting ------------------------------------------------------------------

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

    def _births(self, world: World, at: int) -> Iterator[Step]:
        """A dead member starts again, on its disk or on an empty one."""
        name = self.names[at]
        yield (name, "starts again"), self._born(world, at, wiped=False)
        if world.left[WIPES]:
            spent = world._replace(left=_less(world.left, WIPES))
            yield (name, "starts again with an empty disk"), self._born(spent, at, wiped=True)

    def _born(self, world: World, at: int, *, wiped: bool) -> World:
        grave = ~world.nodes[at]
        number = self._births_known.get((grave, wiped))
        if number is None:
            dead = self.dead[grave]
            name = self.names[at]
            disk = self.locals.founded(name) if wiped else dead.disk
            now = dead.at_ns + dead.passed * QUANTUM_NS
            life = dead.incarnation + wiped
            number = self.locals.start(name, dead.session + 1, life, disk, now)
            self._births_known[grave, wiped] = number
        return self._after(world, at, self.locals.step(number, ("start",)))

    # --- acts --------------------------------------------------------------------------------

    def _act(self, world: World, at: int, event: Event) -> World:
        return self._after(world, at, self.locals.step(world.nodes[at], event))

    def _after(self, world: World, at: int, outcome: Outcome) -> World:
        nodes, ticked, net, told, uses, asked, left = world
        if outcome.told:
            told = self._with_told(told, {self._telling(at, each) for each in outcome.told})
        nodes = (*nodes[:at], outcome.after, *nodes[at + 1 :])
        return self.settled(World(nodes, ticked, net | outcome.sent, told, uses, asked, left))

    def _with_told(self, told: tuple[int, ...], new: set[int]) -> tuple[int, ...]:
        if not self.small.ending and any(self.tellings[each][1].left >= 0 for each in new):
            raise RuntimeError(f"{self.small.name}: an answer that ends, and no clock to end it")
        return tuple(sorted(new.union(told)))

    def settled(self, world: World) -> World:
        """The world after all that only adds to it: it can do whatever it could before."""
        if not self.settling:
            return world
        while world.told:
            longer = next((each for each in world.told if self._lengthens(world, each)), None)
            if longer is None:
                break
            world = self._install(world, longer)
        net = world.net
        grown = True
        while grown:
            grown = False
            for at, number in enumerate(world.nodes):
                if number < 0:
                    continue
                for bit, sent in self._inbox(number, net, at).adding.items():
                    if bit & net and sent & ~net:
                        net |= sent
                        grown = True
        return world if net == world.net else world._replace(net=net)

    def adding(self, world: World) -> Iterator[Action]:
        """The steps that only add, one by one."""
        yield from (("install", each) for each in world.told if self._lengthens(world, each))
        for at, number in enumerate(world.nodes):
            if number >= 0:
                for bit, sent in self._inbox(number, world.net, at).adding.items():
                    if bit & world.net and sent & ~world.net:
                        yield ("message", bit.bit_length() - 1)

    def _lengthens(self, world: World, telling: int) -> bool:
        """Installed now, the answer is used for longer than the one installed before."""
        told = self.tellings[telling][1]
        if told.left < 0:
            return True
        return all(
            use[:2] != (told.subscriber, told.resource) or 0 <= use[2] < told.left
            for use in self.usages[world.uses]
        )

    def _install(self, world: World, telling: int) -> World:
        told = self.tellings[telling][1]
        new = (told.subscriber, told.resource, told.left)
        uses = [use for use in self.usages[world.uses] if use[:2] != new[:2]]
        rest = world.told
        if told.left < 0:
            # For ever: installed again it would change nothing.
            rest = tuple(each for each in rest if each != telling)
        return world._replace(told=rest, uses=self._using(tuple(sorted([*uses, new]))))

    def _tick(self, world: World, at: int) -> World:
        nodes, ticked, net, told, uses, asked, left = world
        ticked |= 1 << at
        if ticked == self._all_ticked:
            ticked = 0
            left = _less(left, ROUNDS)
        if at == len(self.names):
            older = ((who, what, n - (n > 0)) for who, what, n in self.usages[uses])
            uses = self._using(tuple(use for use in older if use[2]))
            return self.settled(World(nodes, ticked, net, told, uses, asked, left))
        number = nodes[at]
        if number >= 0:
            number = self.locals.step(number, ("tick",)).after
        else:
            dead = self.dead[~number]
            number = ~self._bury(msgspec.structs.replace(dead, passed=dead.passed + 1))
        nodes = (*nodes[:at], number, *nodes[at + 1 :])
        if told:
            aged = (self._aged(each, at) for each in told)
            told = tuple(sorted(each for each in aged if each is not None))
        return self.settled(World(nodes, ticked, net, told, uses, asked, left))

    def _aged(self, telling: int, at: int) -> int | None:
        """An answer a quantum later by the clock of the machine that gave it; None: too late."""
        machine, told = self.tellings[telling]
        if machine != at:
            return telling
        left = told.left - (told.left > 0)
        if not left or told.valid <= 1:
            return None
        return self._telling(at, msgspec.structs.replace(told, left=left, valid=told.valid - 1))


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
