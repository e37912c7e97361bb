"""Identifiers that people and machines hand us: what may be one, and the refusal if it is not.

Every check returns the value or raises `InvalidIdError`, a ValueError that knows the field's word;
edges turn it into a validation error.  The rules are alphabets, never blacklists: an id is data, so
``a--b``, ``union-square`` and ``walter@isp`` are as good as any other (G38).
"""

from __future__ import annotations

import re

POOL_ID_CHARS_MAX = 128
SUBSCRIBER_ID_CHARS_MAX = 256
SERIAL_CHARS_MAX = 64
SITE_ID_CHARS_MAX = 64

RESERVED_SUBSCRIBER_IDS = frozenset({"batch", "expiring"})
"""Words that are route segments beside ``/allocations/{subscriber_id}``."""

_SHOWN_CHARS_MAX = 64

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_SUBSCRIBER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:@/+=#~,-]{0,254}[A-Za-z0-9._:@/+=#~,])?")
_RAW_BYTES = re.compile(r"hex:(?:[0-9A-Fa-f]{2})+")
# DMI gives `VMware-56 4d ...` and, for Dell boards, `/8XYZ123/CN1234567/`.
_SERIAL = re.compile(r"[A-Za-z0-9._/:-](?:[A-Za-z0-9._/:-]| (?! )){2,62}[A-Za-z0-9._/:-]")
_SITE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
_MAC = re.compile(
    r"[0-9A-Fa-f]{2}(?P<sep>[:-]?)[0-9A-Fa-f]{2}(?:(?P=sep)[0-9A-Fa-f]{2})+"
    r"|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4})+"
)
_MAC_DIGIT_COUNTS = (12, 16, 40)
"""EUI-48, EUI-64 and the 20 octets of IP over InfiniBand, as shipped servers accept them."""

_NAME_RULE = "1 to 128 letters, digits, '.', '_' or '-', the first and last a letter or digit"
_SUBSCRIBER_RULE = (
    "1 to 256 letters, digits or any of '._:@-/+=#~,', the first a letter or digit, "
    "the last no hyphen"
)
_RAW_BYTES_RULE = "'hex:' and an even number of hexadecimal digits, at most 256 characters in all"
_SERIAL_RULE = "4 to 64 letters, digits, '-', '_', '.', '/' or ':', single spaces within"
_SITE_RULE = "1 to 64 letters, digits, '_' or '-', the first and last a letter or digit"
_MAC_RULE = "6, 8 or 20 octets in hexadecimal, separated by ':' or '-', dotted, or bare"


class InvalidIdError(ValueError):
    """An identifier that breaks its rule; the text names the value and what is accepted."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def shown(value: object) -> str:
    """A caller's value for an error text: quoted, escaped, cut to a bounded length."""
    text = value if isinstance(value, str) else repr(value)
    if len(text) > _SHOWN_CHARS_MAX:
        text = text[:_SHOWN_CHARS_MAX] + "..."
    return ascii(text) if isinstance(value, str) else text


def check_pool_id(text: str, field: str = "pool_id") -> str:
    """The pool id, or `InvalidIdError`."""
    return _checked(_NAME, text, field, _NAME_RULE)


def check_node_id(text: str, field: str = "node_id") -> str:
    """The node id, or `InvalidIdError`; it need not be a member's."""
    return _checked(_NAME, text, field, _NAME_RULE)


def check_subscriber_id(text: str, field: str = "subscriber_id") -> str:
    """The subscriber id, or `InvalidIdError`.

    Opaque: a MAC address in another case is another subscriber.  Raw bytes (DHCP option 82, RFC
    3046) come as ``hex:`` and their digits.
    """
    _checked(_SUBSCRIBER, text, field, _SUBSCRIBER_RULE)
    if text in RESERVED_SUBSCRIBER_IDS:
        raise InvalidIdError(field, f"{shown(text)} is a reserved word; accepted: any other id")
    if text.startswith("hex:"):
        _checked(_RAW_BYTES, text, field, _RAW_BYTES_RULE)
    return text


def check_serial(text: str, field: str = "serial") -> str:
    """The device serial, or `InvalidIdError`."""
    return _checked(_SERIAL, text, field, _SERIAL_RULE)


def check_site_id(text: str, field: str = "site_id") -> str:
    """The site id, or `InvalidIdError`."""
    return _checked(_SITE, text, field, _SITE_RULE)


def normalise_mac(text: str, field: str = "mac") -> str:
    """The hardware address in upper case with colons, or `InvalidIdError`."""
    _checked(_MAC, text, field, _MAC_RULE)
    digits = text.replace(":", "").replace("-", "").replace(".", "").upper()
    if len(digits) not in _MAC_DIGIT_COUNTS:
        raise InvalidIdError(field, f"must be {_MAC_RULE}, got {shown(text)}")
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _checked(rule: re.Pattern[str], text: str, field: str, accepted: str) -> str:
    # JSON hands over anything; a number here is the caller's mistake, not ours.
    if not isinstance(text, str):
        raise InvalidIdError(field, f"must be text ({accepted}), got {shown(text)}")
    if rule.fullmatch(text) is None:
        raise InvalidIdError(field, f"must be {accepted}, got {shown(text)}")
    return text
