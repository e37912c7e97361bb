"""The subscribers' world: who really uses which resource at which true instant.

A span begins when a sink installs what it was told and ends when the subscriber stops, or when
the told end is reached on the subscriber's own clock, which runs as slowly as the drift bound
allows.  It goes on whatever happens to the process or the machine that told it: data planes
forward while their control process is dead.  Two subscribers with overlapping spans of one
resource are the one thing that must never be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from nexus.model.time import NS_PER_US
from nexus.model.views import AllocationView
from simulator.env import FastEnvironment

FOREVER = 1 << 62


class Span(msgspec.Struct):
    """One subscriber used one resource, in true time."""

    resource: str
    subscriber: str
    start_ns: int
    end_ns: int
    told_by: str
    epoch: int


class Told(msgspec.Struct, frozen=True):
    """A telling answer in the hands of a sink, with what its limits mean on the sink's clock."""

    view: AllocationView
    machine: str
    end_in_ns: int | None
    """Left until the told end, None for a permanent one."""
    valid: bool
    """Still within not-after, and not ended."""


def overlaps(spans: Iterable[Span]) -> list[tuple[Span, Span]]:
    """Pairs of spans of two subscribers that overlap; sorting, then one pass.

    For each resource the two latest ends of different subscribers are enough to know of every
    overlap, so this is O(n log n) however long spans are.
    """
    found: list[tuple[Span, Span]] = []
    latest: Span | None = None
    second: Span | None = None
    for span in sorted(spans, key=lambda each: (each.resource, each.start_ns, each.subscriber)):
        if latest is None or latest.resource != span.resource:
            latest, second = span, None
            continue
        rival = second if latest.subscriber == span.subscriber else latest
        if rival is not None and rival.end_ns > span.start_ns and span.end_ns > span.start_ns:
            found.append((rival, span))
        if span.end_ns > latest.end_ns:
            if span.subscriber != latest.subscriber:
                second = latest
            latest = span
        elif span.subscriber != latest.subscriber and (
            second is None or span.end_ns > second.end_ns
        ):
            second = span
    return found


class Oracle:
    """Keeps all spans of a run; tells the first overlap when it happens."""

    def __init__(
        self,
        env: FastEnvironment,
        drift_ppm: int,
        violate: Callable[[str], None],
        note: Callable[..., None],
    ) -> None:
        self._env = env
        self._drift_ppm = drift_ppm
        self._violate = violate
        self._note = note
        self._live: dict[str, dict[str, Span]] = {}
        self._ended: list[Span] = []
        self.installed_count = 0
        self.refused_count = 0

    def install(self, told: Told) -> bool:
        """A sink carries out what it was told, if the order's own limit still allows it (R9)."""
        if not told.valid:
            self.refused_count += 1
            return False
        self.installed_count += 1
        now = self._env.now_ns
        if told.end_in_ns is None:
            until = FOREVER
        else:
            until = now + told.end_in_ns + told.end_in_ns * self._drift_ppm // 1_000_000
        view = told.view
        self.use(resource_of(view), view.subscriber_id, until, told.machine, view.epoch)
        return True

    def use(self, resource: str, subscriber: str, until_ns: int, by: str, epoch: int) -> None:
        """A subscriber uses a resource from now until an instant (moved by later calls)."""
        now = self._env.now_ns
        live = self._live.setdefault(resource, {})
        for other, span in list(live.items()):
            if span.end_ns <= now:
                self._ended.append(live.pop(other))
            elif other != subscriber:
                self._violate(
                    f"{resource} is used by {other} (since {span.start_ns / 1e9:.3f} s, told by "
                    f"{span.told_by}, epoch {span.epoch}, until {_until(span.end_ns)}) and from "
                    f"{now / 1e9:.3f} s by {subscriber} (told by {by}, epoch {epoch})"
                )
        mine = live.get(subscriber)
        if mine is None:
            live[subscriber] = Span(resource, subscriber, now, until_ns, by, epoch)
            self._note("lease", resource, subscriber=subscriber, by=by, epoch=epoch, until=until_ns)
        else:
            mine.end_ns = until_ns

    def stop(self, resource: str, subscriber: str) -> None:
        """The subscriber uses it no more."""
        live = self._live.get(resource, {})
        span = live.pop(subscriber, None)
        if span is not None:
            span.end_ns = min(span.end_ns, self._env.now_ns)
            self._ended.append(span)
            self._note("lease", resource, subscriber=subscriber, ended=True)

    def stop_all(self, told_by: str) -> None:
        """A machine forwards no more: whoever used what it told has to be told again."""
        for resource, live in self._live.items():
            for subscriber, span in list(live.items()):
                if span.told_by == told_by:
                    self.stop(resource, subscriber)

    def user(self, resource: str) -> str | None:
        """Who uses it now."""
        now = self._env.now_ns
        for subscriber, span in self._live.get(resource, {}).items():
            if span.end_ns > now:
                return subscriber
        return None

    def spans(self) -> list[Span]:
        """All spans, those that still run included."""
        running = [span for live in self._live.values() for span in live.values()]
        return [*self._ended, *running]


def resource_of(view: AllocationView) -> str:
    """One name per thing that two subscribers must not share, whichever pool it came from."""
    return f"{view.resource_type} {view.resource}"


def told_on_machine(view: AllocationView, machine: Any, reading: Any) -> Told:
    """What a data plane on the machine that was asked makes of an answer.

    It counts on the boot-time clock from the reading that the answer was made with, so that
    neither the way of the answer nor a step of the wall clock lengthens anything.
    """
    boot_now = machine.clock.peek().boot_ns
    passed = boot_now - reading.boot_ns
    valid = passed >= 0
    if view.not_after_us is not None:
        valid = valid and passed <= view.not_after_us * NS_PER_US - reading.wall_ns
    end_in = None
    if view.ends_us is not None:
        end_in = view.ends_us * NS_PER_US - reading.wall_ns - passed
        valid = valid and end_in > 0
    return Told(view, machine.name, end_in, valid)


def _until(end_ns: int) -> str:
    return "for ever" if end_ns >= FOREVER else f"{end_ns / 1e9:.3f} s"
