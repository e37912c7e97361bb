"""Nodes, the ring, explain, health and readiness over a fake node."""

from __future__ import annotations

import json

import pytest

from nexus.core.operations.nodes import (
    DrainNode,
    FenceNode,
    GetHashring,
    GetNode,
    GetReadiness,
    Heartbeat,
    ListNodes,
    ResumeNode,
)
from nexus.core.operations.read_allocations import Explain, ListAllocations
from nexus.core.operations.voters import ChangeVoters, GetVoters
from nexus.model.views import ExplainView, HashringView, HistoryEntry, ReadyView, VotersView
from nexus.rest.app import Knobs
from tests.support.fake_api import NOON_US, Edge, allocation, node, page, refuse, shard

NODES = "/api/v1/nodes"


def test_nodes(edge: Edge) -> None:
    edge.api.answer = page(node())
    (shown,) = edge.json("GET", NODES)["nodes"]
    assert (shown["status"], shown["best_before"]) == ("active", "2026-01-01T12:00:00.000000Z")
    assert shown["metadata"] == {}
    edge.api.answer = node()
    edge.json("GET", f"{NODES}/n1")
    edge.json("POST", f"{NODES}/n1/heartbeat", b"whatever, it is not read")
    edge.json("POST", f"{NODES}/n1/drain")
    edge.json("DELETE", f"{NODES}/n1/drain")
    edge.json("POST", f"{NODES}/n1/fence")
    edge.json("POST", f"{NODES}/n1/fence", {"statement": "unplugged"})
    assert edge.api.asked == [
        *(ListNodes(), GetNode("n1"), Heartbeat("n1"), DrainNode("n1")),
        *(ResumeNode("n1"), FenceNode("n1"), FenceNode("n1", "unplugged")),
    ]
    for verb in ("heartbeat", "drain", "fence"):
        assert edge.refusal("POST", f"{NODES}/a%20b/{verb}")[0] == 400


def test_voters_are_shown_and_changed(edge: Edge) -> None:
    edge.api.answer = VotersView(3, ("a", "b", "c"))
    assert edge.json("GET", "/api/v1/voters") == {"number": 3, "voters": ["a", "b", "c"]}
    same = edge.json("PUT", "/api/v1/voters", {"voters": ["a", "b", "c"]})
    assert same["number"] == 3
    edge.api.answer = VotersView(3, ("a", "b", "c"), ("a", "d", "e"), silent=True, begun=True)
    begun = edge.json("PUT", "/api/v1/voters", {"voters": ["a", "d", "e"], "x": 1}, 202)
    assert (begun["next_voters"], begun["silent"]) == (["a", "d", "e"], True)
    assert "x" in begun["warnings"][0]
    assert edge.api.asked[0] == GetVoters()
    assert edge.api.asked[1:] == [ChangeVoters(("a", "b", "c")), ChangeVoters(("a", "d", "e"))]


@pytest.mark.parametrize(
    "body",
    [{}, {"voters": []}, {"voters": ["a b"]}, {"voters": "a"}, {"voters": ["a"] * 6}, [1], b"{"],
    ids=str,
)
def test_bad_voters_are_refused(edge: Edge, body: object) -> None:
    assert edge.refusal("PUT", "/api/v1/voters", body)[0] == 400


def test_allocations_of_a_node_name_it(edge: Edge) -> None:
    edge.api.answer = page(allocation())
    assert edge.json("GET", f"{NODES}/olt-9/allocations")["node_id"] == "olt-9"
    edge.api.answer = page()
    reply = edge.json("GET", f"{NODES}/olt-9/backup-allocations?limit=3")
    assert reply == {"allocations": [], "count": 0, "total": 0, "backup_node_id": "olt-9"}
    assert edge.api.asked == [
        ListAllocations(node_id="olt-9"),
        ListAllocations(backup_node_id="olt-9", limit=3),
    ]


def test_hashring(edge: Edge) -> None:
    edge.api.answer = HashringView((node(weight=2.0, shards=5),), 1.25, 7)
    reply = edge.json("GET", "/api/v1/hashring")
    assert reply == {
        "nodes": [{"id": "n1", "weight": 2.0, "shards": 5}],
        **{"load_bound": 1.25, "version": 7},
    }
    assert edge.api.asked == [GetHashring()]


def test_explain(edge: Edge) -> None:
    past = HistoryEntry("s1", NOON_US, NOON_US + 1, 2, "expired", "c9")
    now = HistoryEntry("s2", NOON_US + 2, None, 3, "allocated", "c10")
    edge.api.answer = ExplainView("six", "2001:db8::/56", "held", "s2", shard(), (now, past))
    for target in ("2001:db8::%2F56", "2001:db8::/56", "2001%3Adb8%3A%3A/56"):
        reply = edge.json("GET", f"/api/v1/explain/six/{target}")
    assert edge.api.asked == [Explain("six", "2001:db8::/56")] * 3
    assert "to" not in reply["history"][0]
    assert reply["history"][1] == {
        **{"subscriber_id": "s1", "epoch": 2, "reason": "expired", "cause_id": "c9"},
        **{"from": "2026-01-01T12:00:00.000000Z", "to": "2026-01-01T12:00:00.000001Z"},
    }
    assert edge.refusal("GET", "/api/v1/explain/six/" + "x" * 65)[0] == 400


def test_health(edge: Edge) -> None:
    reply = edge.request("GET", "/health")
    assert (reply.status, reply.body, reply.content_type[:10]) == (200, b"ok", "text/plain")
    assert edge.json("GET", "/api/v1/health") == {"status": "healthy"}
    edge.api.sick = "replaying the log"
    reply = edge.request("GET", "/health")
    assert (reply.status, reply.body) == (503, b"replaying the log")
    shown = edge.json("GET", "/api/v1/health", status=503)
    assert shown == {"status": "unhealthy", "reason": "replaying the log"}


def test_ready(edge: Edge) -> None:
    edge.api.answer = ReadyView(True, (), ("no authentication",))
    shown = edge.json("GET", "/ready")
    assert shown == {"ready": True, "reasons": [], "warnings": ["no authentication"]}
    edge.api.answer = ReadyView(False, ("no majority",))
    assert edge.json("GET", "/ready", status=503)["reasons"] == ["no majority"]
    edge.api.answer = refuse("starting")
    assert edge.json("GET", "/ready", status=503)["reasons"] == ["text of starting"]
    asked = len(edge.api.asked)
    edge.api.sick = "replaying the log"
    assert edge.json("GET", "/ready", status=503)["reasons"] == ["replaying the log"]
    assert len(edge.api.asked) == asked
    assert edge.api.asked[0] == GetReadiness()


def test_unknown_routes_and_methods_have_the_shape_of_errors(edge: Edge) -> None:
    assert edge.refusal("GET", "/nope") == (404, "route_not_found", "404 page not found")
    reply = edge.request("PATCH", "/api/v1/pools")
    assert json.loads(reply.body)["code"] == "method_not_allowed"
    assert reply.headers == (("Allow", "GET, HEAD, OPTIONS, POST"),)
    options = edge.request("OPTIONS", "/api/v1/pools")
    assert (options.status, options.body) == (204, b"")


def test_requests_are_counted_by_template_never_by_what_was_asked(edge: Edge) -> None:
    edge.api.answer = allocation()
    for subscriber in ("a", "b", "c"):
        edge.json("GET", f"/api/v1/allocations/{subscriber}")
    edge.refusal("GET", "/secret")
    edge.refusal("BREW", "/secret")
    found = edge.metrics.route("GET", "/api/v1/allocations/{subscriber_id}")
    assert found.by_status == {200: 3}
    assert edge.metrics.route("GET", "unmatched").by_status == {404: 1}
    assert edge.metrics.route("other", "unmatched").by_status == {404: 1}


def test_an_operator_sets_how_many_devices_may_register() -> None:
    edge = Edge(Knobs(registrations_per_s=1, registrations_burst=1))
    edge.api.answer = refuse("starting")
    body = {"serial": "SN-0001", "mac": "aa:bb:cc:dd:ee:ff"}
    assert edge.request("POST", "/api/v1/bootstrap", body).status == 503
    reply = edge.request("POST", "/api/v1/devices/register", body)
    assert (reply.status, reply.headers) == (429, (("Retry-After", "1"),))
