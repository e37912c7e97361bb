"""Allocation routes over a fake node."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.core.operations.allocate import Allocate, AllocateBatch
from nexus.core.operations.confirm_retired import ConfirmRetired
from nexus.core.operations.read_allocations import GetAllocation, ListAllocations, ListExpiring
from nexus.core.operations.release import Release
from nexus.core.operations.renew import Renew
from nexus.errors import NexusError
from nexus.model.views import BatchItem, BatchView, Done
from nexus.rest import schemas
from tests.support.fake_api import NOON_US, Edge, allocation, page, refuse

ALLOCATIONS = "/api/v1/allocations"
ASKED = {"pool_id": "wifi", "subscriber_id": "aa:bb"}


def test_create(edge: Edge) -> None:
    edge.api.answer = allocation(not_after_us=NOON_US + 1_500_000)
    reply = edge.json("POST", ALLOCATIONS, {**ASKED, "ttl": 7200, "alloc_type": "sticky"}, 201)
    assert edge.api.asked == [Allocate("wifi", "aa:bb", ttl_s=7200, alloc_type="sticky")]
    assert edge.api.actors == ["me"]
    assert reply == {
        **{"pool_id": "wifi", "subscriber_id": "aa:bb", "resource": "10.0.0.7"},
        **{"ip": "10.0.0.7", "epoch": 3, "alloc_type": "session", "ttl": 7200},
        "timestamp": "2026-01-01T12:00:00.000000Z",
        "expires_at": "2026-01-01T14:00:00.000000Z",
        "not_after": "2026-01-01T12:00:01.500000Z",
    }
    assert all(type(value) in (str, int) for value in reply.values())


def test_a_permanent_one_has_no_times_that_are_none(edge: Edge) -> None:
    """Go's zero time and null would break strict decoders: the keys are absent."""
    edge.api.answer = allocation(alloc_type="permanent", ttl_s=0, ends_us=None)
    reply = edge.json("POST", ALLOCATIONS, ASKED, 201)
    assert not {"ttl", "expires_at", "last_renewed", "not_after", "warnings"} & reply.keys()


def test_a_prefix_shows_its_length_as_a_plain_integer(edge: Edge) -> None:
    edge.api.answer = allocation(resource="2001:db8::/56", ip="2001:db8::", prefix=56)
    reply = edge.request("POST", ALLOCATIONS, b'{"pool_id":"six","subscriber_id":"s"}')
    assert b'"prefix":56,' in reply.body


def test_a_repeat_is_200_with_the_warnings_of_both_sides(edge: Edge) -> None:
    edge.api.answer = allocation(created=False, warnings=("ttl is unchanged",))
    reply = edge.json("POST", ALLOCATIONS, {**ASKED, "mac": "x"}, 200)
    assert reply["warnings"] == ["unknown key 'mac' ignored", "ttl is unchanged"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"ttl": None, "ip": None, "alloc_type": None, "node_id": None}, {}),
        ({"ttl": 0, "ip": "", "alloc_type": "", "node_id": "", "provisional": False}, {}),
        ({"ip": "10.0.0.9"}, {"resource": "10.0.0.9"}),
        ({"resource": "101"}, {"resource": "101"}),
        ({"resource": "10.0.0.9", "ip": "10.0.0.9"}, {"resource": "10.0.0.9"}),
        ({"node_id": "olt-1", "backup_node_id": "b"}, {"node_id": "olt-1", "backup_node_id": "b"}),
        ({"provisional": True}, {"provisional": True}),
        ({"ttl": 2**63 - 1}, {"ttl_s": 2**63 - 1}),
    ],
)
def test_what_the_core_is_asked(edge: Edge, more: dict[str, Any], expected: dict[str, Any]) -> None:
    edge.api.answer = allocation()
    edge.json("POST", ALLOCATIONS, {**ASKED, **more}, 201)
    assert edge.api.asked == [Allocate("wifi", "aa:bb", **expected)]


@pytest.mark.parametrize(
    "subscriber",
    [
        *("walter@isp", "union-square", "dropbox", "a--b", "circuit/1/2#3", "x~", "hex:0aff"),
        *("DEMO00000001", "1;DROP".replace(";", ","), "s" * 256),
    ],
)
def test_ids_are_data_not_words_to_fear(edge: Edge, subscriber: str) -> None:
    """G38."""
    edge.api.answer = allocation()
    edge.json("POST", ALLOCATIONS, {"pool_id": "wifi", "subscriber_id": subscriber}, 201)
    assert edge.api.asked[0].subscriber_id == subscriber


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"pool_id": "wifi"}, "subscriber_id"),
        ({"pool_id": "wifi", "mac": "aa:bb"}, "subscriber_id"),
        ({"subscriber_id": "s"}, "pool_id"),
        ({"pool_id": None, "subscriber_id": "s"}, "pool_id"),
        ({"pool_id": "", "subscriber_id": "s"}, "pool_id"),
        ({"pool_id": "wifi", "subscriber_id": "expiring"}, "subscriber_id"),
        ({"pool_id": "wifi", "subscriber_id": "batch"}, "subscriber_id"),
        ({"pool_id": "wifi", "subscriber_id": "a-"}, "subscriber_id"),
        ({"pool_id": "wifi", "subscriber_id": "hex:0"}, "subscriber_id"),
        ({"pool_id": "wifi", "subscriber_id": "s" * 257}, "subscriber_id"),
        ({"pool_id": "wi fi", "subscriber_id": "s"}, "pool_id"),
        ({**ASKED, "ttl": -1}, "ttl"),
        ({**ASKED, "ttl": 24.0}, "ttl"),
        ({**ASKED, "ttl": "24"}, "ttl"),
        ({**ASKED, "ttl": 2**63}, "ttl"),
        ({**ASKED, "ttl": 10**400}, "ttl"),
        ({**ASKED, "ttl": True}, "ttl"),
        ({**ASKED, "ttl": 5, "alloc_type": "permanent"}, "ttl"),
        ({**ASKED, "alloc_type": "eternal"}, "alloc_type"),
        ({**ASKED, "ip": 7}, "ip"),
        ({**ASKED, "ip": "10.0.0.1", "resource": "10.0.0.2"}, "resource"),
        ({**ASKED, "node_id": "a b"}, "node_id"),
        ({**ASKED, "backup_node_id": "a b"}, "backup_node_id"),
        ({**ASKED, "provisional": 1}, "provisional"),
    ],
)
def test_refused_requests(edge: Edge, body: dict[str, Any], field: str) -> None:
    status, code, text = edge.refusal("POST", ALLOCATIONS, body)
    assert (status, code) == (400, "validation_failed")
    assert text.startswith(f"validation error for field '{field}': ")


def test_a_conflict_shows_the_record(edge: Edge) -> None:
    """G49: a client that asked twice learns what it has."""
    edge.api.answer = refuse("allocation_exists", allocation=allocation())
    reply = edge.json("POST", ALLOCATIONS, ASKED, 409)
    assert reply["allocation"]["ip"] == "10.0.0.7"
    assert reply["allocation"]["timestamp"] == "2026-01-01T12:00:00.000000Z"


def test_get_delete_and_renew(edge: Edge) -> None:
    edge.api.answer = allocation()
    for target in ("aa:bb", "aa%3Abb", "aa%3abb?pool_id=", "//aa:bb"):
        assert edge.json("GET", f"{ALLOCATIONS}/{target}")["ip"] == "10.0.0.7"
    edge.json("GET", f"{ALLOCATIONS}/a%2Fb?pool_id=wifi")
    one, of_pool = GetAllocation("aa:bb"), GetAllocation("a/b", "wifi")
    assert edge.api.asked == [one, one, one, one, of_pool]
    edge.api.asked.clear()
    for body in (b"", b" ", b"{}", {"ttl": 0}, {"ttl": None}, {"ttl": 60}):
        edge.json("POST", f"{ALLOCATIONS}/aa:bb/renew", body)
    edge.json("POST", f"{ALLOCATIONS}/aa:bb/renew?pool_id=wifi")
    kept = Renew("aa:bb")
    assert edge.api.asked == [*[kept] * 5, Renew("aa:bb", ttl_s=60), Renew("aa:bb", "wifi")]
    wrong: list[Any] = [{"ttl": -1}, {"ttl": "60"}, b"x"]
    for bad in wrong:
        assert edge.refusal("POST", f"{ALLOCATIONS}/aa:bb/renew", bad)[0] == 400
    edge.api.answer = Done()
    reply = edge.request("DELETE", f"{ALLOCATIONS}/aa:bb?pool_id=wifi")
    assert (reply.status, reply.body) == (204, b"")
    assert edge.api.asked[-1] == Release("aa:bb", "wifi")


def test_an_illegal_id_is_400_before_any_look_up(edge: Edge) -> None:
    for target in ("a%00b", "-a", "a-", "%20", "a?pool_id=a%2Fb", "a;b"):
        for method in ("GET", "DELETE"):
            assert edge.refusal(method, f"{ALLOCATIONS}/{target}")[:2] == (400, "validation_failed")


def test_lists(edge: Edge) -> None:
    edge.api.answer = page(allocation(), allocation(), total=9, next_cursor="c")
    reply = edge.json("GET", ALLOCATIONS)
    assert (len(reply["allocations"]), reply["count"], reply["total"]) == (2, 2, 9)
    query = "pool_id=p&subscriber_id=aa%3Abb&node_id=n&resource=2001:db8::/56&limit=2&cursor=c"
    edge.json("GET", f"{ALLOCATIONS}?{query}")
    assert edge.api.asked == [
        ListAllocations(),
        ListAllocations("p", "aa:bb", "n", None, "2001:db8::/56", 2, "c"),
    ]
    for bad in ("pool_id=a%2Fb", "subscriber_id=-", "node_id=a%20b"):
        assert edge.refusal("GET", f"{ALLOCATIONS}?{bad}")[0] == 400


def test_expiring(edge: Edge) -> None:
    edge.api.answer = page()
    reply = edge.json("GET", f"{ALLOCATIONS}/expiring?within=60&pool_id=wifi&limit=5")
    assert reply["allocations"] == []
    assert reply["expiring_before"].endswith("Z")
    edge.json("GET", f"{ALLOCATIONS}/expiring?within=0")
    edge.json("GET", f"{ALLOCATIONS}/expiring")
    assert edge.api.asked == [ListExpiring(60, "wifi", 5), ListExpiring(0), ListExpiring(3600)]
    for bad in ("x", "-1", "1.5", "1h", "9" * 30):
        _status, code, text = edge.refusal("GET", f"{ALLOCATIONS}/expiring?within={bad}")
        assert code == "validation_failed"
        assert text.startswith("invalid 'within' parameter: must be seconds")
    assert edge.refusal("DELETE", f"{ALLOCATIONS}/expiring")[0] == 405


def test_batch(edge: Edge) -> None:
    """Each item succeeds or fails by itself, in the order asked, in one request to the core."""

    def answer(asked: AllocateBatch) -> BatchView:
        return BatchView(
            tuple(
                BatchItem(None, item)
                if isinstance(item, Exception)
                else BatchItem(allocation(subscriber_id=item.subscriber_id), None)
                if item.pool_id == "wifi"
                else BatchItem(None, refuse("pool_not_found"))
                for item in asked.items
            )
        )

    edge.api.answer = answer
    items: list[Any] = [
        {"pool_id": "wifi", "subscriber_id": "s0"},
        {"pool_id": "wifi", "subscriber_id": "s1", "ttl": -5},
        {"pool_id": "nope", "subscriber_id": "s2"},
        7,
        {"pool_id": "wifi", "subscriber_id": "s4", "mode": 1},
        {"pool_id": "wifi", "subscriber_id": "expiring"},
    ]
    reply = edge.json("POST", f"{ALLOCATIONS}/batch", {"allocations": items, "extra": 1})
    assert len(edge.api.asked) == 1
    assert [result["status"] for result in reply["results"]] == [201, 400, 404, 400, 201, 400]
    assert (reply["count"], reply["failed"]) == (6, 4)
    assert reply["warnings"] == ["unknown key 'extra' ignored"]
    assert reply["results"][0]["allocation"]["subscriber_id"] == "s0"
    assert reply["results"][4]["allocation"]["warnings"] == ["unknown key 'mode' ignored"]
    error = reply["results"][1]["error"]
    assert error["error"].startswith("validation error for field 'ttl'")
    assert (error["cause_id"], error["definite"]) == ("c1", True)
    assert "error" not in reply["results"][0]


def test_batch_limits(edge: Edge) -> None:
    edge.api.answer = lambda asked: BatchView(
        tuple(BatchItem(allocation(), None) for _ in asked.items)
    )
    item = {"pool_id": "wifi", "subscriber_id": "s"}
    full = {"allocations": [item] * schemas.BATCH_MAX}
    assert edge.json("POST", f"{ALLOCATIONS}/batch", full)["count"] == schemas.BATCH_MAX
    over = {"allocations": [item] * (schemas.BATCH_MAX + 1)}
    assert edge.refusal("POST", f"{ALLOCATIONS}/batch", over)[1] == "validation_failed"
    asked = len(edge.api.asked)
    assert edge.json("POST", f"{ALLOCATIONS}/batch", {"allocations": []})["results"] == []
    assert len(edge.api.asked) == asked, "nothing to ask the core"
    wrong: list[Any] = [{}, [], {"allocations": None}, {"allocations": {}}, {"allocations": "x"}]
    for bad in wrong:
        assert edge.refusal("POST", f"{ALLOCATIONS}/batch", bad)[1] == "validation_failed"
    assert edge.refusal("POST", f"{ALLOCATIONS}/batch", b"{")[1] == "malformed_json"
    assert edge.refusal("GET", f"{ALLOCATIONS}/batch")[0] == 405


def test_results_are_counted_by_pool(edge: Edge) -> None:
    edge.api.answer = allocation()
    edge.json("POST", ALLOCATIONS, ASKED, 201)
    edge.api.answer = allocation(created=False)
    edge.json("POST", ALLOCATIONS, ASKED, 200)
    edge.api.answer = refuse("pool_exhausted", retry_after_s=3)
    assert edge.request("POST", ALLOCATIONS, ASKED).headers == (("Retry-After", "3"),)
    edge.api.answer = refuse("pool_not_found")
    for i in range(50):
        edge.json("POST", ALLOCATIONS, {"pool_id": f"guess{i}", "subscriber_id": "s"}, 404)
    assert edge.metrics.pool("wifi").by_result == {
        **{"created": 1, "existing": 1},
        "pool_exhausted": 1,
    }
    assert edge.metrics.pool("unknown").by_result == {"pool_not_found": 50}
    assert sum(edge.metrics.pool("wifi").seconds.counts) == 3


def test_an_indefinite_error_says_so(edge: Edge) -> None:
    edge.api.answer = NexusError("quorum_unavailable", "no majority", definite=False)
    reply = edge.json("POST", ALLOCATIONS, ASKED, 503)
    assert (reply["definite"], reply["code"]) == (False, "quorum_unavailable")


def test_retired_ones_are_listed_and_confirmed(edge: Edge) -> None:
    edge.api.answer = page(allocation(warnings=("retired: it has an older one",)))
    (shown,) = edge.json("GET", f"{ALLOCATIONS}?retired=true")["allocations"]
    assert shown["warnings"] == ["retired: it has an older one"]
    edge.api.answer = Done()
    body = {"pool_id": "wifi", "resource": "10.0.0.7"}
    assert edge.request("POST", f"{ALLOCATIONS}/aa:bb/confirm-retired", body).status == 204
    assert edge.api.asked == [
        ListAllocations(retired=True),
        ConfirmRetired("wifi", "aa:bb", "10.0.0.7"),
    ]
    for bad in ({}, {"pool_id": "wifi"}, {**body, "pool_id": "a b"}, {**body, "resource": 7}):
        assert edge.refusal("POST", f"{ALLOCATIONS}/aa:bb/confirm-retired", bad)[0] == 400
    assert edge.refusal("GET", f"{ALLOCATIONS}?retired=perhaps")[0] == 400
