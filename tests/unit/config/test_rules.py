"""Rules between keys: each has a configuration that breaks it and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nexus.config import rules
from nexus.config.kinds import ConfigError
from nexus.config.load import load_config
from nexus.config.schema import ServeConfig
from nexus.model.time import NS_PER_MS, NS_PER_S

BREAKERS: dict[Callable[[ServeConfig], str | None], ServeConfig] = {
    rules.ports_differ: ServeConfig(http_port=9002),
    rules.ack_limit_fits_mclt: ServeConfig(ack_limit_ns=151 * NS_PER_S),
    rules.ack_limit_fits_cooldown: ServeConfig(ack_limit_ns=61 * NS_PER_S),
    rules.round_fits_wait: ServeConfig(
        round_interval_ns=100 * NS_PER_MS, quorum_wait_ns=100 * NS_PER_MS
    ),
    rules.renewal_fits_horizon: ServeConfig(renew_interval_ns=3 * NS_PER_S),
    rules.cold_start_states_its_error: ServeConfig(
        cold_start_offline="rtc_trusted", role="edge", p2p=True
    ),
    rules.loner_votes: ServeConfig(role="read"),
}


def test_the_default_breaks_no_rule() -> None:
    assert rules.broken_rules(ServeConfig()) == ()


def test_every_rule_has_a_breaker() -> None:
    assert tuple(BREAKERS) == rules.RULES


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_a_rule_refuses_its_breaker_with_a_reason(
    rule: Callable[[ServeConfig], str | None],
) -> None:
    reason = rule(BREAKERS[rule])
    assert reason is not None
    assert reason in rules.broken_rules(BREAKERS[rule])


def test_bounds_themselves_are_accepted() -> None:
    assert rules.ack_limit_fits_cooldown(ServeConfig(ack_limit_ns=60 * NS_PER_S)) is None
    assert rules.renewal_fits_horizon(ServeConfig(renew_interval_ns=2500 * NS_PER_MS)) is None
    edge = ServeConfig(role="edge", renew_interval_ns=4 * 3600 * NS_PER_S)
    assert rules.renewal_fits_horizon(edge) is None
    assert rules.ports_differ(ServeConfig(http_port=0, metrics_port=0)) is None


@pytest.mark.parametrize(
    "config",
    [
        ServeConfig(cold_start_offline="rtc_trusted", cold_start_error_bound_ns=1),
        ServeConfig(role="edge", cold_start_error_bound_ns=1),
    ],
)
def test_a_cold_start_setting_that_means_nothing_is_refused(config: ServeConfig) -> None:
    assert rules.cold_start_states_its_error(config) is not None


def test_a_cold_start_that_states_its_error_is_accepted() -> None:
    config = ServeConfig(
        role="edge", cold_start_offline="rtc_trusted", cold_start_error_bound_ns=NS_PER_S
    )
    assert rules.cold_start_states_its_error(config) is None


def test_broken_rules_stop_the_start() -> None:
    with pytest.raises(ConfigError, match="ack_limit = 2m is above the pools' default cooldown"):
        load_config({"ack_limit": "2m"}, {})
