"""The two HTTP ports answer the same bytes with the same bytes, whatever comes and however cut.

A stream of requests, most of them good, some odd and some broken, goes in the same pieces to a
server whose connections begin at the plain port and to one where aiohttp has them all.  What
comes back is compared to the byte, but for the date and for ids that the server made.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import cast

import pytest
import uvloop

from nexus.errors import NexusError
from nexus.rest import server as server_module
from nexus.rest.limits import Limits
from tests.support.fake_api import allocation, page
from tests.support.rest_port import ALLOCATIONS, BODY, LIMIT_S, Port, get, post, running

STREAMS = 250
LIMITS = Limits(head_timeout_s=0.15, body_timeout_s=0.15, body_bytes_max=2_000, linger_s=0.05)


def chunked(body: bytes, *headers: str) -> bytes:
    lines = [f"POST {ALLOCATIONS} HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


GOOD = (
    post(),
    post(BODY, "Content-Type: application/json", "User-Agent: Go-http-client/1.1"),
    post(BODY, "X-Request-ID: the-caller's-own"),
    post(BODY.ljust(2_000)),
    get(f"{ALLOCATIONS}/aa:bb"),
    get(f"{ALLOCATIONS}/aa%3Abb?pool_id=wifi"),
    get(ALLOCATIONS),
    get("/health"),
    get("//health?x=%20"),
    b"DELETE /api/v1/allocations/aa:bb HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    post(b"", path=f"{ALLOCATIONS}/aa:bb/renew"),
)
ODD = (
    post(b"{"),
    post(b'{"pool_id":7}'),
    get("/nope"),
    get("/%ff"),
    get("http://h/health?x#y"),
    get("/health", "A: " + "b" * 7_000),
    get("/health", *["A: b"] * 40),
    get("/health", "Connection: keep-alive", version="1.0"),
    get("/health", "X-Request-ID: " + "x" * 129),
    get("/health", "X-Request-ID:"),
    get("/health", "X-Request-ID: ü"),
    b"PATCH /api/v1/pools HTTP/1.1\r\nHost: x\r\n\r\n",
    b"PROPFIND /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /api/v1/watch?prefix=nonsense HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /api/v1/watch HTTP/1.1\r\nHost: x\r\n\r\n",
    chunked(BODY),
    chunked(BODY, "X-Request-ID: c"),
    chunked(b"{"),
)
LAST = (
    get("/health", "Connection: close"),
    get("/health", "connection: Keep-Alive, CLOSE"),
    get("/health", version="1.0"),
    post(BODY, "Connection: close"),
    get("/api/v1/nope", "Connection: close"),
    post(b"x" * 2_001),
)
"""The server closes after its answer."""
BROKEN = (
    b"GET /health HTTP/1.1\r\n\r\n",
    get("/health", "Host: y"),
    get("/health", "Content-Type: a", "Content-Type: b"),
    get("/ü"),
    b"GET\r\n\r\n",
    b"GET /health\r\n\r\n",
    b"GET  /health HTTP/1.1\r\n\r\n",
    b"GET /health HTTP/1.1\nHost: x\n\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\n\n",
    b"GET /health HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET /health HTTP/1.1\r\nA : b\r\n\r\n",
    b"GET /health HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
    b"GET /health HTTP/1.1\r\nA: b\0\r\n\r\n",
    b"GET /health HTTP/2.0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"POST /health HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    b"POST /health HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /health HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /health HTTP/1.1\r\nTransfer-Encoding: nonsense\r\n\r\n",
    chunked(BODY).replace(b"\r\n0\r\n", b"\r\nzz\r\n"),
    post()[:-3],
    get("/health")[:-6],
)


def stream(rng: Random) -> tuple[list[bytes], bytes]:
    """Good and odd requests in pieces, the last asking for the end; and what is broken, or nothing.

    What is broken comes by itself, when all before it is answered: aiohttp drops requests that
    came in one piece with something broken behind them, and we do not.  Likewise nothing follows
    a request that is the last by its own word.
    """
    sent = [rng.choice(GOOD if rng.random() < 0.7 else ODD) for _ in range(rng.randrange(1, 7))]
    broken = b""
    if rng.random() < 0.5:
        broken = rng.choice(BROKEN)
        if rng.random() < 0.6:
            one = rng.choice(GOOD + ODD)
            at = rng.randrange(one.index(b"\r\n\r\n"))
            broken = one[:at] + rng.choice((b"\0", b"\n", b" ", b"\xff")) + one[at:]
    else:
        sent.append(rng.choice(LAST))
    if rng.random() < 0.3:
        return sent, broken
    whole = b"".join(sent)
    cuts = sorted({0, len(whole), *(rng.randrange(len(whole)) for _ in range(rng.randrange(9)))})
    return [whole[begin:end] for begin, end in pairwise(cuts)], broken


def prepared(port: Port) -> None:
    """Answers that differ by what is asked."""

    def answer(request: object) -> object:
        kind = type(request).__name__
        if kind == "Release":
            return NexusError("allocation_not_found", "none")
        return page(allocation(), allocation()) if kind == "ListAllocations" else allocation()

    port.edge.api.answer = answer


class Listener(asyncio.Protocol):
    """Keeps what comes, however the connection ends."""

    def __init__(self) -> None:
        self.back = bytearray()
        self.ended = asyncio.Event()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def send(self, data: bytes) -> None:
        """Send, if anybody is there to take it."""
        if not self.ended.is_set():
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.back += data

    def connection_lost(self, _problem: BaseException | None) -> None:
        self.ended.set()


async def told(port: Port, pieces: Sequence[bytes], broken: bytes) -> bytes:
    """All that comes back until the end."""
    loop = asyncio.get_running_loop()
    transport, listener = await loop.create_connection(Listener, "127.0.0.1", port.port)
    for piece in pieces:
        listener.send(piece)
        await asyncio.sleep(0.001)
    if broken:
        await asyncio.sleep(0.02)
        listener.send(broken)
        await asyncio.sleep(0.02)
        if not listener.ended.is_set():
            # It may be whole after all, and then the connection would stay open.
            transport.write_eof()
    async with asyncio.timeout(LIMIT_S):
        await listener.ended.wait()
    transport.close()
    return bytes(listener.back)


def comparable(reply: bytes) -> bytes:
    reply = re.sub(rb"\r\nDate: [^\r]+", b"", reply)
    return re.sub(rb"[0-9a-f]{12}-[0-9a-f]+", b"ID", reply)


@pytest.mark.parametrize("seed", range(5))
def test_both_ports_say_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SWEEP_INTERVAL_S", 0.03)
    statuses: Counter[bytes] = Counter()

    async def main() -> None:
        async with (
            running(LIMITS, plain_first=True) as ours,
            running(LIMITS, plain_first=False) as theirs,
        ):
            for port in (ours, theirs):
                prepared(port)
                port.server._cause_count = 1 << 24  # so that all ids are of one length
            for number in range(STREAMS // 5):
                sent = stream(Random(f"{seed}-{number}"))
                found = [comparable(await told(port, *sent)) for port in (ours, theirs)]
                assert found[0] == found[1], (number, sent)
                statuses.update(re.findall(rb"HTTP/1.1 (\d+)", found[0]))
            assert ours.edge.api.asked == theirs.edge.api.asked
            counts = [
                {key: stats.by_status for key, stats in port.edge.metrics._routes.items()}
                for port in (ours, theirs)
            ]
            assert counts[0] == counts[1]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    assert {b"200", b"201", b"404", b"400"} <= statuses.keys(), "the streams say something"
