"""Long messages go in parts and come together again, in bounded space."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from nexus import codec
from nexus.core import parts
from nexus.core.messages import LifeSign, Message, MessagePart, RowsSpread
from nexus.core.parts import Assembly
from nexus.ownership.records import WireRow
from nexus.ownership.values import Session

ONE, TWO = Session(1, 5), Session(2, 3)


def rows(count: int) -> RowsSpread:
    made = tuple(
        WireRow(index, f"s{index}", 1, index, 1, 0, 60, 5, 5, 7, 0, None, None, 0)
        for index in range(count)
    )
    return RowsSpread((256, 0), "n1", 1, 0, 0, count, made)


def split(message: Message, session: Session, number: int) -> list[Any]:
    """What is sent of a message."""
    return list(parts.split(message, session, number))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES_MAX", 200)


def test_what_fits_is_sent_as_it_is():
    sign = LifeSign(1, ONE, 3)
    assert split(sign, ONE, 1) == [sign]


def test_parts_in_any_order_doubled_give_the_message_once():
    message = rows(60)
    pieces = list(split(message, ONE, 1))
    assert len(pieces) > 5
    rng = Random(4)
    for _ in range(20):
        doubled = pieces + rng.sample(pieces, 3)
        rng.shuffle(doubled)
        assembly = Assembly()
        come = [assembly.take("n2", codec.decode_message(codec.encode_message(p))) for p in doubled]
        assert [one for one in come if one is not None] == [message]


def test_a_newer_message_takes_the_place_of_one_that_lost_a_part():
    old, new = split(rows(30), ONE, 1), split(rows(31), ONE, 2)
    assembly = Assembly()
    assert [assembly.take("n2", part) for part in old[:-1]] == [None] * (len(old) - 1)
    assert [assembly.take("n2", part) for part in new][-1] == rows(31)
    # A part of the old one that comes late begins nothing that could be mistaken for it.
    assert assembly.take("n2", old[-1]) is None
    restarted = split(rows(32), TWO, 1)
    assert [assembly.take("n2", part) for part in restarted][-1] == rows(32)


def test_senders_do_not_mix():
    one, two = split(rows(30), ONE, 1), split(rows(40), ONE, 1)
    assembly = Assembly()
    for left, right in zip(one[:-1], two[:-1], strict=False):
        assert assembly.take("n2", left) is None
        assert assembly.take("n3", right) is None
    assert assembly.take("n2", one[-1]) == rows(30)


def test_what_waits_is_bounded(monkeypatch):
    monkeypatch.setattr(parts, "WAITING_BYTES_MAX", 1_000)
    assembly = Assembly()
    pieces = split(rows(200), ONE, 1)
    for sender in range(20):
        for part in pieces[:4]:
            assembly.take(f"n{sender}", part)
            assert assembly.waiting_bytes <= 1_000


def test_what_is_beyond_all_bounds_is_not_sent(monkeypatch):
    monkeypatch.setattr(parts, "PARTS_MAX", 3)
    assert split(rows(200), ONE, 1) == []


@pytest.mark.parametrize(
    "part",
    [
        MessagePart(ONE, 1, 3, 3, b"x"),
        MessagePart(ONE, 1, -1, 3, b"x"),
        MessagePart(ONE, 1, 0, parts.PARTS_MAX + 1, b"x"),
        MessagePart(ONE, 1, 0, 2, b"x" * 201),
        MessagePart(ONE, 1, 0, 1, b"no message"),
    ],
)
def test_a_part_that_is_none_is_dropped(part):
    assembly = Assembly()
    assert assembly.take("n2", part) is None
    assert assembly.waiting_bytes == 0


def test_a_part_within_a_part_is_no_message():
    inner = MessagePart(ONE, 1, 0, 1, b"x" * 10)
    outer = MessagePart(ONE, 2, 0, 1, codec.encode_message(inner))
    assert Assembly().take("n2", outer) is None
