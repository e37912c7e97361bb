"""Where effects for people go: replies to waiting callers, the audit log, the watch buffer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from nexus.core.effects import Audit, Watch

NOTHING = object()


class Answered:
    """An answer that is there already, for callers that await one."""

    __slots__ = ("_view",)

    def __init__(self, view: Any) -> None:
        self._view = view

    def __await__(self) -> Generator[None, None, Any]:
        yield from ()
        return self._view


class RealOutbox:
    """A `nexus.driver.ports.Outbox`.

    Most reads are answered inside the very call that asked; `take` hands those over without a
    future.
    """

    def __init__(self, audit: Callable[[Audit], object], watch: Callable[[Watch], object]) -> None:
        self.audit = audit
        self.watch = watch
        self._count = 0
        self._asking = 0
        self._answer: Any = NOTHING
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    @property
    def waiting_count(self) -> int:
        """Callers without an answer."""
        return sum(not future.done() for future in self._waiting.values())

    def next_number(self) -> int:
        """A fresh ``reply_to``; deliver the request, then `take` or `wait`."""
        self._count += 1
        self._asking = self._count
        return self._count

    def expect(self) -> tuple[int, asyncio.Future[Any]]:
        """A fresh ``reply_to`` and its answer, for a request that is delivered later."""
        self._count += 1
        return self._count, self.wait(self._count)

    def reply(self, reply_to: int, result: Any) -> None:
        future = self._waiting.pop(reply_to, None)
        if future is not None:
            _settle(future, result)
        elif reply_to == self._asking:
            self._answer = result
        # else the caller has gone away, and its answer with it

    def take(self) -> Any:
        """The answer to the last `next_number` if it came already, else `NOTHING`."""
        answer, self._answer = self._answer, NOTHING
        self._asking = 0
        return answer

    def wait(self, reply_to: int) -> asyncio.Future[Any]:
        """The answer when it comes; a refusal is raised to who awaits it."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[reply_to] = future
        return future

    def fail_all(self, error: Exception) -> None:
        """Answer everybody who waits with the same error."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            _settle(future, error)


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    """Hand an answer over, unless the caller has gone away."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
