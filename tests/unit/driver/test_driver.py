"""The driver: effects in order, one event at a time, one alarm, nothing after a breakdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from nexus.core.effects import Audit, Effect, Persist, Reply, Watch
from nexus.core.events import (
    ApiRequested,
    DeadlineReached,
    Event,
    Persisted,
    Started,
    StorageFailed,
)
from nexus.driver.driver import Driver, DriverStoppedError
from nexus.model.time import Instant

NOW = Instant(1, 2, 3)


class ScriptedNode:
    """Answers each event by what a table says."""

    def __init__(self, react: Callable[[Event], Sequence[Effect]]) -> None:
        self.react = react
        self.handled: list[Event] = []
        self.instants: list[Instant] = []
        self.deadline_ns: int | None = None
        self.inside = False

    def handle(self, event: Event, now: Instant) -> tuple[Effect, ...]:
        assert not self.inside
        self.inside = True
        try:
            self.handled.append(event)
            self.instants.append(now)
            return tuple(self.react(event))
        finally:
            self.inside = False

    def next_deadline_ns(self) -> int | None:
        return self.deadline_ns


class World:
    """All ports in one, with a common diary."""

    def __init__(self, node: ScriptedNode) -> None:
        self.diary: list[tuple[Any, ...]] = []
        self.crashes: list[BaseException] = []
        self.ring: Callable[[], None]
        self.durable: Callable[[int], None]
        self.failed: Callable[[str], None]
        self.on_reply: Callable[[], None] = lambda: None
        self.driver = Driver(
            node,
            clock=self,
            alarm=_Alarm(self),
            transport=self,
            store=_Log(self),
            outbox=self,
            encode=lambda entry: str(entry).encode(),
            on_crash=self.crashes.append,
        )

    def read(self) -> Instant:
        return NOW

    def send(self, to: str, message: Any) -> None:
        self.diary.append(("send", to))

    def broadcast(self, message: Any) -> None:
        self.diary.append(("broadcast",))

    def reply(self, reply_to: int, result: Any) -> None:
        self.diary.append(("reply", reply_to, result))
        self.on_reply()

    def audit(self, line: Audit) -> None:
        self.diary.append(("audit", line.action))

    def watch(self, change: Watch) -> None:
        self.diary.append(("watch", change.key))


class _Alarm:
    def __init__(self, world: World) -> None:
        self.world = world

    def bind(self, on_ring: Callable[[], None]) -> None:
        self.world.ring = on_ring

    def set(self, mono_ns: int | None) -> None:
        self.world.diary.append(("alarm", mono_ns))


class _Log:
    def __init__(self, world: World) -> None:
        self.world = world

    def bind(self, on_durable: Callable[[int], None], on_failed: Callable[[str], None]) -> None:
        self.world.durable = on_durable
        self.world.failed = on_failed

    def append(self, token: int, entries: Sequence[bytes]) -> None:
        self.world.diary.append(("append", token, list(entries)))


def request(number: int) -> ApiRequested:
    return ApiRequested(number, "request", "cause")


def test_effects_are_carried_out_in_their_order_with_the_clocks_of_the_event() -> None:
    effects: list[Effect] = [
        Persist(1, ("entry",)),
        Audit(0, "ACTION", "actor", "cause", "target", {}),
        Watch("put", "pools", "pools/a", 0),
        Reply(7, "view"),
    ]
    node = ScriptedNode(lambda event: effects)
    world = World(node)
    world.driver.deliver(request(7))
    assert world.diary == [
        ("append", 1, [b"entry"]),
        ("audit", "ACTION"),
        ("watch", "pools/a"),
        ("reply", 7, "view"),
    ]
    assert node.instants == [NOW]


def test_events_that_arise_inside_wait_for_the_effects_of_the_present_one() -> None:
    # A caller whose reply arrives asks again in the same breath.
    def react(event: Event) -> list[Effect]:
        assert isinstance(event, ApiRequested)
        return [Reply(event.reply_to, "a"), Reply(event.reply_to, "b")]

    node = ScriptedNode(react)
    world = World(node)
    more = [request(2), request(3)]
    world.on_reply = lambda: world.driver.deliver(more.pop(0)) if more else None
    world.driver.deliver(request(1))
    assert [(line[1], line[2]) for line in world.diary] == [
        (1, "a"),
        (1, "b"),
        (2, "a"),
        (2, "b"),
        (3, "a"),
        (3, "b"),
    ]


def test_the_store_and_the_alarm_speak_as_events() -> None:
    node = ScriptedNode(lambda event: [])
    world = World(node)
    world.durable(5)
    world.failed("disk full")
    world.ring()
    assert node.handled == [Persisted(5), StorageFailed("disk full"), DeadlineReached()]


def test_the_alarm_is_set_only_when_the_deadline_moves_and_again_after_it_rang() -> None:
    node = ScriptedNode(lambda event: [])
    world = World(node)
    node.deadline_ns = 100
    world.driver.start()
    assert node.handled == [Started()]
    world.driver.deliver(request(1))
    assert world.diary == [("alarm", 100)]
    node.deadline_ns = 50
    world.driver.deliver(request(2))
    world.ring()
    node.deadline_ns = None
    world.driver.deliver(request(3))
    assert world.diary == [("alarm", 100), ("alarm", 50), ("alarm", 50), ("alarm", None)]


def test_a_node_that_breaks_is_told_of_once_and_sees_nothing_more() -> None:
    def react(event: Event) -> list[Effect]:
        raise AssertionError("I1 broken")

    node = ScriptedNode(react)
    world = World(node)
    with pytest.raises(AssertionError, match="I1"):
        world.driver.deliver(request(1))
    assert [str(crash) for crash in world.crashes] == ["I1 broken"]
    with pytest.raises(DriverStoppedError):
        world.driver.deliver(request(2))
    # Callbacks of ports that were under way are not errors.
    world.durable(1)
    world.ring()
    world.failed("late")
    assert len(node.handled) == 1


def test_an_effect_that_fails_takes_those_after_it_along() -> None:
    # An entry that cannot be encoded must not be followed by the reply that depends on it.
    node = ScriptedNode(lambda event: [Reply(1, "first"), Reply(1, "second")])
    world = World(node)

    def explode() -> None:
        raise OSError("no")

    world.on_reply = explode
    with pytest.raises(OSError, match="no"):
        world.driver.deliver(request(1))
    assert [line[:2] for line in world.diary if line[0] == "reply"] == [("reply", 1)]
    assert world.driver.stopped
