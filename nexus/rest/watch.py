"""``GET /watch``: changes as server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from nexus.errors import NexusError, validation
from nexus.rest.http import Api, HttpReply, HttpRequest, QueryParam, Route
from nexus.rest.watch_hub import WatchHub
from nexus.telemetry.metrics import Metrics

HEARTBEAT_S = 15.0
WATCHERS_MAX = 1_024
FRAMES_PER_WRITE_MAX = 256
PREFIXES = ("pools", "allocations", "nodes", "devices", "shards")
_ID_DIGITS_MAX = 20

STREAM_TYPE = "text/event-stream"
_STREAM_HEADERS = (("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no"))


class WatchEndpoint:
    """Opens streams on one hub and counts them."""

    def __init__(self, hub: WatchHub, metrics: Metrics, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._hub = hub
        self._metrics = metrics
        self._heartbeat_s = heartbeat_s

    async def handle(self, request: HttpRequest, _api: Api) -> HttpReply:
        """Replay after ``Last-Event-ID``, then live."""
        prefixes = _prefixes(request.query.get("prefix", ""))
        position = _last_event_id(request)
        if self._metrics.watchers >= WATCHERS_MAX:
            text = f"{WATCHERS_MAX} watchers are open"
            raise NexusError("rate_limited", text, retry_after_s=int(HEARTBEAT_S))
        stream = self._stream(position, prefixes)
        return HttpReply(200, b"", STREAM_TYPE, _STREAM_HEADERS, stream)

    async def _stream(
        self, position: int | None, prefixes: frozenset[str]
    ) -> AsyncGenerator[bytes, None]:
        hub = self._hub
        if position is None:
            position = hub.last_id
        connected = False
        self._metrics.watchers += 1
        try:
            while not hub.closed:
                if hub.is_gap(position):
                    position = hub.first_id - 1
                    yield hub.gap_frame()
                elif position < hub.last_id:
                    position, frames = hub.frames(position, prefixes, FRAMES_PER_WRITE_MAX)
                    if frames:
                        yield frames
                elif not connected:
                    connected = True
                    yield b": connected\n\n"
                elif not await hub.wait(self._heartbeat_s):
                    yield b": heartbeat\n\n"
        finally:
            self._metrics.watchers -= 1


def _prefixes(text: str) -> frozenset[str]:
    """The prefixes asked for, in the plural; empty for all."""
    asked = [word if word.endswith("s") else f"{word}s" for word in text.split(",") if word]
    for word in asked:
        if word not in PREFIXES:
            raise validation("prefix", f"'{word[:64]}' is none of {', '.join(PREFIXES)}")
    return frozenset(asked)


def _last_event_id(request: HttpRequest) -> int | None:
    """Where the watcher was; None starts with what comes.  What is no number is ignored."""
    text = request.headers.get("Last-Event-ID") or request.query.get("last_event_id") or ""
    if text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS_MAX:
        return int(text)
    return None


def routes(hub: WatchHub, metrics: Metrics) -> tuple[Route, ...]:
    """The route of a hub."""
    return (
        Route(
            method="GET",
            path="/api/v1/watch",
            handler=WatchEndpoint(hub, metrics).handle,
            summary="Changes as server-sent events, resumable by Last-Event-ID",
            replies={200: None},
            reply_type=STREAM_TYPE,
            streams=True,
            errors=("rate_limited",),
            query=(
                QueryParam("prefix", f"Some of {', '.join(PREFIXES)}; separated by commas."),
                QueryParam("last_event_id", "As the header `Last-Event-ID`."),
            ),
        ),
    )
