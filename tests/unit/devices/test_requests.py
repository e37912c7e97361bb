"""Requests survive a log: any of them decodes from the union to what it was."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from nexus.core.operations import devices as operations
from nexus.core.operations.devices import DeviceRead, DeviceWrite, ImportRow

FILLED = {
    "serial": "OLT-0001",
    "mac": "AA:BB:CC:DD:EE:FF",
    "device_id": "OLT-0001",
    "site_id": "s1",
    "metadata": {"rack": "7"},
    "rows": (ImportRow(1, "OLT-0001", "s1"),),
    "capabilities": ("gpon",),
}


@pytest.mark.parametrize("union", [DeviceWrite, DeviceRead], ids=["writes", "reads"])
def test_every_request_comes_back_from_the_union(union):
    decode = msgspec.msgpack.Decoder(union).decode
    for kind in get_args(union):
        names = {field.name for field in msgspec.structs.fields(kind)}
        request = kind(**{name: value for name, value in FILLED.items() if name in names})
        assert decode(msgspec.msgpack.encode(request)) == request


def test_the_core_offers_every_request():
    for kind in (*get_args(DeviceWrite), *get_args(DeviceRead)):
        assert getattr(operations, kind.__name__) is kind
        assert kind.__name__ in operations.__all__
