"""The metrics port: ``GET /metrics`` for Prometheus, on the event loop's thread.

Counters are plain integers without locks, so they are read where they are written.
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

PATH = "/metrics"
IDLE_TIMEOUT_S = 120.0


class MetricsServer:
    """Serves one registry; scrapers are few, so aiohttp's own responses will do."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._manager: web.Server | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> list[int]:
        """Listen; the ports bound.  OSError if that fails."""
        self._manager = web.Server(self._serve, access_log=None, keepalive_timeout=IDLE_TIMEOUT_S)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._manager, host, port)
        return [socket.getsockname()[1] for socket in self._listener.sockets]

    async def close(self, grace_s: float = 1.0) -> None:
        """Stop accepting and close every connection."""
        if self._listener is not None:
            self._listener.close()
        if self._manager is not None:
            self._manager.pre_shutdown()
            await self._manager.shutdown(grace_s)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path != PATH:
            return web.Response(status=404, text=f"try {PATH}\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        page = generate_latest(self._registry)
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
