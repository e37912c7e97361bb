"""IPv4 pools: what is given, what is kept back, how they are cut."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.errors import NexusError
from nexus.resources import Geometry, geometry, pool_spec_from


def pool(cidr: str, **fields: Any) -> Geometry:
    return geometry(pool_spec_from({"id": "p", "cidr": cidr, **fields})[0])


def refusal(cidr: str, **fields: Any) -> str:
    with pytest.raises(NexusError) as refused:
        pool(cidr, **fields)
    assert refused.value.code == "validation_failed"
    return refused.value.message


def test_a_slash_24_gives_253_addresses() -> None:
    """Network and broadcast of the pool alone are lost, and the gateway (G17)."""
    shape = pool("10.0.0.0/24", prefix=27)
    assert shape.shard_count == 8
    assert [shape.format(index) for index in shape.reserved.indexes()] == [
        "10.0.0.0",
        "10.0.0.1",
        "10.0.0.255",
    ]
    assert shape.gateway == "10.0.0.1"


def test_slash_31_and_32_give_all_they_have() -> None:
    for cidr, size in (("10.0.0.6/31", 2), ("10.0.0.7/32", 1)):
        shape = pool(cidr)
        assert (shape.size, shape.reserved.count, shape.gateway) == (size, 0, None)
        assert shape.shard_range(0) == (0, size)


def test_a_slash_30_gives_its_one_host_beside_the_gateway() -> None:
    shape = pool("10.0.0.0/30")
    assert [index for index in range(4) if index not in shape.reserved] == [2]


def test_a_slash_8_is_numbered_not_walked() -> None:
    shape = pool("10.0.0.0/8")
    assert (shape.size, shape.shard_count) == (1 << 24, 1024)
    assert shape.format((1 << 24) - 1) == "10.255.255.255"


@pytest.mark.parametrize(
    ("fields", "shards"),
    [
        ({}, 256),
        ({"sharding_factor": 1}, 1),
        ({"sharding_factor": 200}, 256),
        ({"sharding_factor": 1024}, 1024),
        ({"prefix": 24}, 256),
        ({"prefix": 24, "sharding_factor": 256}, 256),
        ({"prefix": 32}, 256),
        ({"prefix": 32, "sharding_factor": 4}, 4),
        ({"prefix": 16}, 1),
        ({"prefix": 26}, 1024),
    ],
)
def test_shards_of_a_slash_16(fields: dict[str, int], shards: int) -> None:
    assert pool("10.0.0.0/16", **fields).shard_count == shards


def test_never_more_shards_than_addresses() -> None:
    assert pool("10.0.0.0/30", sharding_factor=1024).shard_count == 4


def test_shard_factor_against_prefix() -> None:
    assert "accepted: 256 or 0, got 16" in refusal("10.0.0.0/16", prefix=24, sharding_factor=16)


def test_prefix_that_makes_too_many_shards() -> None:
    text = refusal("10.0.0.0/16", prefix=27)
    assert text.startswith("validation error for field 'prefix': ")
    assert "2048 shards, accepted: 16 to 26" in text


@pytest.mark.parametrize("prefix", [8, 15, 33])
def test_prefix_outside_the_pool(prefix: int) -> None:
    assert f"must be 16 to 32 for 10.0.0.0/16, got {prefix}" in refusal(
        "10.0.0.0/16", prefix=prefix
    )


def test_exclusions_in_every_form_are_reserved_once() -> None:
    shape = pool(
        "10.0.0.0/24", exclusions=["10.0.0.16/30", "10.0.0.18-10.0.0.21", "10.0.0.9", "10.0.0.1"]
    )
    assert list(shape.reserved.indexes()) == [0, 1, 9, 16, 17, 18, 19, 20, 21, 255]


@pytest.mark.parametrize(
    "text",
    [
        "10.0.1.0",
        "10.0.0.0/23",
        "10.0.0.5/30",
        "10.0.0.9-10.0.0.2",
        "10.0.0.9-",
        "x",
        "2001:db8::1",
    ],
)
def test_exclusions_refused(text: str) -> None:
    message = refusal("10.0.0.0/24", exclusions=[text])
    assert message.startswith("validation error for field 'exclusions': ")
    assert text in message


def test_a_pool_without_a_free_unit_is_refused() -> None:
    """A pool that answers 201 and then 503 for ever helps nobody (G16)."""
    assert "leaves none of the pool's 4 units" in refusal("10.0.0.0/30", exclusions=["10.0.0.2"])
    assert "'gateway'" in refusal("10.0.0.7/32", gateway="10.0.0.7")


def test_an_explicit_gateway_replaces_the_default() -> None:
    shape = pool("10.0.0.0/24", gateway="10.0.0.254")
    assert shape.gateway == "10.0.0.254"
    assert list(shape.reserved.indexes()) == [0, 254, 255]


def test_a_gateway_outside_is_kept_and_told() -> None:
    spec, warnings = pool_spec_from({"id": "p", "cidr": "10.0.0.128/25", "gateway": "10.0.0.1"})
    assert spec.gateway == "10.0.0.1"
    assert list(geometry(spec).reserved.indexes()) == [0, 127]
    assert warnings == ("gateway 10.0.0.1 is outside the pool, nothing is reserved for it",)


@pytest.mark.parametrize(
    "cidr",
    ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/x", "10.0.0.0/255.255.255.0", "10.0.0/24", "010.0.0.0/8"],
)
def test_cidr_refused(cidr: str) -> None:
    message = refusal(cidr)
    assert message.startswith("validation error for field 'cidr': ")
    assert cidr in message


def test_cidr_of_a_host_is_refused_with_the_network_meant() -> None:
    assert refusal("10.0.0.5/24").endswith(
        "CIDR must specify the network address, not a host address: "
        "got '10.0.0.5/24', accepted: 10.0.0.0/24"
    )


def test_a_pool_wider_than_a_slash_8_is_a_slip() -> None:
    assert "length must be 8 to 32" in refusal("0.0.0.0/0")


def test_parse_tells_malformed_from_outside() -> None:
    shape = pool("10.0.0.0/24")
    assert shape.parse("10.0.0.255") == 255
    with pytest.raises(NexusError, match="resource_outside_pool") as outside:
        shape.parse("10.0.1.0")
    assert "10.0.0.0/24" in outside.value.message
    with pytest.raises(NexusError, match="validation error for field 'ip'"):
        shape.parse("10.0.0")
    with pytest.raises(NexusError, match="validation error for field 'resource'"):
        shape.parse("10.0.0", "resource")


def test_ranges_are_written_as_networks_where_they_are_ones() -> None:
    shape = pool("10.0.0.0/24")
    assert shape.format_range(0, 256) == "10.0.0.0/24"
    assert shape.format_range(7, 8) == "10.0.0.7"
    assert shape.format_range(1, 3) == "10.0.0.1-10.0.0.2"


def test_absolutes_carry_over_to_another_pool() -> None:
    old, new = pool("10.0.0.0/24"), pool("10.0.0.0/16")
    start, _ = old.absolute(7)
    assert new.index_at(start) == 7
    assert pool("10.1.0.0/16").index_at(start) is None
    assert old.overlaps(new)
    assert not old.overlaps(pool("10.0.1.0/24"))
