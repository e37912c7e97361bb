"""Laws that every resource type obeys; a type is here because it is in the registry.

Real life: a pool whose shards overlap, leave a gap, or disagree with the text of an address hands
one address to two subscribers, or none to anybody (G11, G15, G16, G17).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.errors import NexusError
from nexus.model.pool import PoolSpec
from nexus.resources import RESOURCE_TYPES, Geometry, geometry, pool_spec_from
from nexus.resources.addresses import format_ipv4, format_ipv6
from nexus.space.free_map import FreeMap

Draw = st.DrawFn
Definition = dict[str, Any]

SMALL_UNITS_MAX = 2_048
"""Pools up to here are walked unit by unit."""

FACTORS = st.sampled_from([0, 1, 2, 3, 7, 16, 200, 1024])


@st.composite
def ipv4_pools(draw: Draw) -> Definition:
    mask = draw(st.sampled_from([8, 12, 16, 20, 22, 24, 27, 29, 30, 31, 32]))
    base = draw(st.integers(0, (1 << mask) - 1)) << (32 - mask)
    pool: Definition = {"cidr": f"{IPv4Address(base)}/{mask}"}
    if draw(st.booleans()):
        pool["prefix"] = draw(st.integers(mask, min(32, mask + 10)))
    else:
        pool["sharding_factor"] = draw(FACTORS)
    if mask <= 29:
        low, high = sorted(draw(st.tuples(st.integers(3, 5), st.integers(3, 5))))
        pool["exclusions"] = draw(
            st.sampled_from([[], [f"{IPv4Address(base + low)}-{IPv4Address(base + high)}"]])
        )
    return pool


@st.composite
def ipv6_pools(draw: Draw) -> Definition:
    mask = draw(st.sampled_from([16, 29, 32, 40, 48, 56, 64, 120, 127, 128]))
    base = draw(st.integers(0, (1 << mask) - 1)) << (128 - mask)
    prefix = draw(st.integers(mask, min(128, mask + draw(st.sampled_from([0, 3, 8, 32, 64])))))
    pool: Definition = {"cidr": f"{IPv6Address(base)}/{mask}", "prefix": prefix}
    pool["sharding_factor"] = draw(FACTORS)
    if prefix >= mask + 2:
        pool["exclusions"] = [str(IPv6Address(base))]
    return pool


@st.composite
def spans(draw: Draw, low: int, high: int, count_max: int) -> str:
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, min(high, first + count_max - 1)))
    return f"{first}-{last}"


@st.composite
def vlan_pools(draw: Draw) -> Definition:
    pool: Definition = {"range": draw(spans(1, 4094, 4094)), "sharding_factor": draw(FACTORS)}
    first, last = pool["range"].split("-")
    if first != last:
        pool["exclusions"] = draw(st.sampled_from([[], [first], [last]]))
    return pool


@st.composite
def svlan_pools(draw: Draw) -> Definition:
    pool: Definition = {"range": draw(spans(1, 4094, 40)), "sharding_factor": draw(FACTORS)}
    first, last = pool["range"].split("-")
    if draw(st.booleans()):
        pool["c_vlan"] = draw(spans(1, 4094, 200))
        if first != last:
            inner = pool["c_vlan"].split("-")[0]
            pool["exclusions"] = draw(st.sampled_from([[], [first], [f"{last}.{inner}"]]))
    return pool


@st.composite
def port_pools(draw: Draw) -> Definition:
    block = draw(st.sampled_from([0, 1, 2, 64, 100]))
    step = max(1, block)
    first = draw(st.integers(1, 60_000 - step))
    blocks = draw(st.integers(1, (65_536 - first) // step))
    pool: Definition = {"range": f"{first}-{first + blocks * step - 1}", "block_size": block}
    pool["sharding_factor"] = draw(FACTORS)
    if blocks > 1:
        pool["exclusions"] = draw(st.sampled_from([[], [str(first)]]))
    return pool


POOLS: dict[str, st.SearchStrategy[Definition]] = {
    "ipv4": ipv4_pools(),
    "ipv6": ipv6_pools(),
    "vlan": vlan_pools(),
    "svlan": svlan_pools(),
    "port": port_pools(),
}


@st.composite
def geometries(draw: Draw) -> Geometry:
    kind = draw(st.sampled_from(sorted(RESOURCE_TYPES)))
    spec, _ = pool_spec_from({"id": "p", "type": kind, **draw(POOLS[kind])})
    return geometry(spec)


def test_every_registered_type_is_held_to_these_laws() -> None:
    assert set(POOLS) == set(RESOURCE_TYPES)


@given(geometries(), st.data())
def test_text_round_trip(shape: Geometry, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, shape.size - 1))
    text = shape.format(index)
    assert shape.parse(text) == index
    if shape.ip(index) is not None:
        assert shape.parse(shape.ip(index) or "") == index
    if index:
        assert shape.format(index - 1) != text


@given(geometries(), st.data())
def test_shard_of_is_the_inverse_of_shard_range(shape: Geometry, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, shape.size - 1))
    start, stop = shape.shard_range(shape.shard_of(index))
    assert start <= index < stop
    shard = data.draw(st.integers(0, shape.shard_count - 1))
    start, stop = shape.shard_range(shard)
    assert shape.shard_of(start) == shape.shard_of(stop - 1) == shard


@given(geometries())
def test_shards_cover_the_pool_exactly_and_evenly(shape: Geometry) -> None:
    ranges = [shape.shard_range(shard) for shard in range(shape.shard_count)]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == shape.size
    assert all(left[1] == right[0] for left, right in pairwise(ranges))
    sizes = {stop - start for start, stop in ranges}
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= (0 if shape.type in ("ipv4", "ipv6") else 1)


@given(geometries())
def test_shards_of_ip_pools_are_aligned_networks(shape: Geometry) -> None:
    if shape.type not in ("ipv4", "ipv6"):
        return
    for shard in {0, shape.shard_count // 2, shape.shard_count - 1}:
        start, stop = shape.shard_range(shard)
        assert start % (stop - start) == 0
        assert "-" not in shape.format_range(start, stop)


@given(geometries(), st.data())
def test_absolutes_are_disjoint_and_inside_the_space(shape: Geometry, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, shape.size - 1))
    start, stop = shape.absolute(index)
    low, high = shape.space()
    assert low <= start < stop <= high
    assert shape.index_at(start) == shape.index_at(stop - 1) == index
    assert shape.index_at(low - 1) is None
    assert shape.index_at(high) is None
    if index + 1 < shape.size:
        assert stop <= shape.absolute(index + 1)[0]


@given(geometries())
def test_reserved_units_are_inside_and_leave_something(shape: Geometry) -> None:
    assert shape.reserved.within(0, shape.size) == shape.reserved
    assert shape.reserved.count < shape.size
    per_shard = (
        shape.reserved.count_within(*shape.shard_range(shard)) for shard in range(shape.shard_count)
    )
    assert sum(per_shard) == shape.reserved.count


@given(geometries())
def test_a_pool_overlaps_itself(shape: Geometry) -> None:
    assert shape.overlaps(shape)


def _shares_a_unit(left: Geometry, right: Geometry) -> bool:
    return any(
        right.index_at(absolute) is not None
        for index in range(left.size)
        for absolute in (left.absolute(index)[0], left.absolute(index)[1] - 1)
    )


CLOSE_PAIRS = st.tuples(spans(10, 16, 4), st.one_of(st.none(), spans(10, 16, 4)))


@given(CLOSE_PAIRS, CLOSE_PAIRS, st.sampled_from(["vlan", "svlan", "port"]))
def test_overlap_is_sharing_a_unit(
    left: tuple[str, str | None], right: tuple[str, str | None], kind: str
) -> None:
    """Rectangles of QinQ pairs may cross, touch, or lie side by side."""
    one, other = (
        geometry(PoolSpec(id="p", type=kind, range=span, c_vlan=inner if kind == "svlan" else None))
        for span, inner in (left, right)
    )
    shared = _shares_a_unit(one, other) or _shares_a_unit(other, one)
    assert one.overlaps(other) == other.overlaps(one) == shared


@given(geometries(), geometries())
def test_overlap_is_mutual(left: Geometry, right: Geometry) -> None:
    assert left.overlaps(right) == right.overlaps(left)


@given(geometries())
def test_exhaustion_gives_each_free_unit_exactly_once(shape: Geometry) -> None:
    if shape.size > SMALL_UNITS_MAX:
        return
    given_out: list[int] = []
    for shard in range(shape.shard_count):
        start, stop = shape.shard_range(shard)
        free = FreeMap(start, stop, reserved=shape.reserved)
        hint = start + 7919 % (stop - start)
        while (index := free.pick(hint)) >= 0:
            assert free.take(index)
            given_out.append(index)
    assert sorted(given_out) == [
        index for index in range(shape.size) if index not in shape.reserved
    ]
    assert len({shape.format(index) for index in given_out}) == len(given_out)


@given(st.sampled_from(sorted(RESOURCE_TYPES)), st.data())
def test_a_checked_definition_is_its_own_canonical_form(kind: str, data: st.DataObject) -> None:
    spec, _ = pool_spec_from({"id": "p", "type": kind, **data.draw(POOLS[kind])})
    again = {name: getattr(spec, name) for name in spec.__struct_fields__}
    assert pool_spec_from(again)[0] == spec
    assert RESOURCE_TYPES[kind].normalise(spec) == spec


@given(geometries(), st.text(alphabet="0123456789abcdef.:-/ %x", max_size=24))
def test_parse_takes_canonical_texts_or_refuses_with_a_code(shape: Geometry, text: str) -> None:
    code = ""
    try:
        index = shape.parse(text)
    except NexusError as refused:
        code = refused.code
    else:
        assert 0 <= index < shape.size
    assert code in ("", "validation_failed", "resource_outside_pool")


@given(st.integers(0, (1 << 32) - 1))
def test_ipv4_text_is_the_standard_librarys(address: int) -> None:
    assert format_ipv4(address) == str(IPv4Address(address))


GROUPS = st.lists(st.sampled_from([0, 0, 0, 1, 0xA, 0x10, 0xDB8, 0xFFFF]), min_size=8, max_size=8)


@given(GROUPS)
def test_ipv6_text_is_the_one_of_rfc_5952(groups: list[int]) -> None:
    address = int("".join(f"{group:04x}" for group in groups), 16)
    if address >> 32 == 0xFFFF:
        return  # the library's text for mapped addresses differs between Python versions
    assert format_ipv6(address) == IPv6Address(address).compressed


@pytest.mark.parametrize("address", [0, 1, 1 << 64, 1 << 127, (1 << 128) - 1, 0xFFFF << 64])
def test_ipv6_text_at_the_corners(address: int) -> None:
    assert format_ipv6(address) == IPv6Address(address).compressed
