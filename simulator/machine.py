"""A machine: clocks, a disk, and at most one process of the daemon on it.

What `nexus.runtime` does around the core when a process starts is done here with the same pieces:
replay the store through the codec, count the session, build the node, drive it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from random import Random
from typing import Any, Protocol

import msgspec

from nexus import codec
from nexus.core.config import NodeConfig
from nexus.core.effects import Audit, Effect, Watch
from nexus.core.events import Event, MessageReceived
from nexus.core.messages import Message
from nexus.core.node import NexusNode
from nexus.driver.driver import Driver
from nexus.driver.ports import StoreError
from nexus.model.time import Instant
from nexus.ownership.values import Session
from nexus.store.memory import MemoryDisk, MemoryStore
from simulator.clocks import MachineClock
from simulator.env import FastEnvironment
from simulator.network import Network
from simulator.ports import DiskPace, Gate, SimAlarm, SimOutbox, SimStore, SimTransport

NONCE_BITS = 53


class Identity(msgspec.Struct):
    """What lies beside the log: the disk's life and how often it was started (R22)."""

    incarnation: int
    session: int = 0


class Backup(msgspec.Struct, frozen=True):
    """A copy of a disk as it was."""

    identity: Identity
    rows: tuple[Any, ...]
    chunks: tuple[bytes, ...]
    base_seq: int
    acknowledged_seq: int


class Watcher(Protocol):
    """What a machine tells its world."""

    def handled(self, machine: Machine, event: Event, effects: tuple[Effect, ...]) -> None: ...

    def replied(self, machine: Machine, reply_to: int, result: Any, reading: Instant) -> None: ...

    def audited(self, machine: Machine, line: Audit) -> None: ...

    def watched(self, machine: Machine, change: Watch) -> None: ...

    def broke(self, machine: Machine, error: Exception) -> None: ...

    def process_changed(self, machine: Machine, what: str) -> None: ...


class WatchedNode:
    """The node as the driver has it: the world sees every event and what came of it."""

    __slots__ = ("_handle", "_machine", "_watcher", "next_deadline_ns")

    def __init__(self, machine: Machine, node: NexusNode) -> None:
        self._machine = machine
        self._watcher = machine.watcher
        self._handle = node.handle
        self.next_deadline_ns = node.next_deadline_ns

    def handle(self, event: Event, now: Instant) -> tuple[Effect, ...]:
        """Let the node handle it."""
        effects = self._handle(event, now)
        self._watcher.handled(self._machine, event, effects)
        return effects


class Process:
    """One start of the daemon: a node, its driver, and the gate to the world."""

    def __init__(self, machine: Machine, node: NexusNode, store: MemoryStore, gate: Gate) -> None:
        world = machine.watcher
        self.node = node
        self.store = store
        self.gate = gate
        self.alarm = SimAlarm(machine.env, machine.clock, gate)
        self.driver = Driver(
            WatchedNode(machine, node),
            clock=machine.clock,
            alarm=self.alarm,
            transport=SimTransport(machine.name, machine.network, gate),
            store=SimStore(store, gate),
            outbox=SimOutbox(
                gate,
                machine.clock,
                lambda reply_to, result, reading: world.replied(machine, reply_to, result, reading),
                lambda line: world.audited(machine, line),
                lambda change: world.watched(machine, change),
            ),
            encode=codec.encode_entry,
        )


class Machine:
    """Owned by one world; faults act on it."""

    def __init__(
        self,
        env: FastEnvironment,
        network: Network,
        clock: MachineClock,
        config: NodeConfig,
        rng: Random,
        watcher: Watcher,
        commit_us: tuple[int, int],
    ) -> None:
        self.env = env
        self.network = network
        self.clock = clock
        self.config = config
        self.name = config.node_id
        self.role = config.role
        self.watcher = watcher
        self.rng = rng
        self.disk = MemoryDisk()
        self.pace = DiskPace(env, rng, commit_us)
        self.identity = Identity(rng.getrandbits(NONCE_BITS))
        self.boots = 1
        self.process: Process | None = None
        self.damaged: str | None = None
        """Why the process would not start: an operator's case."""
        self.wipes = 0
        self.pauses = 0
        """Faults that keep the process from running now; it runs when there are none."""
        self.down = 0
        """Faults that keep the process dead now."""
        network.attach(self.name, self.receive)

    # --- events ------------------------------------------------------------------------------

    def receive(self, sender: str, message: Message) -> None:
        """A message arrived at the machine."""
        process = self.process
        if process is None:
            return
        event = MessageReceived(sender, message)
        if not process.gate.open:
            process.gate.enter(partial(process.driver.deliver, event))
            return
        try:
            process.driver.deliver(event)
        except Exception as error:
            self._broken(error)

    def request(self, event: Event, wanted: Callable[[], bool] = lambda: True) -> bool:
        """Something else for the process (a caller's request); False if nobody listens.

        ``wanted`` is asked when the process gets to it: a caller that hung up wants nothing.
        """
        process = self.process
        if process is None:
            return False

        def deliver() -> None:
            if wanted():
                process.driver.deliver(event)

        process.gate.enter(deliver)
        return True

    def _broken(self, error: Exception) -> None:
        self.kill(reason="defect")
        self.watcher.broke(self, error)

    # --- the process -------------------------------------------------------------------------

    def start(self) -> None:
        """Start a process on what the disk holds."""
        if self.process is not None or self.damaged is not None or self.down:
            return
        store = MemoryStore(self.disk, self.pace.post)
        try:
            node = self._node(store)
        except (StoreError, codec.EntryError) as problem:
            store.close()
            self.damaged = str(problem)
            self.watcher.process_changed(self, f"will not start: {problem}")
            return
        gate = Gate(self._broken)
        self.process = process = Process(self, node, store, gate)
        self.watcher.process_changed(self, "started")
        if self.pauses:
            gate.close()
        gate.enter(process.driver.start)

    def _node(self, store: MemoryStore) -> NexusNode:
        restored = store.load()
        identity = self.identity
        if restored.empty and identity.session:
            identity.incarnation = self.rng.getrandbits(NONCE_BITS)
        identity.session += 1
        config = msgspec.structs.replace(
            self.config,
            incarnation=identity.incarnation,
            session=Session(identity.session, self.rng.getrandbits(NONCE_BITS)),
            boot_id=f"{self.name}-boot-{self.boots}",
        )
        entries = map(codec.decode_entry, chain(restored.snapshot, restored.entries))
        seed = Random(self.rng.getrandbits(64))
        return NexusNode(config, rng=seed, now=self.clock.read(), restored=entries)

    def kill(self, *, survive: int = 0, torn: bool = False, reason: str = "killed") -> None:
        """The process is gone; appended groups that were not committed are lost but for some."""
        process, self.process = self.process, None
        if process is None:
            return
        process.gate.drop()
        process.driver.stop()
        self.disk.crash(survive=survive, torn=torn)
        self.watcher.process_changed(self, reason)

    def crash(self, *, survive: int = 0, torn: bool = False, reason: str = "crashed") -> None:
        """Kill it, and keep it dead until as many `revive`s."""
        self.down += 1
        self.kill(survive=survive, torn=torn, reason=reason)

    def revive(self) -> None:
        """One reason less to be dead."""
        self.down = max(0, self.down - 1)
        if not self.down:
            self.start()

    def lose(self, reason: str) -> None:
        """It is gone for the rest of the run."""
        self.kill(reason=reason)
        self.damaged = reason

    def pause(self, *, after_effects: int | None = None) -> None:
        """The process does not run: now, or after so many of its effects."""
        self.pauses += 1
        process = self.process
        if process is None or not process.gate.open:
            return
        if after_effects is None:
            process.gate.close()
        else:
            process.gate.close_after(after_effects)

    def resume(self) -> None:
        """One reason less not to run."""
        self.pauses = max(0, self.pauses - 1)
        process = self.process
        if not self.pauses and process is not None:
            process.gate.reopen()

    def suspend(self) -> None:
        """The whole machine sleeps: the monotonic clock stops, the process does not run."""
        self.clock.suspend()
        self.pause()

    def wake(self) -> None:
        """The machine goes on where it was."""
        self.clock.resume()
        if self.process is not None:
            self.process.alarm.rearm()
        self.resume()

    def set_rate(self, rate_ppb: int) -> None:
        """The oscillator changes its pace."""
        self.clock.set_rate(rate_ppb)
        if self.process is not None:
            self.process.alarm.rearm()

    def reboot(self, wall_error_ns: int) -> None:
        """Power was off: other boot, clocks from zero, wall clock from the RTC.

        Another fault's end may have started a process meanwhile; no process outlives a boot.
        """
        if self.process is not None:
            self.kill(reason="power off")
        self.boots += 1
        self.clock.reboot(wall_error_ns)

    def heal(self) -> None:
        """An operator has been here: power, disk, clock and process are in order."""
        self.down = 0
        if self.clock.suspended:
            self.clock.resume()
            if self.process is not None:
                self.process.alarm.rearm()
        self.pauses = 0
        if self.process is not None:
            self.process.gate.reopen()
        self.disk.fault = None
        self.pace.slower_ns = 0
        if self.process is not None and self.process.store.failed is not None:
            self.kill(reason="restarted after its disk was mended")
        self.start()

    # --- the disk ----------------------------------------------------------------------------

    def backup(self) -> Backup:
        """A copy of the disk as it is now."""
        disk = self.disk
        identity = Identity(self.identity.incarnation, self.identity.session)
        rows = tuple(disk.rows)
        return Backup(identity, rows, disk.chunks, disk.base_seq, disk.acknowledged_seq)

    def restore(self, backup: Backup) -> None:
        """Put a copy in place of the disk (kill first)."""
        self.disk = MemoryDisk()
        self.disk.rows = list(backup.rows)
        self.disk.chunks = backup.chunks
        self.disk.base_seq = backup.base_seq
        self.disk.acknowledged_seq = backup.acknowledged_seq
        self.identity = Identity(backup.identity.incarnation, backup.identity.session)
        self.damaged = None

    def wipe(self) -> None:
        """An empty disk with a life of its own (kill first)."""
        self.disk = MemoryDisk()
        self.identity = Identity(self.rng.getrandbits(NONCE_BITS))
        self.damaged = None
        self.wipes += 1

    def chunks(self) -> Iterator[bytes]:
        """One pass over the node's state, encoded, for a snapshot."""
        assert self.process is not None
        return map(codec.encode_entry, self.process.node.snapshot_entries())
