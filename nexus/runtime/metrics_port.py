"""The metrics listener: one page, on a port of its own, so that a firewall can tell them apart."""

from __future__ import annotations

import asyncio

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

PATHS = ("/metrics", "/")
CLOSE_GRACE_S = 1.0


class MetricsPort:
    """Serves a registry; scrapes run on the node's thread, so they see whole states."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._manager = web.Server(self._serve, access_log=None)
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; raises OSError."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._manager, host, port)

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._manager.shutdown(CLOSE_GRACE_S)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path not in PATHS:
            return web.Response(status=404, text="metrics are at /metrics\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
