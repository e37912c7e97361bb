"""The API as one callable: request in, reply out.

The registry of all routes is here, one line a module.  `App.handle` never raises: refusals become
the error shape, and a defect of ours becomes ``internal_error`` with its trace in the log.
"""

from __future__ import annotations

import logging
from time import perf_counter

import msgspec

from nexus.errors import NexusError
from nexus.resources.knobs import ACK_LIMIT_S
from nexus.rest import (
    allocate,
    allocations,
    bootstrap,
    devices,
    explain,
    health,
    nodes,
    openapi,
    pools,
    voters,
    watch,
)
from nexus.rest.http import Api, HttpReply, HttpRequest, Route, error_reply
from nexus.rest.router import UNMATCHED, Router
from nexus.rest.watch_hub import WatchHub
from nexus.telemetry.metrics import Metrics, RouteStats

_log = logging.getLogger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
OTHER_METHOD = "other"

STREAM = HttpReply(0)
"""Instead of an answer: a port that takes no streams gave us a request for one.  Nothing was done
and nothing counted; another port may ask again."""


class Knobs(msgspec.Struct, frozen=True):
    """What an operator may set about the routes."""

    registrations_per_s: int = bootstrap.REGISTRATIONS_PER_S
    registrations_burst: int = bootstrap.REGISTRATIONS_BURST
    ack_limit_s: float = ACK_LIMIT_S
    """The cluster's: a pool's `cooldown` and `mclt` are bounded by it."""


def all_routes(metrics: Metrics, hub: WatchHub, knobs: Knobs) -> tuple[Route, ...]:
    """Every route of the API, in the order of the documents."""
    routes = (
        *health.ROUTES,
        *pools.routes(ack_limit_s=knobs.ack_limit_s),
        *allocate.routes(metrics),
        *allocations.ROUTES,
        *nodes.ROUTES,
        *voters.ROUTES,
        *bootstrap.routes(per_s=knobs.registrations_per_s, burst=knobs.registrations_burst),
        *devices.ROUTES,
        *explain.ROUTES,
        *watch.routes(hub, metrics),
    )
    return (*routes, *openapi.routes(routes))


class App:
    """Routes requests to handlers and counts them."""

    def __init__(
        self, api: Api, metrics: Metrics, hub: WatchHub, knobs: Knobs | None = None
    ) -> None:
        self.api = api
        self.metrics = metrics
        self.router = Router(all_routes(metrics, hub, knobs or Knobs()))
        self._stats: dict[Route, RouteStats] = {
            route: metrics.route(route.method, route.path) for route in self.router.routes
        }

    async def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one request; `STREAM` if the reply would be a stream and the port takes none."""
        started = perf_counter()
        route: Route | None = None
        try:
            route = self.router.match(request)
            if route.streams and not request.takes_streams:
                return STREAM
            reply = await route.handler(request, self.api)
        except NexusError as refusal:
            reply = error_reply(refusal, request.cause_id)
        except Exception as defect:
            self.log_defect(request.method, request.path, defect, request.cause_id)
            error = NexusError("internal_error", "internal error; see the log", definite=False)
            reply = error_reply(error, request.cause_id)
        stats = None if route is None else self._stats.get(route)
        if stats is None:
            method = request.method if request.method in _METHODS else OTHER_METHOD
            stats = self.metrics.route(method, UNMATCHED)
        stats.observe(reply.status, perf_counter() - started)
        return reply

    def log_defect(
        self, method: str, path: str, defect: BaseException | None, cause_id: str = ""
    ) -> None:
        """One log entry with the trace; what was asked is shown escaped."""
        _log.error("%s %r failed, cause_id %s", method, path, cause_id, exc_info=defect)
