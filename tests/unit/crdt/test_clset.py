"""Causal-length set: presence, values, deltas, and what anti-entropy sends."""

from __future__ import annotations

import msgspec
import pytest

from nexus.crdt.clset import CLSet, Entry, newer
from nexus.crdt.digest import reconcile


class Thing(msgspec.Struct, frozen=True):
    # Fields in unsorted order: the canonical encoding has to sort them.
    zone: str
    age: int


def test_presence_goes_up_and_down_with_the_causal_length() -> None:
    things: CLSet[str] = CLSet()
    assert things.put("a", "x", 1) == Entry(1, 1, "x")
    assert "a" in things and things.get("a") == "x" and len(things) == 1
    assert things.remove("a", 2) == Entry(2, 2, None)
    assert "a" not in things and things.get("a") is None and len(things) == 0
    assert things.put("a", "y", 3) == Entry(3, 3, "y")
    assert list(things.items()) == [("a", "y")]


def test_changes_that_change_nothing_give_no_delta() -> None:
    things: CLSet[str] = CLSet()
    assert things.remove("a", 1) is None
    things.put("a", "x", 5)
    before = things.fingerprint
    assert things.put("a", "old", 4) is None
    assert things.put("a", "x", 5) is None
    assert things.merge({"a": Entry(1, 5, "x")}) == {}
    things.remove("a", 6)
    assert things.remove("a", 7) is None
    assert things.entry("a") == Entry(2, 6, None)
    assert things.fingerprint != before


def test_a_clock_that_runs_ahead_cannot_bring_back_what_was_removed() -> None:
    things: CLSet[str] = CLSet()
    things.put("a", "x", 10)
    things.remove("a", 11)
    assert things.merge({"a": Entry(1, 2**60, "late copy")}) == {}
    assert "a" not in things


def test_a_removal_beats_a_change_made_at_the_same_time() -> None:
    here: CLSet[str] = CLSet()
    here.put("a", "x", 1)
    there: CLSet[str] = CLSet()
    there.merge(here.state())
    removed, changed = here.remove("a", 2), there.put("a", "y", 9)
    assert removed is not None and changed is not None
    here.merge({"a": changed})
    there.merge({"a": removed})
    assert here.state_bytes() == there.state_bytes()
    assert "a" not in here


def test_equal_stamps_are_decided_by_the_value_alike_everywhere() -> None:
    low, high = Entry(1, 1, "aa"), Entry(1, 1, "ab")
    assert newer(high, low) and not newer(low, high) and not newer(low, low)


def test_a_value_and_its_decoded_copy_are_the_same_bytes() -> None:
    typed: CLSet[Thing] = CLSet()
    typed.put("a", Thing("z", 3), 1)
    copy = msgspec.msgpack.decode(typed.state_bytes(), type=dict[str, Entry[dict[str, object]]])
    plain: CLSet[dict[str, object]] = CLSet()
    plain.merge(copy)
    assert plain.state_bytes() == typed.state_bytes()
    assert plain.fingerprint == typed.fingerprint
    assert (
        typed.merge(msgspec.msgpack.decode(plain.state_bytes(), type=dict[str, Entry[Thing]])) == {}
    )


def test_the_order_of_fields_and_keys_does_not_matter() -> None:
    one: CLSet[dict[str, int]] = CLSet()
    two: CLSet[dict[str, int]] = CLSet()
    one.put("a", {"x": 1, "y": 2}, 1)
    two.put("a", {"y": 2, "x": 1}, 1)
    assert one.state_bytes() == two.state_bytes()
    assert one.fingerprint == two.fingerprint


@pytest.mark.parametrize("length", [0, -1, 2**63])
def test_an_impossible_causal_length_does_not_decode(length: int) -> None:
    encoded = msgspec.msgpack.encode([length, 1, "x"])
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(encoded, type=Entry[str])


def test_keys_come_sorted_whatever_order_they_came_in() -> None:
    things: CLSet[int] = CLSet()
    for key in ("b", "c", "a"):
        things.put(key, 1, 1)
    things.remove("c", 2)
    assert list(things.keys()) == ["a", "b"]
    assert list(things.state()) == ["a", "b", "c"]


def test_anti_entropy_sends_one_entry_of_ten_thousand() -> None:
    here: CLSet[int] = CLSet()
    for number in range(10_000):
        here.put(f"device-{number}", number, 1)
    there: CLSet[int] = CLSet()
    there.merge(here.state())
    here.put("device-77", 0, 2)
    leaves = reconcile(here.tree, there.tree)
    assert len(leaves) == 1
    answer = there.compare(leaves, here.heads(leaves))
    assert answer.delta == {}
    assert answer.wanted == ("device-77",)
    assert there.merge(here.select(answer.wanted)) == {"device-77": Entry(1, 2, 0)}
    assert there.fingerprint == here.fingerprint


def test_undecided_heads_make_both_sides_send_their_value() -> None:
    here: CLSet[str] = CLSet(depth=0)
    there: CLSet[str] = CLSet(depth=0)
    here.put("a", "x", 1)
    there.put("a", "y", 1)
    answer = there.compare((0,), here.heads((0,)))
    assert answer.delta == {"a": Entry(1, 1, "y")}
    assert answer.wanted == ("a",)


def test_selecting_an_unknown_key_finds_nothing() -> None:
    assert CLSet[int]().select(["nowhere"]) == {}
