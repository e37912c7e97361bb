"""Who seems offline, as each node is told: silence for `offline_after` on the node's own clock.

Stands for the failure detector until the product brings its own with the cluster: the verdicts
move placement and routing only (R13), so a crude one is as good for safety as a fine one, and
faults make it lie.
"""

from __future__ import annotations

from nexus.core.events import MemberJudged
from nexus.model.time import NS_PER_S
from simulator.env import FastEnvironment
from simulator.machine import Machine

LOOKS = 4
"""Looks per `offline_after`."""


class Detector:
    """One node's view of the others."""

    def __init__(
        self, env: FastEnvironment, machine: Machine, names: list[str], offline_after_s: float
    ) -> None:
        self._env = env
        self._machine = machine
        self._after_ns = int(offline_after_s * NS_PER_S)
        self._others = [name for name in names if name != machine.name]
        self._heard: dict[str, int] = {}
        self._offline: dict[str, None] = {}
        self._generation = 0

    def started(self) -> None:
        """A process started: it knows nothing of the others' state, and gives them time."""
        self._heard = dict.fromkeys(self._others, self._env.now_ns)
        self._offline.clear()
        self._generation += 1
        self._env.call_later(self._after_ns, self._look, self._generation)

    def heard(self, name: str) -> None:
        """A message of this member arrived."""
        self._heard[name] = self._env.now_ns
        if name in self._offline:
            del self._offline[name]
            self._env.call_later(1, self._tell, (name, "online"))

    def contradicted(self, name: str) -> None:
        """Its node was told something else about this member: look, and tell it, again."""
        self._offline.pop(name, None)

    def _tell(self, verdict: tuple[str, str]) -> None:
        self._machine.request(MemberJudged(*verdict))

    def _look(self, generation: int) -> None:
        if generation != self._generation or self._machine.process is None:
            return
        if self._machine.process.gate.open:
            limit = self._env.now_ns - self._after_ns
            for name in self._others:
                if self._heard[name] < limit and name not in self._offline:
                    self._offline[name] = None
                    self._tell((name, "offline"))
        self._env.call_later(self._after_ns // LOOKS, self._look, generation)
