"""VLANs, S-VLANs with and without C-VLANs, ports and port blocks."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.errors import NexusError
from nexus.resources import Geometry, geometry, pool_spec_from


def pool(kind: str, span: str, **fields: Any) -> Geometry:
    return geometry(pool_spec_from({"id": "p", "type": kind, "range": span, **fields})[0])


def refusal(kind: str, span: str, **fields: Any) -> str:
    with pytest.raises(NexusError) as refused:
        pool(kind, span, **fields)
    return refused.value.message


def texts(shape: Geometry) -> list[str]:
    return [shape.format(index) for index in range(shape.size)]


# --- VLAN -----------------------------------------------------------------------------------------


def test_a_pool_of_one_vlan() -> None:
    shape = pool("vlan", "100")
    assert texts(shape) == ["100"]
    assert (shape.shard_count, shape.format_range(0, 1)) == (1, "100")


def test_vlan_shards_differ_by_at_most_one() -> None:
    shape = pool("vlan", "1-4094", sharding_factor=3)
    assert [shape.shard_range(shard) for shard in range(3)] == [
        (0, 1364),
        (1364, 2729),
        (2729, 4094),
    ]
    assert pool("vlan", "1-4094").shard_count == 16


def test_vlan_exclusions() -> None:
    shape = pool("vlan", "100-110", exclusions=["100", "105-107"])
    assert list(shape.reserved.indexes()) == [0, 5, 6, 7]
    assert "inside the pool (100-110), got '111'" in refusal("vlan", "100-110", exclusions=["111"])


@pytest.mark.parametrize("span", ["0-5", "1-4095", "5-1", "a", "1-", "-5", "01", "1-2-3", "1.5"])
def test_vlan_ranges_refused(span: str) -> None:
    message = refusal("vlan", span)
    assert message.startswith("validation error for field 'range': ")
    assert f"within 1-4094, got '{span}'" in message


def test_vlan_parse() -> None:
    shape = pool("vlan", "100-199")
    assert shape.parse("101") == 1
    for text in ("4095", "0", "0101", "x"):
        with pytest.raises(NexusError, match="field 'resource': must be a VLAN id of 1 to 4094"):
            shape.parse(text)
    with pytest.raises(NexusError, match=r"resource_outside_pool.*100-199"):
        shape.parse("200")


# --- S-VLAN and QinQ pairs ------------------------------------------------------------------------


def test_pairs_are_the_rectangle_of_both_ranges() -> None:
    shape = pool("svlan", "600-601", c_vlan="10-12")
    assert texts(shape) == ["600.10", "600.11", "600.12", "601.10", "601.11", "601.12"]
    assert shape.format_range(0, 6) == "600.10-601.12"


def test_outer_vlans_alone() -> None:
    shape = pool("svlan", "600-602")
    assert texts(shape) == ["600", "601", "602"]
    assert shape.format_range(0, 3) == "600-602"
    with pytest.raises(NexusError, match="must be a VLAN id"):
        shape.parse("600.10")


def test_pairs_are_parsed_as_pairs() -> None:
    shape = pool("svlan", "600-601", c_vlan="10-12")
    for text in ("600", "600.", ".10", "600.4095", "600.10.1"):
        with pytest.raises(NexusError, match=r"as 'outer.inner'"):
            shape.parse(text)
    for text in ("600.9", "600.13", "602.10"):
        with pytest.raises(NexusError, match="resource_outside_pool"):
            shape.parse(text)


def test_pair_exclusions_by_outer_vlan_pair_and_run_of_pairs() -> None:
    fields = {"exclusions": ["600", "601.12-602.10"]}
    shape = pool("svlan", "600-602", c_vlan="10-12", **fields)
    assert list(shape.reserved.indexes()) == [0, 1, 2, 5, 6]
    for text in ("599", "600.9", "601.12-600.10", "600-601.10", "x"):
        assert f"got '{text}'" in refusal("svlan", "600-602", c_vlan="10-12", exclusions=[text])
    assert "got '600.10'" in refusal("svlan", "600-602", exclusions=["600.10"])


def test_services_may_share_outer_vlans_and_split_the_inner_ones() -> None:
    internet = pool("svlan", "600-699", c_vlan="1-100")
    voice = pool("svlan", "600-699", c_vlan="101-200")
    assert not internet.overlaps(voice)
    assert not voice.overlaps(internet)
    assert internet.overlaps(pool("svlan", "650", c_vlan="100"))
    assert internet.overlaps(pool("svlan", "650"))
    assert not internet.overlaps(pool("svlan", "700"))
    assert not pool("svlan", "700", c_vlan="1-100").overlaps(internet)
    assert not internet.overlaps(pool("vlan", "650"))


def test_pairs_carry_over_to_a_pool_of_outer_vlans() -> None:
    pairs, outers = pool("svlan", "600-601", c_vlan="10-12"), pool("svlan", "601-602")
    assert outers.index_at(pairs.absolute(0)[0]) is None
    assert outers.index_at(pairs.absolute(3)[0]) == 0


# --- ports ----------------------------------------------------------------------------------------


def test_single_ports() -> None:
    shape = pool("port", "10000-10002")
    assert texts(shape) == ["10000", "10001", "10002"]


def test_port_blocks() -> None:
    shape = pool("port", "20000-20127", block_size=64)
    assert texts(shape) == ["20000-20063", "20064-20127"]
    assert shape.absolute(1) == (20064, 20128)
    assert shape.parse("20064-20127") == 1


def test_port_blocks_must_fill_the_range() -> None:
    message = refusal("port", "20000-20099", block_size=64)
    assert message.startswith("validation error for field 'block_size': ")
    assert "a divisor of 100, got 64" in message


def test_an_excluded_port_takes_its_block_with_it() -> None:
    shape = pool("port", "20000-20255", block_size=64, exclusions=["20063-20064", "20192"])
    assert list(shape.reserved.indexes()) == [0, 1, 3]


def test_port_parse() -> None:
    shape = pool("port", "20000-20127", block_size=64)
    for text in ("20001-20064", "20000-20127", "20000", "x", "0-63"):
        with pytest.raises(NexusError, match="a block of 64 ports such as 20000-20063"):
            shape.parse(text)
    for text in ("30000-30063", "20100-20163", "19936-19999"):
        with pytest.raises(NexusError, match="resource_outside_pool"):
            shape.parse(text)
    with pytest.raises(NexusError, match="a port of 1 to 65535"):
        pool("port", "1-10").parse("0")
