"""The device routes over a registry, without core and without sockets.

Stands for the node: writes are executed at once, reads are answered, and requests go through the
real router, so that a test speaks of paths, statuses and JSON alone.  A status or an error code
that its route does not declare fails the test.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from nexus.core.operations.devices import DeviceRead
from nexus.devices.reads import answer
from nexus.devices.registry import DeviceRegistry
from nexus.errors import NexusError
from nexus.model.views import PoolView
from nexus.rest import bootstrap, devices
from nexus.rest.http import HttpReply, HttpRequest, error_reply
from nexus.rest.router import Router

START_US = 1_700_000_000_000_000


class DeviceWorld:
    """An `Api` for devices only, and a caller of its routes."""

    def __init__(self) -> None:
        self.registry = DeviceRegistry()
        self.pools: list[PoolView] = []
        self.peers: tuple[str, ...] = ()
        self.now_ns = 0
        self.asked: list[Any] = []
        self.router = Router((*devices.ROUTES, *bootstrap.routes(lambda: self.now_ns)))

    async def call(self, request: Any, cause_id: str, actor: str) -> Any:
        """The node's answer to one request of the core."""
        self.asked.append(request)
        at_us = START_US + self.now_ns // 1_000 + len(self.asked)
        if isinstance(request, DeviceRead):
            return answer(self.registry, request, pools=self.pools, peers=self.peers, at_us=at_us)
        outcome = self.registry.execute(request, at_us).outcome
        self.registry.check_invariants()
        if isinstance(outcome, NexusError):
            raise outcome
        return outcome

    def unhealthy(self) -> str | None:
        """Always well."""
        return None

    def raw(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> HttpReply:
        """One request and its reply as the server would send it."""
        path, _, query = target.partition("?")
        request = HttpRequest(method, path, query, headers or {}, body, cause_id="c1")

        async def exchange() -> HttpReply:
            route = self.router.match(request)
            declared: set[object] = {*route.replies, *route.errors, "validation_failed"}
            answered: object
            try:
                reply = await route.handler(request, self)
                answered = reply.status
            except NexusError as error:
                reply = error_reply(error, request.cause_id)
                answered = error.code
            assert answered in declared, f"{route.path} does not declare {answered}"
            return reply

        return asyncio.run(exchange())

    def ask(self, method: str, target: str, value: Any = None) -> tuple[int, Any]:
        """Status and JSON of the reply to a request with a JSON body."""
        body = b"" if value is None else json.dumps(value).encode()
        reply = self.raw(method, target, body)
        return reply.status, json.loads(reply.body)
