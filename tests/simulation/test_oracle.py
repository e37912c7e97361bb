"""The oracle and its sweep against a slow and obvious one."""

from __future__ import annotations

from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from simulator.env import FastEnvironment
from simulator.oracle import Oracle, Span, overlaps

SPANS = st.lists(
    st.builds(
        lambda resource, subscriber, start, length: Span(
            resource, subscriber, start, start + length, "node", 1
        ),
        st.sampled_from("xy"),
        st.sampled_from("abc"),
        st.integers(0, 20),
        st.integers(0, 10),
    ),
    max_size=12,
)


@given(SPANS)
def test_the_sweep_finds_an_overlap_if_and_only_if_there_is_one(spans: list[Span]) -> None:
    there_is_one = any(
        one.resource == other.resource
        and one.subscriber != other.subscriber
        and max(one.start_ns, other.start_ns) < min(one.end_ns, other.end_ns)
        for one, other in combinations(spans, 2)
    )
    assert bool(overlaps(spans)) == there_is_one


def test_a_second_user_is_told_at_once_and_a_later_one_is_not() -> None:
    env = FastEnvironment(Random(1))
    stories: list[str] = []
    oracle = Oracle(env, 1000, stories.append, lambda *_, **__: None)
    oracle.use("ipv4 10.0.0.5", "alice", 100, "core-1", 1)
    env.run_until(50, lambda: False)
    oracle.use("ipv4 10.0.0.6", "bob", 150, "core-1", 1)
    assert not stories
    oracle.use("ipv4 10.0.0.5", "bob", 150, "core-2", 2)
    assert len(stories) == 1
    assert "alice" in stories[0]
    assert "bob" in stories[0]


def test_the_end_of_a_use_frees_the_resource() -> None:
    env = FastEnvironment(Random(1))
    stories: list[str] = []
    oracle = Oracle(env, 1000, stories.append, lambda *_, **__: None)
    oracle.use("r", "alice", 100, "core-1", 1)
    env.run_until(100, lambda: False)
    oracle.use("r", "bob", 200, "core-1", 1)
    oracle.stop("r", "bob")
    oracle.use("r", "carol", 300, "core-1", 1)
    assert not stories
    assert oracle.user("r") == "carol"
    assert overlaps(oracle.spans()) == []
