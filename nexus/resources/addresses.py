"""IP addresses as integers and texts, for both families; the types stand in files of their own.

Texts out are canonical (IPv6 by RFC 5952); texts in are dotted quads without leading zeros and
whatever RFC 4291 section 2.2 allows.  Zones (``%eth0``) and netmasks are refused: they name no
address of a pool.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv6Address
from struct import Struct

import msgspec

from nexus.errors import validation
from nexus.model.ids import shown
from nexus.model.pool import PoolSpec
from nexus.model.ranges import Ranges
from nexus.resources.numbers import read_number

_OCTETS = tuple(str(octet) for octet in range(256))
_GROUPS = Struct(">8H").unpack
# Old-style formats: half the time of eight formatted fields.
_DELEGATED = "%x:%x:%x:%x::"
_PADDED = ":%x:%x:%x:%x:%x:%x:%x:%x:"


class Family(msgspec.Struct, frozen=True):
    """One of the two families of addresses."""

    word: str
    bits: int
    mask_min: int
    """Shortest mask of a pool: a shorter one is a slip of the hand, not a plan."""


IPV4 = Family("IPv4", 32, 8)
IPV6 = Family("IPv6", 128, 16)


def format_ipv4(address: int) -> str:
    """Dotted quad; looking octets up is faster than formatting four numbers."""
    o = _OCTETS
    return f"{o[address >> 24]}.{o[address >> 16 & 255]}.{o[address >> 8 & 255]}.{o[address & 255]}"


def format_ipv6(address: int) -> str:
    """RFC 5952 text; the usual delegated prefix, up to /64, takes a short cut."""
    groups = _GROUPS(address.to_bytes(16, "big"))
    if groups[4:] == (0, 0, 0, 0) and groups[3]:
        # Four zero groups at the end are the longest run there can be.
        return _DELEGATED % groups[:4]
    padded = _PADDED % groups
    run = ":0:0:"  # one zero group alone is not shortened (RFC 5952 section 4.2.2)
    at = padded.find(run)
    if at < 0:
        return padded[1:-1]
    # A longer run starts where its shorter self is found first, or later.
    while (longer := padded.find(run + "0:", at)) >= 0:
        at, run = longer, run + "0:"
    return f"{padded[1:at]}::{padded[at + len(run) : -1]}"


def format_address(address: int, family: Family) -> str:
    """The canonical text of an address of either family."""
    return format_ipv4(address) if family is IPV4 else format_ipv6(address)


def read_address(text: str, family: Family) -> int | None:
    """The address that a text is, None unless it is one of the family."""
    try:
        if family is IPV4:
            return int(IPv4Address(text))
        return None if "%" in text else int(IPv6Address(text))
    except AddressValueError:
        return None


def checked_address(field: str, text: str, family: Family) -> int:
    """The address that a text is, refused unless it is one of the family."""
    address = read_address(text, family)
    if address is None:
        raise validation(field, f"must be an {family.word} address, got {shown(text)}")
    return address


def checked_any_address(field: str, text: str) -> str:
    """The canonical text of an address of either family (resolvers need not share the pool's)."""
    for family in (IPV4, IPV6):
        address = read_address(text, family)
        if address is not None:
            return format_address(address, family)
    raise validation(field, f"must be an IPv4 or IPv6 address, got {shown(text)}")


def checked_cidr(field: str, text: str, family: Family) -> tuple[int, int]:
    """Network address and mask length, refused unless canonical up to spelling."""
    address_text, slash, mask_text = text.partition("/")
    address = read_address(address_text, family)
    mask = read_number(mask_text, 0, family.bits) if slash else None
    if address is None or mask is None:
        raise validation(
            field,
            f"must be an {family.word} network 'address/length' with a length of "
            f"0 to {family.bits}, got {shown(text)}",
        )
    network = address >> (family.bits - mask) << (family.bits - mask)
    if network != address:
        raise validation(
            field,
            "CIDR must specify the network address, not a host address: "
            f"got {shown(text)}, accepted: {format_address(network, family)}/{mask}",
        )
    return address, mask


def checked_pool_cidr(spec: PoolSpec, family: Family) -> tuple[int, int]:
    """Network address and mask length of a pool."""
    text = spec.cidr or ""
    network, mask = checked_cidr("cidr", text, family)
    if mask < family.mask_min:
        raise validation(
            "cidr",
            f"an {family.word} pool's length must be {family.mask_min} to {family.bits}, "
            f"got {shown(text)}",
        )
    return network, mask


def checked_prefix(spec: PoolSpec, mask: int, family: Family) -> int:
    """The pool's ``prefix``, refused unless between the pool's own length and a single address."""
    if not mask <= spec.prefix <= family.bits:
        raise validation(
            "prefix", f"must be {mask} to {family.bits} for {spec.cidr}, got {spec.prefix}"
        )
    return spec.prefix


def cidr_text(network: int, mask: int, family: Family) -> str:
    """The one text of a network."""
    return f"{format_address(network, family)}/{mask}"


def span_text(start: int, stop: int, family: Family) -> str:
    """The shortest text of the addresses ``start..stop-1``: address, CIDR, or first-last."""
    count = stop - start
    if count == 1:
        return format_address(start, family)
    if count & (count - 1) == 0 and start % count == 0:
        return cidr_text(start, family.bits - count.bit_length() + 1, family)
    return f"{format_address(start, family)}-{format_address(stop - 1, family)}"


def exclusion_span(text: str, family: Family, start: int, stop: int) -> tuple[int, int]:
    """Half-open addresses of one exclusion (address, CIDR or ``a-b``) of the pool start..stop-1."""
    if "/" in text:
        network, mask = checked_cidr("exclusions", text, family)
        first, last = network, network + (1 << (family.bits - mask)) - 1
    else:
        first_text, dash, last_text = text.partition("-")
        low = read_address(first_text.strip(), family)
        high = read_address(last_text.strip(), family) if dash else low
        if low is None or high is None or low > high:
            raise validation(
                "exclusions",
                f"must be an {family.word} address, a network or 'first-last', got {shown(text)}",
            )
        first, last = low, high
    if first < start or last >= stop:
        raise validation(
            "exclusions",
            f"must lie inside the pool ({span_text(start, stop, family)}), got {shown(text)}",
        )
    return first, last + 1


def exclusion_text(text: str, family: Family, start: int, stop: int) -> str:
    """The canonical text of one exclusion, in the form in which it was given."""
    first, after = exclusion_span(text, family, start, stop)
    if "/" in text:
        return cidr_text(first, family.bits - (after - first).bit_length() + 1, family)
    if after == first + 1:
        return format_address(first, family)
    return f"{format_address(first, family)}-{format_address(after - 1, family)}"


def excluded_units(spec: PoolSpec, family: Family, base: int, size: int, unit: int) -> Ranges:
    """Unit indexes that the exclusions touch; a unit touched in part is excluded whole."""
    spans = (exclusion_span(text, family, base, base + size * unit) for text in spec.exclusions)
    return Ranges.of(((first - base) // unit, -((base - after) // unit)) for first, after in spans)
