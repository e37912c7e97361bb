"""IPv6 pools: one allocation is one delegated prefix (G11)."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.errors import NexusError
from nexus.resources import Geometry, geometry, pool_spec_from


def pool(cidr: str, prefix: int, **fields: Any) -> Geometry:
    return geometry(pool_spec_from({"id": "p", "cidr": cidr, "prefix": prefix, **fields})[0])


def refusal(**raw: Any) -> str:
    with pytest.raises(NexusError) as refused:
        pool_spec_from({"id": "p", **raw})
    return refused.value.message


@pytest.mark.parametrize(
    ("cidr", "prefix", "size", "last"),
    [
        ("2001:db8::/32", 64, 1 << 32, "2001:db8:ffff:ffff::/64"),
        ("2001:db8::/32", 56, 1 << 24, "2001:db8:ffff:ff00::/56"),
        ("2001:db8:1::/48", 60, 1 << 12, "2001:db8:1:fff0::/60"),
        ("2001:db8::/64", 128, 1 << 64, "2001:db8::ffff:ffff:ffff:ffff/128"),
        ("2001:db8::/64", 64, 1, "2001:db8::/64"),
        ("2001:db8::5/128", 128, 1, "2001:db8::5/128"),
    ],
)
def test_units_are_prefixes(cidr: str, prefix: int, size: int, last: str) -> None:
    shape = pool(cidr, prefix)
    assert shape.size == size
    assert shape.format(size - 1) == last
    assert shape.prefix() == prefix
    assert shape.ip(size - 1) == last.split("/")[0]
    assert shape.parse(last) == size - 1


def test_nothing_is_reserved_by_default() -> None:
    shape = pool("2001:db8::/48", 56)
    assert (shape.reserved.count, shape.gateway) == (0, None)


def test_a_gateway_inside_reserves_its_prefix() -> None:
    shape = pool("2001:db8::/48", 56, gateway="2001:DB8:0:1ff::1")
    assert list(shape.reserved.indexes()) == [1]
    assert shape.gateway == "2001:db8:0:1ff::1"


def test_a_link_local_gateway_is_fine() -> None:
    shape = pool("2001:db8::/48", 56, gateway="fe80::1")
    assert (shape.reserved.count, shape.gateway) == (0, "fe80::1")


def test_an_exclusion_reserves_every_prefix_it_touches() -> None:
    shape = pool("2001:db8::/48", 56, exclusions=["2001:db8:0:100::1-2001:db8:0:300::"])
    assert list(shape.reserved.indexes()) == [1, 2, 3]


def test_half_of_the_pool_excluded_is_two_numbers() -> None:
    shape = pool("2001:db8::/32", 64, exclusions=["2001:db8::/33"])
    assert shape.reserved.bounds == (0, 1 << 31)


def test_shards_are_networks() -> None:
    shape = pool("2001:db8::/32", 64)
    assert shape.shard_count == 1024
    assert shape.format_range(*shape.shard_range(1)) == "2001:db8:40::/42"
    assert shape.format_range(5, 6) == "2001:db8:0:5::/64"


def test_prefix_is_required_and_bounded() -> None:
    assert "field 'prefix': is required" in refusal(cidr="2001:db8::/32")
    assert "must be 32 to 128 for 2001:db8::/32, got 31" in refusal(cidr="2001:db8::/32", prefix=31)
    assert "/128 in 2001:db8::/32" in refusal(cidr="2001:db8::/32", prefix=128)
    assert "2^96 units, accepted: at most 2^64" in refusal(cidr="2001:db8::/32", prefix=128)


def test_families_do_not_mix() -> None:
    assert "must be an IPv6 network" in refusal(type="ipv6", cidr="10.0.0.0/8", prefix=64)
    assert "must be an IPv4 network" in refusal(type="ipv4", cidr="2001:db8::/32")
    assert "must be an IPv6 address" in refusal(cidr="2001:db8::/32", prefix=64, gateway="10.0.0.1")


@pytest.mark.parametrize("text", ["2001:db8:0:100::/56", "2001:DB8:0:0100::", "2001:db8:0:100::"])
def test_parse_takes_any_spelling(text: str) -> None:
    assert pool("2001:db8::/48", 56).parse(text) == 1


@pytest.mark.parametrize(
    "text", ["2001:db8:0:100::/64", "2001:db8:0:100::1", "2001:db8:0:100::%eth0", "10.0.0.1", ""]
)
def test_parse_refuses_what_is_no_prefix_of_the_length(text: str) -> None:
    with pytest.raises(NexusError, match=r"field 'ip': must be the first address of a /56"):
        pool("2001:db8::/48", 56).parse(text)


def test_parse_outside() -> None:
    with pytest.raises(NexusError, match="resource_outside_pool"):
        pool("2001:db8::/48", 56).parse("2001:db8:1::/56")
