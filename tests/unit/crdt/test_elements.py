"""Allocation elements: what stands for a resource, and what a floor forgets."""

from __future__ import annotations

import pytest

from nexus.crdt.elements import (
    ENDED,
    HELD,
    VACANT,
    Element,
    ElementView,
    above_floor,
    join_elements,
)

SHARD = (0, 0)


def _element(epoch: int, seq: int, length: int = HELD, who: str = "a", until: int = 10) -> Element:
    return Element(0, 5, who, epoch, seq, length, until, until)


def _view(*elements: Element, floor: int = 0) -> ElementView:
    view = ElementView(lambda pool_no, index: index // 8)
    view.merge(elements, {SHARD: floor})
    return view


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        (_element(1, 9), _element(2, 1)),
        (_element(1, 1), _element(1, 2)),
        (_element(1, 1, HELD), _element(1, 1, ENDED)),
        (_element(1, 1, ENDED), _element(1, 2, HELD)),
    ],
)
def test_the_later_record_stands(lower: Element, upper: Element) -> None:
    assert join_elements(lower, upper) == join_elements(upper, lower) == upper


def test_the_block_only_lengthens_while_ends_may_shrink() -> None:
    view = _view(_element(1, 1, until=100), _element(1, 2, until=40))
    standing = view.get(0, 5)
    assert standing is not None
    assert (standing.ends, standing.blocked_until) == (40, 100)


def test_the_end_of_a_renewed_record_does_not_uncover_the_record_before_it() -> None:
    # Seq 1 was renewed as seq 2 and that one released; the end of seq 1 was never a message.
    view = _view(_element(1, 2, ENDED), _element(1, 1, HELD))
    assert view.holder(0, 5) is None


def test_late_copies_below_a_floor_are_ignored() -> None:
    view = _view(floor=3)
    assert view.merge([_element(3, 99)]) != ()  # its block is remembered
    assert view.holder(0, 5) is None
    assert view.merge([_element(4, 1, who="b")]) != ()
    assert view.holder(0, 5) == "b"


def test_a_floor_forgets_records_but_not_until_when_the_unit_is_blocked() -> None:
    view = _view(_element(2, 7, until=500))
    changed = view.merge(floors={SHARD: 2})
    assert changed == (Element(0, 5, "", 0, 0, VACANT, 0, 500),)
    assert view.fingerprint(0, 0) == 0
    assert view.floor(0, 0) == 2


def test_a_floor_never_falls() -> None:
    view = _view(floor=5)
    assert view.merge(floors={SHARD: 4}) == ()
    assert view.floor(0, 0) == 5


def test_a_floor_of_one_shard_leaves_the_others_alone() -> None:
    view = _view(_element(1, 1), Element(0, 8, "b", 1, 1, HELD, 9, 9), floor=1)
    assert view.holder(0, 5) is None
    assert view.holder(0, 8) == "b"


def test_an_element_without_a_block_leaves_nothing_behind() -> None:
    view = _view(_element(1, 1, until=0), floor=1)
    assert view.state() == ((), ((SHARD, 1),))
    assert above_floor(_element(1, 1, until=0), 1).length == VACANT


def test_a_delta_that_is_known_changes_nothing() -> None:
    view = _view(_element(1, 1))
    assert view.merge([_element(1, 1)]) == ()


def test_only_what_the_peer_lacks_is_sent() -> None:
    here = _view(_element(1, 2), Element(0, 6, "b", 1, 1, HELD, 9, 9))
    there = _view(_element(1, 1), Element(0, 6, "b", 1, 1, HELD, 9, 9))
    assert here.missing(0, 0, there.heads(0, 0)) == (_element(1, 2),)
    assert there.missing(0, 0, here.heads(0, 0)) == ()
