"""Names and ranges that no other test uses, so that tests may share one daemon.

Pools of one type must not overlap, so a test that wants a pool takes its range here.
"""

from __future__ import annotations

import ipaddress
from itertools import count


class Fresh:
    """Counters over the name and number spaces; one per daemon."""

    def __init__(self) -> None:
        self._names = count(1)
        self._ipv4 = int(ipaddress.ip_address("10.0.0.0"))
        self._ipv6 = int(ipaddress.ip_address("2001:db8::")) >> 80
        self._numbers = {"vlan": 1, "svlan": 1, "port": 1024}

    def name(self, stem: str) -> str:
        """A new id such as ``sub-17``."""
        return f"{stem}-{next(self._names)}"

    def cidr(self, length: int = 24) -> str:
        """A network inside 10.0.0.0/8 that was not given before."""
        size = 1 << (32 - length)
        start = -(-self._ipv4 // size) * size
        self._ipv4 = start + size
        network = ipaddress.ip_network((start, length))
        assert network.subnet_of(ipaddress.ip_network("10.0.0.0/8"))  # type: ignore[arg-type]
        return str(network)

    def cidr6(self) -> str:
        """A /48 inside 2001:db8::/32 that was not given before."""
        start = self._ipv6
        self._ipv6 += 1
        return str(ipaddress.ip_network((start << 80, 48)))

    def numbers(self, kind: str, length: int) -> str:
        """A range such as ``17-20`` for VLANs or ports that was not given before."""
        start = self._numbers[kind]
        self._numbers[kind] = start + length
        return f"{start}-{start + length - 1}" if length > 1 else str(start)

    def mac(self) -> str:
        """A new locally administered MAC address, lower case with colons."""
        number = next(self._names)
        return "02:00:" + ":".join(f"{byte:02x}" for byte in number.to_bytes(4, "big"))

    def serial(self) -> str:
        """A new device serial."""
        return f"SN{next(self._names):08d}"
