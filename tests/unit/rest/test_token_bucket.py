"""The bucket that all registrations pass."""

from __future__ import annotations

from nexus.model.time import NS_PER_S
from nexus.rest.token_bucket import TokenBucket


def test_a_burst_passes_and_the_next_waits_for_one_token():
    bucket = TokenBucket(100, 2000)
    assert [bucket.take(5) for _ in range(2000)] == [0] * 2000
    assert bucket.take(5) == NS_PER_S // 100


def test_a_refused_caller_takes_nothing_away():
    bucket = TokenBucket(10, 1)
    assert bucket.take(0) == 0
    assert [bucket.take(0) for _ in range(5)] == [NS_PER_S // 10] * 5
    assert bucket.take(NS_PER_S // 10) == 0


def test_the_rate_holds_for_ever_and_the_bucket_never_overflows():
    bucket = TokenBucket(100, 50)
    passed = sum(bucket.take(n * NS_PER_S // 1000) == 0 for n in range(10_000))
    assert passed in (1049, 1050)  # 10 s at 100 a second, and the burst once
    later_ns = 3600 * NS_PER_S
    assert sum(bucket.take(later_ns) == 0 for _ in range(200)) == 50
