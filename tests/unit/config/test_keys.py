"""The registry of keys and the typed result belong together."""

from __future__ import annotations

import msgspec
import pytest

from nexus.config.keys import KEY_BY_NAME, KEYS, Key
from nexus.config.schema import ServeConfig


def test_every_field_has_one_key_and_every_key_a_field() -> None:
    fields = [field.name for field in msgspec.structs.fields(ServeConfig)]
    assert sorted(key.field for key in KEYS) == sorted(fields)
    assert len(KEY_BY_NAME) == len(KEYS)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_a_default_is_a_value_that_the_key_accepts(key: Key) -> None:
    assert key.kind.parse(key.kind.show(key.default)) == key.default
    assert key.help
    assert not (key.missing and key.idle)


def test_the_seeds_flags_and_ports() -> None:
    flags = {key.flag: key.default for key in KEYS}
    assert flags["--http-port"] == 9000
    assert flags["--grpc-port"] == 9001
    assert flags["--metrics-port"] == 9002
    assert flags["--p2p-port"] == 33123
    assert flags["--role"] == "core"
    assert "--node-id" in flags
    assert flags["--data-path"] == "data"
    assert flags["--listen"] == "127.0.0.1"
