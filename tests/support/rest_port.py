"""A `RestServer` on a free port over a fake node, and raw connections to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from nexus.rest.limits import Limits
from nexus.rest.server import RestServer
from tests.support.fake_api import Edge, allocation

ALLOCATIONS = "/api/v1/allocations"
BODY = b'{"pool_id":"wifi","subscriber_id":"aa:bb"}'
LIMIT_S = 5.0


def post(body: bytes = BODY, *headers: str, path: str = ALLOCATIONS) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def get(path: str, *headers: str, version: str = "1.1") -> bytes:
    return ("\r\n".join([f"GET {path} HTTP/{version}", "Host: x", *headers]) + "\r\n\r\n").encode()


class Wire:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, sent: bytes) -> None:
        self.writer.write(sent)

    async def head(self) -> tuple[int, dict[str, str]]:
        text = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), LIMIT_S)
        first, *lines = text.decode("latin-1").strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return int(first.split()[1]), headers

    async def reply(self) -> tuple[int, dict[str, str], bytes]:
        status, headers = await self.head()
        body = b""
        if status != 204:
            length = int(headers["content-length"])
            body = await asyncio.wait_for(self.reader.readexactly(length), LIMIT_S)
        return status, headers, body

    async def ended(self) -> bytes:
        """All until the server closes."""
        try:
            return await asyncio.wait_for(self.reader.read(), LIMIT_S)
        except ConnectionError:
            return b""


class Port:
    """A server on a free port, and its edge."""

    def __init__(self, limits: Limits | None = None, *, plain_first: bool = True) -> None:
        self.edge = Edge()
        self.edge.api.answer = allocation()
        self.server = RestServer(self.edge.app, self.edge.metrics, limits, plain_first=plain_first)
        self.port = 0
        self.wires: list[Wire] = []

    async def open(self) -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port))
        self.wires.append(wire)
        return wire

    async def exchange(self, sent: bytes) -> tuple[int, dict[str, str], bytes]:
        wire = await self.open()
        wire.send(sent)
        return await wire.reply()

    async def hang_up(self) -> None:
        """Close our ends, so that no socket outlives its loop."""
        for wire in self.wires:
            wire.writer.close()
        for wire in self.wires:
            with suppress(ConnectionError):
                await wire.writer.wait_closed()

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait for a state of the server."""
        async with asyncio.timeout(LIMIT_S):
            while not what():  # noqa: ASYNC110 - a state of the server, no event of ours
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(limits: Limits | None = None, *, plain_first: bool = True) -> AsyncIterator[Port]:
    """A server that has begun, until the end of the block."""
    port = Port(limits, plain_first=plain_first)
    (port.port,) = await port.server.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await port.hang_up()
        await port.server.close(grace_s=1)
