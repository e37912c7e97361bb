"""From an API object to a definition: fields, defaults, warnings, knobs."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nexus.errors import NexusError
from nexus.model.pool import PoolSpec
from nexus.resources import RESOURCE_TYPES, geometry, pool_spec_from

RAW: dict[str, Any] = {"id": "isp-residential", "cidr": "10.0.0.0/16", "prefix": 32}


def refusal(ack_limit_s: float = 5, **changes: Any) -> tuple[str, str]:
    """Field and message of the refusal."""
    with pytest.raises(NexusError) as refused:
        pool_spec_from({**RAW, **changes}, ack_limit_s=ack_limit_s)
    assert refused.value.code == "validation_failed"
    head, _, message = refused.value.message.partition("': ")
    return head.removeprefix("validation error for field '"), message


def accepted(**changes: Any) -> PoolSpec:
    spec, warnings = pool_spec_from({**RAW, **changes})
    assert warnings == ()
    return spec


def test_the_three_fields_that_shipped_clients_send() -> None:
    spec = accepted()
    assert (spec.type, spec.cidr, spec.prefix) == ("ipv4", "10.0.0.0/16", 32)
    assert spec == PoolSpec(id="isp-residential", type="ipv4", cidr="10.0.0.0/16", prefix=32)


def test_null_and_empty_text_mean_absent() -> None:
    absent = dict.fromkeys(PoolSpec.__struct_fields__)
    assert accepted(**{**absent, **RAW}) == accepted()
    assert accepted(gateway="", range="", type="") == accepted()


def test_type_defaults_from_the_cidr() -> None:
    spec, _ = pool_spec_from({"id": "p", "cidr": "2001:DB8::/32", "prefix": 56})
    assert (spec.type, spec.cidr) == ("ipv6", "2001:db8::/32")


def test_prefix_length_is_prefix() -> None:
    assert accepted(prefix=None, prefix_length=24).prefix == 24
    assert accepted(prefix=24, prefix_length=24).prefix == 24
    assert refusal(prefix=24, prefix_length=25) == (
        "prefix_length",
        "must agree with prefix (24), got 25",
    )


def test_texts_become_canonical_so_that_repeats_are_equal() -> None:
    raw = {"id": "p", "cidr": "2001:0DB8:0::/48", "prefix": 64, "gateway": "2001:DB8::0001"}
    spec, _ = pool_spec_from({**raw, "dns": ["2001:DB8::53"], "exclusions": ["2001:DB8:0::/64"]})
    assert spec.cidr == "2001:db8::/48"
    assert spec.gateway == "2001:db8::1"
    assert spec.dns == ("2001:db8::53",)
    assert spec.exclusions == ("2001:db8::/64",)


def test_unknown_keys_are_told_and_ignored() -> None:
    spec, warnings = pool_spec_from({**RAW, "mode": "x", "mac": None})
    assert spec == accepted()
    assert warnings == ("unknown field 'mode' ignored", "unknown field 'mac' ignored")


def test_very_many_unknown_keys_are_told_in_short() -> None:
    _, warnings = pool_spec_from({**RAW, **{f"k{number}": 1 for number in range(1_000)}})
    assert len(warnings) == 21
    assert warnings[-1] == "980 more unknown fields ignored"


def test_a_rounded_sharding_factor_is_echoed_and_told() -> None:
    spec, warnings = pool_spec_from({**RAW, "sharding_factor": 200})
    assert spec.sharding_factor == 200
    assert geometry(spec).shard_count == 256
    assert warnings == ("sharding_factor 200 makes 256 shards here",)


@pytest.mark.parametrize("pool_id", [None, "", "a b", "-a", 7, "x" * 129])
def test_the_field_word_of_a_pools_id_is_pool_id(pool_id: object) -> None:
    assert refusal(id=pool_id)[0] == "pool_id"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prefix", 24.0),
        ("prefix", "24"),
        ("prefix", True),
        ("prefix", -1),
        ("sharding_factor", 1025),
        ("cidr", 7),
        ("gateway", ["10.0.0.1"]),
        ("gateway", "10.0.0.256"),
        ("exclusions", "10.0.0.1"),
        ("exclusions", [1]),
        ("exclusions", ["10.0.0.9"] * 1_001),
        ("dns", ["resolver"]),
        ("dns", ["10.0.0.1"] * 17),
        ("metadata", []),
        ("metadata", {"a": 1}),
        ("metadata", {"1a": "x"}),
        ("metadata", {"a": "x" * 513}),
        ("metadata", {f"k{number}": "" for number in range(257)}),
        ("backup_ratio", 1.01),
        ("backup_ratio", math.nan),
        ("backup_ratio", "0.5"),
        ("load_bound", 1.0),
        ("pinned", 1),
        ("allow_overlap", "true"),
        ("type", "ip"),
        ("type", 4),
    ],
)
def test_fields_refused_by_name(field: str, value: object) -> None:
    changes: dict[str, Any] = {field: value}
    assert refusal(**changes)[0] == field


@pytest.mark.parametrize(
    ("knob", "low", "high"),
    [
        ("cooldown", 5, 86_400),
        ("horizon", 10, 30 * 86_400),
        ("mclt", 30, 3_600),
        ("headroom_shards", 0, 16),
        ("max_ttl", 1, 365 * 86_400),
    ],
)
def test_knob_ranges_include_their_ends(knob: str, low: int, high: int) -> None:
    assert getattr(accepted(**{knob: low}), knob) == low
    assert getattr(accepted(**{knob: high}), knob) == high
    for value in (low - 1, high + 1):
        field, message = refusal(**{knob: value})
        assert field == knob
        assert message == f"must be a whole number from {low} to {high}, got {value}"


def test_ratios_include_their_ends_and_take_whole_numbers() -> None:
    assert accepted(backup_ratio=1).backup_ratio == 1.0
    assert accepted(load_bound=2).load_bound == 2.0
    assert refusal(load_bound=2.01) == ("load_bound", "must be a number from 1.05 to 2, got 2.01")


def test_default_ttl_follows_a_lower_maximum_down() -> None:
    assert accepted(max_ttl=600).default_ttl == 600
    assert accepted().default_ttl == 3_600


def test_default_ttl_above_the_maximum_is_a_contradiction() -> None:
    field, message = refusal(max_ttl=600, default_ttl=601)
    assert (field, message) == ("default_ttl", "must be 1 to 600 (max_ttl), got 601")


def test_a_pinned_pool_has_no_horizon_and_no_failover() -> None:
    assert accepted(pinned=True).horizon is None
    assert refusal(pinned=True, horizon=60)[0] == "horizon"
    assert refusal(pinned=True, fast_failover=True)[0] == "fast_failover"


def test_fast_failover_needs_a_short_horizon() -> None:
    assert accepted(fast_failover=True, horizon=10).horizon == 10
    assert refusal(fast_failover=True, horizon=86_400) == (
        "horizon",
        "with fast_failover must be 10 to 30, got 86400",
    )


def test_cooldown_and_mclt_are_bounded_by_the_clusters_ack_limit() -> None:
    """Reuse must wait longer than an order to install may take (R10), even by default."""
    assert refusal(ack_limit_s=30, cooldown=29)[0] == "cooldown"
    assert refusal(ack_limit_s=61) == (
        "cooldown",
        "must be 61 to 86400 with the cluster's ack_limit of 61 s, got 60",
    )
    assert refusal(ack_limit_s=30, mclt=119)[0] == "mclt"
    assert refusal(ack_limit_s=200, cooldown=200)[0] == "mclt"


def test_the_space_is_required() -> None:
    assert refusal(cidr=None) == ("cidr", "is required for a pool without type")
    assert refusal(cidr=None, range="1-2")[0] == "type"
    assert refusal(cidr=None, prefix=None, type="vlan")[0] == "range"


@pytest.mark.parametrize(
    ("kind", "space", "field", "value"),
    [
        ("ipv4", {"cidr": "10.0.0.0/24"}, "range", "1-2"),
        ("ipv4", {"cidr": "10.0.0.0/24"}, "block_size", 64),
        ("ipv6", {"cidr": "2001:db8::/32", "prefix": 64}, "c_vlan", "1"),
        ("vlan", {"range": "1-2"}, "cidr", "10.0.0.0/24"),
        ("vlan", {"range": "1-2"}, "c_vlan", "1-2"),
        ("vlan", {"range": "1-2"}, "gateway", "10.0.0.1"),
        ("svlan", {"range": "1-2"}, "prefix", 24),
        ("port", {"range": "1-2"}, "dns", ["10.0.0.1"]),
    ],
)
def test_a_field_of_another_type_is_refused(
    kind: str, space: dict[str, Any], field: str, value: object
) -> None:
    with pytest.raises(NexusError, match=f"field '{field}': is not for pools of type {kind}"):
        pool_spec_from({"id": "p", "type": kind, **space, field: value})


def test_an_unknown_type_is_refused_with_the_accepted_ones() -> None:
    assert refusal(type="gpon") == (
        "type",
        "must be one of ipv4, ipv6, vlan, svlan, port, got 'gpon'",
    )
    with pytest.raises(NexusError, match="must be one of"):
        geometry(PoolSpec(id="p", type="gpon"))


def test_every_type_stands_under_its_own_name() -> None:
    assert all(kind.name == name for name, kind in RESOURCE_TYPES.items())
