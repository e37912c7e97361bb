"""The yardstick: an aiohttp server with uvloop and msgspec that decodes, answers, and does nothing.

python -m tests.bench.bare_server PORT
"""

from __future__ import annotations

import asyncio
import sys

import msgspec
import uvloop
from aiohttp import web


class Asked(msgspec.Struct):
    """The request of an allocation."""

    pool_id: str
    subscriber_id: str
    ttl: int = 0


class Answered(msgspec.Struct):
    """A reply of about 120 bytes."""

    pool_id: str
    subscriber_id: str
    ip: str
    timestamp: str
    ttl: int


_decode = msgspec.json.Decoder(Asked).decode
_encode = msgspec.json.Encoder().encode


async def allocate(request: web.Request) -> web.Response:
    """Decode, answer."""
    asked = _decode(await request.read())
    reply = Answered(
        asked.pool_id, asked.subscriber_id, "10.0.0.7", "2026-01-02T03:04:05.123456Z", asked.ttl
    )
    return web.Response(body=_encode(reply), status=201, content_type="application/json")


async def health(_: web.Request) -> web.Response:
    """It lives."""
    return web.Response(text="ok")


async def main(port: int) -> None:
    """Serve for ever."""
    app = web.Application()
    app.router.add_post("/api/v1/allocations", allocate)
    app.router.add_get("/health", health)
    app.router.add_get("/ready", health)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
