"""A small `Api` for tests of the REST edge: it records what it is asked and answers as told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from nexus.errors import NexusError
from nexus.model.pool import PoolSpec
from nexus.model.views import AllocationView, NodeView, Page, PoolView, ShardView
from nexus.rest.app import App, Knobs
from nexus.rest.http import HttpReply, HttpRequest
from nexus.rest.watch_hub import WatchHub
from nexus.telemetry.metrics import Metrics

NOON_US = 1_767_268_800_000_000
"""2026-01-01T12:00:00Z."""


class FakeApi:
    """Answers every request with ``answer``: a view, an exception, or a function of the request."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.actors: list[str] = []
        self.answer: Any = None
        self.sick: str | None = None

    async def call(self, request: Any, cause_id: str, actor: str) -> Any:
        """Record and answer."""
        self.asked.append(request)
        self.actors.append(actor)
        answer: Any = self.answer
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def unhealthy(self) -> str | None:
        """As told."""
        return self.sick


class Edge:
    """The whole app over a fake node, called without sockets."""

    def __init__(self, knobs: Knobs | None = None) -> None:
        self.api = FakeApi()
        self.metrics = Metrics()
        self.hub = WatchHub(session=1)
        self.app = App(self.api, self.metrics, self.hub, knobs)

    def request(
        self,
        method: str,
        target: str,
        body: Any = b"",
        headers: Mapping[str, str] | None = None,
    ) -> HttpReply:
        """One request; a body that is not bytes goes as JSON."""
        path, _, query = target.partition("?")
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        asked = HttpRequest(method, path, query, headers or {}, sent, cause_id="c1", actor="me")
        return asyncio.run(self.app.handle(asked))

    def json(self, method: str, target: str, body: Any = b"", status: int = 200) -> Any:
        """The JSON of a reply that has to have this status."""
        reply = self.request(method, target, body)
        assert reply.status == status, reply.body
        return json.loads(reply.body)

    def refusal(self, method: str, target: str, body: Any = b"") -> tuple[int, str, str]:
        """Status, code and text of an error in the API's shape; the core was not asked."""
        before = len(self.api.asked)
        reply = self.request(method, target, body)
        assert len(self.api.asked) == before, "the core was asked"
        error = json.loads(reply.body)
        assert error["definite"] is True
        assert error["cause_id"] == "c1"
        return reply.status, error["code"], error["error"]


def allocation(**changes: Any) -> AllocationView:
    """An IPv4 allocation of a day that is easy to read."""
    fields: dict[str, Any] = {
        "pool_id": "wifi",
        "subscriber_id": "aa:bb",
        "resource": "10.0.0.7",
        "resource_type": "ipv4",
        "alloc_type": "session",
        "epoch": 3,
        "created_us": NOON_US,
        "ip": "10.0.0.7",
        "ttl_s": 7200,
        "ends_us": NOON_US + 7200 * 1_000_000,
        "created": True,
    }
    return AllocationView(**{**fields, **changes})


def pool(**changes: Any) -> PoolView:
    """A /24."""
    spec = PoolSpec(id="wifi", type="ipv4", cidr="10.0.0.0/24", prefix=32)
    fields: dict[str, Any] = {
        "spec": spec,
        "generation": 1,
        "shard_count": 1,
        "size": 256,
        "gateway": "10.0.0.1",
        "created_us": NOON_US,
        "created": True,
    }
    return PoolView(**{**fields, **changes})


def shard(**changes: Any) -> ShardView:
    """The one shard of that pool."""
    fields: dict[str, Any] = {
        "pool_id": "wifi",
        "index": 0,
        "range": "10.0.0.0-10.0.0.255",
        "owner": "n1",
        "epoch": 3,
        "state": "serving",
        "free": 250,
        "held": 2,
        "cooling": 1,
        "locked": 0,
        "reserved": 3,
        "hold_remaining_ns": 1_234_567_890,
    }
    return ShardView(**{**fields, **changes})


def node(**changes: Any) -> NodeView:
    """A member."""
    fields: dict[str, Any] = {
        "id": "n1",
        "role": "core",
        "status": "active",
        "best_before_us": NOON_US,
    }
    return NodeView(**{**fields, **changes})


def page(*items: Any, total: int | None = None, next_cursor: str | None = None) -> Page[Any]:
    """A page of views."""
    return Page(items, len(items) if total is None else total, next_cursor)


def refuse(code: str, **detail: Any) -> NexusError:
    """A refusal of the core."""
    return NexusError(code, f"text of {code}", **detail)
