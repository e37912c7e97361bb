"""Links between members: latency, jitter, loss, duplicates, reordering, capacity, cuts.

The topology's graph is read once; a path between two members is found when the first message
takes it and kept until a link fails.  What the message layer does to a message is drawn from one
generator per sender.  Faults change paths by `Worsening`s, which are added and taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappush
from itertools import pairwise
from random import Random
from typing import Any

import msgspec
import networkx as nx
from simpy.events import NORMAL

from nexus import codec
from nexus.core.messages import CatalogTold, Message
from simulator.env import SLOT_SHIFT, FastEnvironment
from simulator.journal import Journal
from simulator.topology import Layout

NS_PER_US = 1_000
ALWAYS_ENCODED = (CatalogTold,)
"""Messages with mutable values inside: by reference they would change on their way."""

Receive = Callable[[str, Message], None]
Load = Any
"""A message, or its bytes."""
Letter = tuple["Path", Load]


class Worsening(msgspec.Struct, frozen=True, eq=False):
    """What a fault adds to paths while it lasts."""

    cut: bool = False
    loss: float = 0.0
    duplicate: float = 0.0
    late_ns_max: int = 0
    """Reordering: some messages take up to this much longer."""
    late: float = 0.0
    """Share of messages that do."""
    slow_ns: int = 0
    capacity: int = 0
    clogged: bool = False
    """Messages wait on the path until the clog goes, then arrive in a burst."""


def _message(load: Load) -> Message:
    message: Message = codec.decode_message(load) if type(load) is bytes else load
    return message


class Path:
    """One direction between two members."""

    __slots__ = (
        "capacity",
        "clogged",
        "cut",
        "deliver",
        "duplicate",
        "jitter_ns",
        "late",
        "late_ns_max",
        "latency_ns",
        "loss",
        "network",
        "plain",
        "random",
        "receive",
        "routed",
        "source",
        "target",
        "under_way",
        "waiting",
        "worsenings",
    )

    def __init__(
        self, network: Network, source: str, target: str, receive: Receive, rng: Random
    ) -> None:
        self.network = network
        self.receive = receive
        self.deliver = self.arrive  # bound once: it goes with every message
        self.random = rng.random
        """The sender's: all its paths share it."""
        self.source = source
        self.target = target
        self.worsenings: dict[int, Worsening] = {}
        self.under_way = 0
        self.waiting: list[Any] = []
        self.routed = (0, 0, 0.0, 0, False)

    def arrive(self, message: Load) -> None:
        """A message of which nothing was known but that it arrives."""
        if not self.plain:
            self.network.arrive_worse(self, message, told=True)
        elif type(message) is bytes:
            self.receive(self.source, codec.decode_message(message))
        else:
            self.receive(self.source, message)

    def update(self, routed: tuple[int, int, float, int, bool] | None = None) -> None:
        """Take the route's figures (latency, jitter, loss, capacity, broken) and the faults'."""
        if routed is not None:
            self.routed = routed
        self.latency_ns, self.jitter_ns, self.loss, self.capacity, self.cut = self.routed
        self.duplicate = self.late = 0.0
        self.late_ns_max = 0
        self.clogged = False
        for each in self.worsenings.values():
            self.cut = self.cut or each.cut
            self.loss = 1.0 - (1.0 - self.loss) * (1.0 - each.loss)
            self.duplicate = max(self.duplicate, each.duplicate)
            self.late = max(self.late, each.late)
            self.late_ns_max = max(self.late_ns_max, each.late_ns_max)
            self.latency_ns += each.slow_ns
            if each.capacity:
                self.capacity = min(self.capacity or each.capacity, each.capacity)
            self.clogged = self.clogged or each.clogged
        self.plain = not (
            self.cut
            or self.loss
            or self.duplicate
            or self.late
            or self.capacity
            or self.clogged
            or self.worsenings
        )


class Network:
    """All paths of one world."""

    def __init__(
        self,
        env: FastEnvironment,
        layout: Layout,
        rng_of: Callable[[str], Random],
        journal: Journal,
        *,
        encoded: bool,
    ) -> None:
        self.encoded = encoded
        self.names = layout.names()
        self._env = env
        self._graph = layout.graph.copy()
        self.journal = journal
        self._keeps = journal.keep_messages
        self._lines = journal.lines
        self._rngs = {name: rng_of(name) for name in self.names}
        self._receivers: dict[str, Receive] = {}
        self._paths: dict[tuple[str, str], Path] = {}
        self._ways: dict[str, dict[str, Path]] = {name: {} for name in self.names}
        """The same by source, then target."""
        self._routes: dict[str, Any] = {}
        self._worsenings: dict[int, tuple[Worsening, frozenset[tuple[str, str]] | None]] = {}
        self._number = 0
        self.sent_count = 0

    def attach(self, name: str, receive: Receive) -> None:
        """Who gets the messages to a member."""
        self._receivers[name] = receive
        for path in self._paths.values():
            if path.target == name:
                path.receive = receive

    # --- messages ----------------------------------------------------------------------------

    def send(self, source: str, target: str, message: Message) -> None:
        """Put one message on its way.  A script may put itself in the place of this method."""
        self._send(source, (target,), message)

    def send_all(self, source: str, targets: Iterable[str], message: Message) -> None:
        """Put one message on its way to several members, in this order."""
        if "send" in self.__dict__:
            for target in targets:
                self.send(source, target, message)
        else:
            self._send(source, targets, message)

    def _send(self, source: str, targets: Iterable[str], message: Message) -> None:
        kind = type(message)
        load: Load = message
        if self.encoded or kind in ALWAYS_ENCODED:
            load = codec.encode_message(message)
            self.journal.content(load)
        paths = self._ways[source]
        env = self._env
        now, edge = env.now_ns, env.edge_ns
        slots, ids = env.slots, env.ids
        name = kind.__name__
        arrivals: list[int] = []
        for target in targets:
            path = paths.get(target) or self._path(source, target)
            if path is None:
                continue
            if not path.plain:
                self._send_worse(path, load, name)
                continue
            arrives = now + path.latency_ns + int(path.random() * path.jitter_ns)
            arrivals.append(arrives)
            entry = (arrives, NORMAL, next(ids), path.deliver, load)
            if arrives < edge:
                heappush(env.heap, entry)
            elif (slot := slots.get(arrives >> SLOT_SHIFT)) is not None:
                slot.append(entry)
            else:
                env.put_off(entry)
            if self._keeps:
                self.journal.letter(now, source, target, name, arrives)
        self.sent_count += len(arrivals)
        self._lines.append((now, source, name, arrivals))

    def _send_worse(self, path: Path, message: Load, name: str) -> None:
        """On a path with faults."""
        self.sent_count += 1
        rng = self._rngs[path.source]
        what = "lost" if path.cut or (path.loss and rng.random() < path.loss) else "sent"
        self.journal.message(self._env.now_ns, what, path.source, path.target, name)
        if what == "sent":
            self._start(path, message, rng)
            if path.duplicate and rng.random() < path.duplicate:
                self._start(path, message, rng)

    def _start(self, path: Path, message: Load, rng: Random) -> None:
        if path.capacity and path.under_way >= path.capacity:
            self._tell("lost", path, message)
            return
        delay = path.latency_ns + int(rng.random() * path.jitter_ns)
        if path.late and rng.random() < path.late:
            delay += int(rng.random() * path.late_ns_max)
        path.under_way += 1
        self._env.call_later(delay, self._arrive_counted, (path, message))

    def _arrive_counted(self, letter: Letter) -> None:
        letter[0].under_way -= 1
        self._arrive(letter)

    def _arrive(self, letter: Letter) -> None:
        path, message = letter
        self.arrive_worse(path, message, told=False)

    def arrive_worse(self, path: Path, message: Load, *, told: bool) -> None:
        """At the end of a path with faults; ``told``: the journal knows that it arrives."""
        if path.cut:
            self._tell("cut", path, message)
        elif path.clogged:
            path.waiting.append((path, message))
        else:
            if not told:
                self._tell("got", path, message)
            path.receive(path.source, _message(message))

    def _tell(self, what: str, path: Path, message: Load) -> None:
        name = type(_message(message)).__name__
        self.journal.message(self._env.now_ns, what, path.source, path.target, name)

    # --- paths -------------------------------------------------------------------------------

    def _path(self, source: str, target: str) -> Path | None:
        if target not in self._rngs:
            return None
        path = Path(self, source, target, self._receivers[target], self._rngs[source])
        for number, (worsening, pairs) in self._worsenings.items():
            if pairs is None or (source, target) in pairs:
                path.worsenings[number] = worsening
        path.update(self._route(source, target))
        self._paths[source, target] = self._ways[source][target] = path
        return path

    def _route(self, source: str, target: str) -> tuple[int, int, float, int, bool]:
        """Figures of the shortest way: latency, jitter, loss, capacity, broken."""
        routes = self._routes.get(source)
        if routes is None:
            routes = nx.single_source_dijkstra_path(self._graph, source, weight="latency_us")
            self._routes[source] = routes
        way = routes.get(target)
        if way is None:
            return (0, 0, 0.0, 0, True)
        latency = jitter = capacity = 0
        kept = 1.0
        for one, other in pairwise(way):
            link = self._graph.edges[one, other]
            latency += link["latency_us"]
            jitter += link["jitter_us"]
            kept *= 1.0 - link["loss"]
            if link["capacity"]:
                capacity = min(capacity or link["capacity"], link["capacity"])
        return (latency * NS_PER_US, jitter * NS_PER_US, 1.0 - kept, capacity, False)

    def links(self) -> list[tuple[str, str]]:
        """Links of the graph as it is now, in order."""
        return sorted(tuple(sorted(edge)) for edge in self._graph.edges)

    def fail_link(self, one: str, other: str) -> Any:
        """Take a link out; traffic finds another way or none.  Returns what `mend_link` wants."""
        if not self._graph.has_edge(one, other):
            return None
        figures = dict(self._graph.edges[one, other])
        self._graph.remove_edge(one, other)
        self._reroute()
        return figures

    def mend_link(self, one: str, other: str, figures: Any) -> None:
        """Put a link back."""
        if figures is not None:
            self._graph.add_edge(one, other, **figures)
            self._reroute()

    def _reroute(self) -> None:
        self._routes.clear()
        for path in self._paths.values():
            path.update(self._route(path.source, path.target))

    # --- faults ------------------------------------------------------------------------------

    def worsen(self, worsening: Worsening, pairs: Iterable[tuple[str, str]] | None = None) -> int:
        """Add a fault to directed pairs of members (None: to all); returns its number."""
        self._number += 1
        chosen = None if pairs is None else frozenset(pairs)
        self._worsenings[self._number] = (worsening, chosen)
        for key, path in self._paths.items():
            if chosen is None or key in chosen:
                path.worsenings[self._number] = worsening
                path.update()
        return self._number

    def better(self, number: int) -> None:
        """Take a fault away; messages that a clog kept go on."""
        self._worsenings.pop(number, None)
        for path in self._paths.values():
            if path.worsenings.pop(number, None) is not None:
                path.update()
                if path.waiting and not path.clogged:
                    waiting, path.waiting = path.waiting, []
                    for letter in waiting:
                        self._env.call_later(path.latency_ns, self._arrive, letter)

    def reaches(self, source: str, target: str) -> bool:
        """Nothing cuts the path now."""
        path = self._paths.get((source, target)) or self._path(source, target)
        return path is not None and not path.cut
