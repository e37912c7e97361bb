"""Builds the node of a daemon: the one place that knows both the core's and the daemon's words."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from itertools import chain
from random import Random
from typing import Any

import msgspec

from nexus import codec
from nexus.config.keys import RTC_TRUSTED
from nexus.config.schema import ServeConfig
from nexus.core.config import NodeConfig
from nexus.core.node import NexusNode
from nexus.core.observed import Observed
from nexus.driver.ports import Node, Restored, StoreDamagedError
from nexus.ownership.values import Session
from nexus.runtime.clock import RealClock, boot_id
from nexus.runtime.identity import INCARNATION_BITS, Identity
from nexus.telemetry.metrics import NodeSource


class Made(msgspec.Struct, frozen=True):
    """A node, and what the daemon does with it beyond handing it events."""

    node: Node
    encode: Callable[[Any], bytes]
    """Makes the bytes of a log entry."""
    chunks: Callable[[], Iterator[bytes]]
    """Starts one pass over the node's state, encoded, for a snapshot."""
    source: NodeSource | None


MakeNode = Callable[[ServeConfig, Identity, Restored], Made]


def node_config(config: ServeConfig, identity: Identity) -> NodeConfig:
    """What the core is told."""
    return NodeConfig(
        node_id=identity.node_id,
        cluster_id=identity.cluster_id,
        incarnation=identity.incarnation,
        session=Session(identity.session, secrets.randbits(INCARNATION_BITS)),
        boot_id=boot_id(),
        role=config.role,
        ack_limit_ns=config.ack_limit_ns,
        clock_error_bound_ns=config.clock_error_bound_ns,
        cold_start_error_bound_ns=cold_start_error_bound_ns(config),
        renew_interval_ns=config.renew_interval_ns,
        round_interval_ns=config.round_interval_ns,
        quorum_wait_ns=config.quorum_wait_ns,
        grant_wait_ns=config.grant_wait_ns,
        drift_ppm=config.drift_ppm,
        offline_after_ns=config.offline_after_ns,
    )


def cold_start_error_bound_ns(config: ServeConfig) -> int | None:
    """The stated error of the clock that a cold start may trust, None where it may trust none."""
    return config.cold_start_error_bound_ns if config.cold_start_offline == RTC_TRUSTED else None


def make_node(config: ServeConfig, identity: Identity, restored: Restored) -> Made:
    """Restore the node from what the store holds; takes as long as there is to read.

    Raises
    ------
    StoreDamagedError : an entry whose checksum is right is none that this version knows.
    """
    try:
        node = NexusNode(
            node_config(config, identity),
            rng=Random(secrets.randbits(64)),
            now=RealClock().read(),
            restored=map(codec.decode_entry, chain(restored.snapshot, restored.entries)),
        )
    except codec.EntryError as problem:
        raise StoreDamagedError(
            f"data path {config.data_path}: {problem}; it was written by another version of Nexus"
        ) from problem
    return Made(
        node=node,
        encode=codec.encode_entry,
        chunks=lambda: map(codec.encode_entry, node.snapshot_entries()),
        source=Observed(node),
    )
