"""Wall-clock stamps of answers that were passed on: each member tells its caller by its own."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.core.calls import Call
from nexus.core.messages import Forwarded
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.create_pool import CreatePool
from nexus.core.passing import _Passed
from nexus.core.wrapping import wrap
from nexus.model.time import US_PER_S
from nexus.model.views import AllocationView
from nexus.resources import pool_spec_from
from tests.support.cluster import Cluster

APART_US = 900_000
"""Under a second: told on as it stands, once."""


@pytest.mark.parametrize(
    ("in_the_middle", "moved_us"), [(False, 0), (True, -APART_US)], ids=["last", "middle"]
)
def test_differences_of_clocks_do_not_add_up_from_hop_to_hop(
    in_the_middle: bool, moved_us: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hops of 0.83 s each told a lease 1.68 s too long (simulator: swarm-small seed 45)."""
    cluster = Cluster()
    spec, _ = pool_spec_from({"id": "p", "cidr": "192.0.2.0/28"})
    cluster.call("n1", CreatePool(spec))
    view = cluster.call("n1", Allocate("p", "one", ttl_s=60))
    assert isinstance(view, AllocationView)
    node = cluster.node("n1")
    request = Allocate("p", "one", ttl_s=60)
    origin: Any = ("n2", 5, node.ctx.config.session) if in_the_middle else None
    call = Call(0, "cause", "actor", request, ("n2",), 0, origin)
    node.passing.forwards[1] = _Passed(call, 1 << 60, "n3", node.ctx.clocks.fast)
    answers: list[Any] = []
    monkeypatch.setattr(node, "answer", lambda _call, answer: answers.append(answer))
    owners_us = node.ctx.now.wall_us + APART_US
    node.passing.on_forwarded(Forwarded(1, node.ctx.config.session, wrap(view), owners_us))
    (told,) = answers
    assert told.ends_us - view.ends_us == moved_us
    assert told.not_after_us - view.not_after_us == moved_us
    assert abs(moved_us) < US_PER_S
