"""The daemon: opens the data path, listens, restores the node, serves, and stops in good order.

    lock and open the store -> identity -> listen (503 from now on) -> replay in a thread -> serve
    TERM -> stop accepting -> let requests finish -> snapshot -> close -> exit status 0

Everything of the node runs on the loop's thread; other threads only wait for disks.  What the
environment refuses (a locked or damaged data path, a port in use) ends the start with one line and
exit status 1.  A broken invariant ends the process at once: the log has all that was acknowledged,
and a node that contradicts itself must not say another word.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import ipaddress
import logging
import signal
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from nexus.config.schema import ServeConfig
from nexus.core.effects import Audit
from nexus.core.events import ApiGathered, ApiRequested
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.release import Release
from nexus.core.operations.renew import Renew
from nexus.driver.driver import Driver, DriverStoppedError
from nexus.driver.ports import Restored, Store, StoreError
from nexus.errors import NexusError
from nexus.model.time import NS_PER_S
from nexus.model.views import ReadyView
from nexus.rest.app import App, Knobs
from nexus.rest.limits import Limits
from nexus.rest.metrics_port import MetricsServer
from nexus.rest.server import RestServer
from nexus.rest.watch_hub import WatchHub
from nexus.runtime import wiring
from nexus.runtime.alarm import LoopAlarm
from nexus.runtime.clock import RealClock
from nexus.runtime.identity import Identity, first_identity, start_identity
from nexus.runtime.no_peers import NoPeers
from nexus.runtime.outbox import NOTHING, Answered, RealOutbox
from nexus.runtime.progress import ReplayProgress
from nexus.runtime.snapshots import SnapshotKeeper
from nexus.runtime.wiring import MakeNode
from nexus.store.memory import MemoryDisk, MemoryStore
from nexus.store.sqlite_log import SqliteStore
from nexus.telemetry import logs
from nexus.telemetry.audit_file import AuditFile
from nexus.telemetry.metrics import Metrics

EXIT_OK = 0
EXIT_ENVIRONMENT = 1
EXIT_DEFECT = 70
"""sysexits.h EX_SOFTWARE: a defect of ours."""
AUDIT_FOLDER = "audit"
MIB = 1 << 20
GATHERED = (Allocate, Renew, Release)
"""Requests that wait for the disk in any case; see `Daemon._gather`."""
YOUNG_OBJECTS_MAX = 20_000
"""Garbage collections of the young are this many objects apart: almost all of a request's are
freed by count, and looking every 700 found nothing, at 5 % of the time."""

_log = logging.getLogger(__name__)


class ListenError(Exception):
    """A port that cannot be listened on."""


class Daemon:
    """One node in one process; also the `nexus.rest.http.Api` that the handlers call.

    Parameters
    ----------
    config : checked configuration.
    make_node : builds the node; tests put a small one here.
    """

    def __init__(self, config: ServeConfig, make_node: MakeNode = wiring.make_node) -> None:
        self.config = config
        self.metrics = Metrics()
        self._make_node = make_node
        self._exit_status = EXIT_OK
        self._state = "starting"
        self._warnings: tuple[str, ...] = _listen_warnings(config.listen)
        self._stop: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._store: Store
        self._audit: AuditFile | None = None
        self._outbox: RealOutbox
        self._driver: Driver | None = None
        self._arrived: list[tuple[ApiRequested, asyncio.Future[Any]]] = []
        """Requests of this turn of the loop that the core has not seen yet."""

    # ---- what the edges call

    def call(self, request: Any, cause_id: str, actor: str) -> Awaitable[Any]:
        """Hand one request to the core; its view, or `NexusError`.

        The core sees the request inside this call or, if it waits for the disk in any case, at
        the end of this turn of the loop.
        """
        if self._driver is None:
            raise NexusError("starting", "the log is being replayed", retry_after_s=1)
        outbox = self._outbox
        if type(request) in GATHERED:
            return self._gather(request, cause_id, actor)
        reply_to = outbox.next_number()
        try:
            self._driver.deliver(ApiRequested(reply_to, request, cause_id, actor))
        except DriverStoppedError:
            raise NexusError("internal_error", "the node has stopped") from None
        result = outbox.take()
        if result is NOTHING:
            return outbox.wait(reply_to)
        if isinstance(result, Exception):
            raise result
        if type(result) is ReadyView:
            return Answered(self._with_warnings(result))
        return Answered(result)

    def _gather(self, request: Any, cause_id: str, actor: str) -> asyncio.Future[Any]:
        """Requests of one turn of the loop go to the core together, at its end.

        They wait for the same commit anyway, and code that runs twenty times in a row runs in a
        third less time than code that runs between twenty replies.
        """
        reply_to, future = self._outbox.expect()
        arrived = self._arrived
        arrived.append((ApiRequested(reply_to, request, cause_id, actor), future))
        if len(arrived) == 1:
            self._loop.call_soon(self._hand_over)
        return future

    def _hand_over(self) -> None:
        """A caller that hung up before the core saw its request wants nothing any more.

        A machine that was suspended wakes up to such requests, and what they ask for may be the
        opposite of what their callers have asked for elsewhere meanwhile.
        """
        waiting, self._arrived = self._arrived, []
        arrived = [event for event, future in waiting if not future.done()]
        assert self._driver is not None
        try:
            self._driver.deliver(ApiGathered(tuple(arrived)))
        except DriverStoppedError:
            error = NexusError("internal_error", "the node has stopped")
            for event in arrived:
                self._outbox.reply(event.reply_to, error)

    def unhealthy(self) -> str | None:
        """Why this node does not serve; None if it does."""
        if self._state != "serving":
            return self._state
        if self._store.failed is not None:
            return f"storage failed: {self._store.failed}"
        return None

    def _with_warnings(self, view: ReadyView) -> ReadyView:
        warnings = (*view.warnings, *self._warnings)
        if self._audit is not None and self._audit.failure is not None:
            warnings += (f"the audit log cannot be written: {self._audit.failure}",)
        return msgspec.structs.replace(view, warnings=warnings) if warnings else view

    # ---- life

    def run(self) -> int:
        """Serve until told to stop; the exit status."""
        logs.configure(self.config.log_level, self.config.log_format, self.config.node_id)
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self.serve())
        except (StoreError, ListenError) as problem:
            _log.error("%s", problem)
            return EXIT_ENVIRONMENT
        return self._exit_status

    async def serve(self) -> None:
        """Start, serve until `stop` or a signal, and stop in good order.

        Raises
        ------
        StoreError, ListenError : the environment does not allow a start.
        """
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._store = self._open_store()
        try:
            with ReplayProgress() as progress:
                restored = self._store.load(progress)
                identity = self._identity(restored)
                await self._serve_as(identity, restored)
        finally:
            if self._driver is not None:
                self._driver.stop()
            self._store.close()
            if self._audit is not None:
                self._audit.close()

    def stop(self, exit_status: int | None = None) -> None:
        """Begin to stop; a second call while stopping changes nothing."""
        if exit_status is not None:
            self._exit_status = exit_status
        self._stop.set()

    async def _serve_as(self, identity: Identity, restored: Restored) -> None:
        config = self.config
        logs.configure(config.log_level, config.log_format, identity.node_id)
        hub = WatchHub(identity.session, config.watch_buffer)
        self._outbox = RealOutbox(self._open_audit(identity), hub.publish)
        rest = RestServer(
            App(self, self.metrics, hub, _route_knobs(config)),
            self.metrics,
            Limits(connections_max=config.max_connections),
        )
        metrics_port = MetricsServer(self.metrics.registry)
        self._watch_signals()
        try:
            await _listen("http_port", config.listen, config.http_port, rest.start)
            if config.metrics_port:
                await _listen(
                    "metrics_port", config.listen, config.metrics_port, metrics_port.start
                )
            made = await self._restore(identity, restored)
            if not self._stop.is_set():
                await self._serve_node(made, rest, hub)
        finally:
            self._state = "stopping"
            hub.close()
            await rest.close(0)
            await metrics_port.close()

    async def _serve_node(self, made: wiring.Made, rest: RestServer, hub: WatchHub) -> None:
        config = self.config
        self._driver = Driver(
            made.node,
            clock=RealClock(),
            alarm=LoopAlarm(self._loop),
            transport=NoPeers(),
            store=self._store,
            outbox=self._outbox,
            encode=made.encode,
            on_crash=self._crashed,
        )
        self.metrics.source = made.source
        keeper = SnapshotKeeper(self._store, made.chunks, config.snapshot_log_mib * MIB)
        self._driver.start()
        self._state = "serving"
        _log.info("serving", extra={"fields": {"http": f"{config.listen}:{config.http_port}"}})
        for warning in self._warnings:
            _log.warning("%s", warning)
        snapshots = self._loop.create_task(keeper.run(), name="snapshots")
        await self._stop.wait()
        self._state = "stopping"
        snapshots.cancel()
        await asyncio.gather(snapshots, return_exceptions=True)
        _log.info("stopping")
        hub.close()
        await rest.close(config.shutdown_grace_ns / NS_PER_S)
        await self._last_snapshot(keeper)

    async def _last_snapshot(self, keeper: SnapshotKeeper) -> None:
        """So that the next start has nothing to replay; the log would do as well."""
        if self._store.failed is not None:
            self._exit_status = self._exit_status or EXIT_ENVIRONMENT
        elif self._exit_status == EXIT_OK and self._store.log_bytes > 0:
            await keeper.take(pause_s=0)

    async def _restore(self, identity: Identity, restored: Restored) -> wiring.Made:
        """Replay on another thread, so that /health can say what goes on."""
        self._state = "replaying the log"
        gc.disable()
        try:
            made = await self._loop.run_in_executor(
                None, partial(self._make_node, self.config, identity, restored)
            )
        finally:
            gc.enable()
        # What was restored lives on; no collection needs to look at it, not even a first one.
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS_MAX, 20, 100)
        return made

    def _open_store(self) -> Store:
        if self.config.ephemeral:
            return MemoryStore(MemoryDisk(retain=False), self._loop.call_soon)
        loop = self._loop
        return SqliteStore(
            Path(self.config.data_path), loop.call_soon_threadsafe, soon=loop.call_soon
        )

    def _identity(self, restored: Restored) -> Identity:
        if self.config.ephemeral:
            return first_identity(self.config.node_id)
        return start_identity(
            Path(self.config.data_path), self.config.node_id, log_exists=not restored.empty
        )

    def _open_audit(self, identity: Identity) -> Any:
        if self.config.ephemeral:
            return _no_audit
        folder = Path(self.config.data_path) / AUDIT_FOLDER
        try:
            self._audit = AuditFile(folder, identity.node_id)
        except OSError as problem:
            raise StoreError(f"audit log {folder} is unusable: {problem.strerror}") from problem
        return self._audit.write

    def _watch_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop)

    def _crashed(self, error: BaseException) -> None:
        _log.critical("the node broke and stops: %s", error, exc_info=error)
        self._outbox.fail_all(NexusError("internal_error", "the node has stopped", definite=False))
        self.stop(EXIT_DEFECT)


def _no_audit(_line: Audit) -> None:
    """Nothing survives a stop in an ephemeral node, audit lines no more than the rest."""


def _route_knobs(config: ServeConfig) -> Knobs:
    return Knobs(
        config.registration_rate, config.registration_burst, config.ack_limit_ns / NS_PER_S
    )


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _listen(key: str, host: str, port: int, start: Any) -> None:
    try:
        await start(host, port)
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            text = f"port {port} on {host} is in use by another program; see {key}"
        else:
            text = f"cannot listen on {host} port {port}: {problem.strerror or problem}; see {key}"
        raise ListenError(text) from problem


def _listen_warnings(host: str) -> tuple[str, ...]:
    try:
        if ipaddress.ip_address(host).is_loopback:
            return ()
    except ValueError:
        if host == "localhost":
            return ()
    return (f"listening on {host} without authentication: whoever reaches it may change anything",)
