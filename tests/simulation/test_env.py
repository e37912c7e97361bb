"""What the fast environment leans on in SimPy, and what it promises."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from random import Random
from typing import Any

import simpy

from simulator.env import FastEnvironment


def test_simpy_has_the_private_names_that_the_environment_leans_on() -> None:
    assert version("simpy").startswith("4.1."), "look at simulator/env.py before going on"
    env = simpy.Environment()
    env.timeout(5)
    ((at, _priority, _number, event),) = env._queue
    assert at == 5
    assert callable(env._eid.__next__)
    assert env._now == 0
    assert event.callbacks == []


def test_callbacks_and_processes_share_one_time() -> None:
    env = FastEnvironment(Random(1))
    seen: list[tuple[int, str]] = []

    def script() -> Iterator[Any]:
        yield env.timeout(10)
        seen.append((env.now_ns, "script"))
        yield env.timeout(20)
        seen.append((env.now_ns, "script"))

    env.process(script())  # type: ignore[arg-type]
    env.call_later(20, lambda word: seen.append((env.now_ns, word)), "callback")
    env.run_until(100, lambda: False)
    assert seen == [(10, "script"), (20, "callback"), (30, "script")]
    assert env.now_ns == 100


def test_equal_instants_come_in_an_order_of_the_seed() -> None:
    def order(seed: int) -> list[int]:
        env = FastEnvironment(Random(seed))
        seen: list[int] = []
        for number in range(6):
            env.call_later(5, seen.append, number)
        env.run_until(5, lambda: False)
        return seen

    assert order(3) == order(3)
    assert len({tuple(order(seed)) for seed in range(10)}) > 5


def test_an_instant_in_the_past_is_now() -> None:
    env = FastEnvironment(Random(1))
    seen: list[int] = []
    env.run_until(50, lambda: False)
    env.call_at(10, lambda _: seen.append(env.now_ns), None)
    env.run_until(60, lambda: False)
    assert seen == [50]
