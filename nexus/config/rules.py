"""Rules between keys: combinations that are each fine alone but break something together.

Each rule is one function from a configuration to a reason why not, or None.  The knobs of pools
are checked at pool creation by the same protocol's ranges; here stand the pools' defaults, so that
a daemon never starts in a state in which a plain `POST /pools` would have to be refused.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from nexus.config.kinds import show_duration
from nexus.config.schema import ServeConfig
from nexus.model.pool import PoolSpec
from nexus.model.time import NS_PER_S

HORIZON_NS_BY_ROLE = {
    "core": 15 * NS_PER_S,
    "write": 15 * NS_PER_S,
    "read": 15 * NS_PER_S,
    "edge": 24 * 3600 * NS_PER_S,
}
"""H of a grant whose pool names none, by its owner's role (protocol, knobs)."""

RENEWALS_PER_HORIZON = 6
ACK_LIMITS_PER_MCLT = 4
_POOL = {field.name: field.default for field in msgspec.structs.fields(PoolSpec)}
DEFAULT_MCLT_NS = int(_POOL["mclt"]) * NS_PER_S
DEFAULT_COOLDOWN_NS = int(_POOL["cooldown"]) * NS_PER_S


def ports_differ(config: ServeConfig) -> str | None:
    if config.http_port and config.http_port == config.metrics_port:
        return f"http_port and metrics_port are both {config.http_port}; they must differ"
    return None


def ack_limit_fits_mclt(config: ServeConfig) -> str | None:
    """R8: an acknowledgement must be able to come well within an unreplicated deadline."""
    high_ns = DEFAULT_MCLT_NS // ACK_LIMITS_PER_MCLT
    if config.ack_limit_ns > high_ns:
        return (
            f"ack_limit = {show_duration(config.ack_limit_ns)} is above a quarter of the pools' "
            f"default mclt; accepted: 1s to {show_duration(high_ns)}"
        )
    return None


def ack_limit_fits_cooldown(config: ServeConfig) -> str | None:
    """R9, R10: an address must not be given away while an order to install it may still arrive."""
    if config.ack_limit_ns > DEFAULT_COOLDOWN_NS:
        return (
            f"ack_limit = {show_duration(config.ack_limit_ns)} is above the pools' default "
            f"cooldown; accepted: 1s to {show_duration(DEFAULT_COOLDOWN_NS)}"
        )
    return None


def round_fits_wait(config: ServeConfig) -> str | None:
    """R8 d: a request that waits for the majority must see at least one round."""
    if config.round_interval_ns >= config.quorum_wait_ns:
        return (
            f"round_interval = {show_duration(config.round_interval_ns)} must be below "
            f"quorum_wait = {show_duration(config.quorum_wait_ns)}"
        )
    return None


def renewal_fits_horizon(config: ServeConfig) -> str | None:
    """A hold must survive several lost renewals."""
    high_ns = HORIZON_NS_BY_ROLE[config.role] // RENEWALS_PER_HORIZON
    if config.renew_interval_ns is not None and config.renew_interval_ns > high_ns:
        return (
            f"renew_interval = {show_duration(config.renew_interval_ns)} is above a sixth of the "
            f"horizon of role {config.role}; accepted: 1s to {show_duration(high_ns)}, or none"
        )
    return None


def cold_start_states_its_error(config: ServeConfig) -> str | None:
    """R11: a wall clock counts after a reboot only with a stated error bound."""
    trusted = config.cold_start_offline == "rtc_trusted"
    if trusted and config.role != "edge":
        return "cold_start_offline = rtc_trusted is for role edge; cores never serve while cut off"
    if trusted and config.cold_start_error_bound_ns is None:
        return "cold_start_offline = rtc_trusted needs cold_start_error_bound (0s to 1h)"
    if not trusted and config.cold_start_error_bound_ns is not None:
        return "cold_start_error_bound means nothing without cold_start_offline = rtc_trusted"
    return None


def loner_votes(config: ServeConfig) -> str | None:
    """A node on its own is its own majority, and only cores vote."""
    if config.role != "core" and not config.p2p:
        return f"role = {config.role} needs a cluster to belong to; a node on its own is a core"
    return None


RULES: tuple[Callable[[ServeConfig], str | None], ...] = (
    ports_differ,
    ack_limit_fits_mclt,
    ack_limit_fits_cooldown,
    round_fits_wait,
    renewal_fits_horizon,
    cold_start_states_its_error,
    loner_votes,
)


def broken_rules(config: ServeConfig) -> tuple[str, ...]:
    """Reasons why this configuration must not start, in the order of `RULES`; empty if none."""
    return tuple(reason for rule in RULES if (reason := rule(config)) is not None)
