"""Each kind: what it takes from text and from YAML, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.config.kinds import (
    Address,
    Choice,
    Count,
    Duration,
    Flag,
    Kind,
    Ratio,
    Text,
    Words,
    parse_duration,
    show_duration,
)
from nexus.model.time import NS_PER_MS, NS_PER_S

DURATION = Duration(NS_PER_S, 3600 * NS_PER_S, optional=True)

ACCEPTED: list[tuple[Kind, object, object]] = [
    (Text(), "a b", "a b"),
    (Text(), 7, "7"),
    (Flag(), True, True),
    (Flag(), "true", True),
    (Flag(), "Off", False),
    (Flag(), 1, True),
    (Choice(("a", "b")), "b", "b"),
    (Count(0, 10), "10", 10),
    (Count(0, 10), 0, 0),
    (Ratio(0, 1), "1%", 0.01),
    (Ratio(0, 1), 1, 1.0),
    (DURATION, "1h", 3600 * NS_PER_S),
    (DURATION, 1.5, 1500 * NS_PER_MS),
    (DURATION, "1m30s", 90 * NS_PER_S),
    (DURATION, "none", None),
    (DURATION, None, None),
    (Words(), "a,b", ("a", "b")),
    (Words(), ["a", "b, c"], ("a", "b", "c")),
    (Words(), "", ()),
    (Address(), "[::1]", "::1"),
    (Address(), "localhost", "localhost"),
]

REFUSED: list[tuple[Kind, object]] = [
    (Text(), "a\nb"),
    (Text(), "a\0b"),
    (Text(), None),
    (Text(), "x" * 5000),
    (Text("digits", r"\d+"), "x"),
    (Flag(), "maybe"),
    (Flag(), 2),
    (Choice(("a", "b")), "c"),
    (Choice(("a", "b")), ["a"]),
    (Count(0, 10), "11"),
    (Count(0, 10), -1),
    (Count(0, 10), True),
    (Count(0, 10), 1.0),
    (Count(0, 10), "1e1"),
    (Count(0, 10), ""),
    (Count(0, 10), "9" * 5000),
    (Ratio(0, 1), "1.01"),
    (Ratio(0, 1), "nan"),
    (Ratio(0, 1), float("inf")),
    (Ratio(0, 1), False),
    (Ratio(0, 1), "101%"),
    (DURATION, "999ms"),
    (DURATION, "1h1s"),
    (DURATION, "1 hour"),
    (DURATION, "-5s"),
    (DURATION, True),
    (DURATION, "1e999"),
    (Duration(0, NS_PER_S), "none"),
    (Words(), [["a"]]),
    (Words(), ["a"] * 300),
    (Words("", "[a-z]+"), "a,1"),
    (Address(), "example.org"),
    (Address(), "127.0.0.1:80"),
]


@pytest.mark.parametrize(("kind", "raw", "value"), ACCEPTED)
def test_accepted(kind: Kind, raw: object, value: object) -> None:
    parsed = kind.parse(raw)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(("kind", "raw"), REFUSED)
def test_refused(kind: Kind, raw: object) -> None:
    with pytest.raises((ValueError, OverflowError)):
        kind.parse(raw)


@pytest.mark.parametrize(("kind", "raw", "value"), ACCEPTED)
def test_what_is_shown_can_be_given_again(kind: Kind, raw: object, value: object) -> None:
    assert kind.parse(kind.show(value)) == value


@given(st.integers(min_value=0, max_value=10**15).map(lambda us: us * 1000))
def test_a_shown_duration_keeps_its_length(value_ns: int) -> None:
    assert parse_duration(show_duration(value_ns)) == value_ns


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    for kind, _raw, _value in ACCEPTED:
        try:
            kind.parse(text)
        except (ValueError, OverflowError):
            continue
