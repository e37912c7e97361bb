"""Kinds of configuration values: what is accepted, and how it becomes a Python value.

A value reaches us as text (flags, environment) or as a YAML scalar or list (file); both go through
`Kind.parse`, so a key means the same wherever it is written.  A kind knows nothing of the key that
uses it: `nexus.config.load` adds the key's name to what is refused here.
"""

from __future__ import annotations

import ipaddress
import re
from decimal import Decimal, InvalidOperation
from typing import Protocol

import msgspec

from nexus.model.time import NS_PER_MS, NS_PER_S, NS_PER_US

TRUE_WORDS = ("true", "yes", "on", "1")
FALSE_WORDS = ("false", "no", "off", "0")
NONE_WORDS = ("none", "null", "")

NS_PER_UNIT = {
    "us": NS_PER_US,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
    "d": 86400 * NS_PER_S,
}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:us|ms|s|m|h|d))+")

TEXT_LENGTH_MAX = 4096
LIST_LENGTH_MAX = 256


class ConfigError(Exception):
    """A configuration that must not start; the text names key, value and what is accepted."""


class Kind(Protocol):
    """What a key accepts."""

    @property
    def suffix(self) -> str:
        """What the field of `ServeConfig` has after the key's name: its unit."""
        ...

    def accepted(self) -> str:
        """In words, for messages and documents."""
        ...

    def parse(self, raw: object) -> object:
        """The value; raises ValueError (without a text worth showing) if it is not accepted."""
        ...

    def show(self, value: object) -> str:
        """The value as a user would write it."""
        ...


class Text(msgspec.Struct, frozen=True):
    """Any text; by default it may be empty."""

    what: str = "text"
    pattern: str = ".*"
    suffix: str = ""

    def accepted(self) -> str:
        return self.what

    def parse(self, raw: object) -> str:
        text = _text(raw)
        if len(text) > TEXT_LENGTH_MAX or not text.isprintable():
            raise ValueError
        if not re.fullmatch(self.pattern, text):
            raise ValueError
        return text

    def show(self, value: object) -> str:
        return str(value)


class Flag(msgspec.Struct, frozen=True):
    """True or false."""

    suffix: str = ""

    def accepted(self) -> str:
        return "true or false"

    def parse(self, raw: object) -> bool:
        if isinstance(raw, bool):
            return raw
        word = _text(raw).lower()
        if word in TRUE_WORDS:
            return True
        if word in FALSE_WORDS:
            return False
        raise ValueError

    def show(self, value: object) -> str:
        return "true" if value else "false"


class Choice(msgspec.Struct, frozen=True):
    """One of a few words."""

    words: tuple[str, ...]
    suffix: str = ""

    def accepted(self) -> str:
        return "one of " + ", ".join(word or "(empty)" for word in self.words)

    def parse(self, raw: object) -> str:
        word = _text(raw)
        if word not in self.words:
            raise ValueError
        return word

    def show(self, value: object) -> str:
        return str(value)


class Count(msgspec.Struct, frozen=True):
    """A whole number within bounds."""

    low: int
    high: int
    suffix: str = ""

    def accepted(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def parse(self, raw: object) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int | str):
            raise ValueError
        if isinstance(raw, str) and not re.fullmatch(r"-?[0-9]{1,18}", raw.strip()):
            raise ValueError
        value = int(raw)
        if not self.low <= value <= self.high:
            raise ValueError
        return value

    def show(self, value: object) -> str:
        return str(value)


class Ratio(msgspec.Struct, frozen=True):
    """A number within bounds; a percent sign divides by a hundred."""

    low: float
    high: float
    suffix: str = ""

    def accepted(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"

    def parse(self, raw: object) -> float:
        if isinstance(raw, bool):
            raise ValueError
        text = _text(raw).strip()
        scale = 1
        if text.endswith("%"):
            text, scale = text[:-1].strip(), 100
        value = float(_decimal(text) / scale)
        if not self.low <= value <= self.high:
            raise ValueError
        return value

    def show(self, value: object) -> str:
        return f"{value:g}"


class Duration(msgspec.Struct, frozen=True):
    """A time span, kept in nanoseconds; a bare number means seconds."""

    low_ns: int
    high_ns: int
    optional: bool = False
    """Whether ``none`` is accepted; what none means is said by the key."""
    suffix: str = "_ns"

    def accepted(self) -> str:
        bounds = f"{show_duration(self.low_ns)} to {show_duration(self.high_ns)}"
        return bounds + (", or none" if self.optional else "")

    def parse(self, raw: object) -> int | None:
        if raw is None or (isinstance(raw, str) and raw.strip().lower() in NONE_WORDS):
            if self.optional:
                return None
            raise ValueError
        value = parse_duration(raw)
        if not self.low_ns <= value <= self.high_ns:
            raise ValueError
        return value

    def show(self, value: object) -> str:
        return "none" if value is None else show_duration(int(str(value)))


class Words(msgspec.Struct, frozen=True):
    """A list of texts: a YAML list, a repeated flag, or words separated by commas."""

    what: str = "a list of texts"
    pattern: str = r"\S+"
    suffix: str = ""

    def accepted(self) -> str:
        return self.what

    def parse(self, raw: object) -> tuple[str, ...]:
        parts = list(raw) if isinstance(raw, list | tuple) else [raw]
        words = [w.strip() for part in parts for w in _text(part).split(",") if w.strip()]
        if len(words) > LIST_LENGTH_MAX:
            raise ValueError
        if not all(re.fullmatch(self.pattern, word) for word in words):
            raise ValueError
        return tuple(words)

    def show(self, value: object) -> str:
        return ",".join(value) if isinstance(value, tuple) else str(value)


class Address(msgspec.Struct, frozen=True):
    """An IP address to listen on, or ``localhost``."""

    suffix: str = ""

    def accepted(self) -> str:
        return "an IPv4 or IPv6 address of this machine, 0.0.0.0 or :: for all, or localhost"

    def parse(self, raw: object) -> str:
        text = _text(raw).strip().strip("[]")
        if text == "localhost":
            return text
        return str(ipaddress.ip_address(text))

    def show(self, value: object) -> str:
        return str(value)


def parse_duration(raw: object) -> int:
    """Nanoseconds of ``90``, ``1.5``, ``"10s"``, ``"1h30m"``, ``"200ms"``, ``"30d"``."""
    if isinstance(raw, bool):
        raise ValueError
    text = _text(raw).strip()
    if _DURATION.fullmatch(text):
        parts = _DURATION_PART.findall(text)
        return sum(int(_decimal(number) * NS_PER_UNIT[unit]) for number, unit in parts)
    return int(_decimal(text) * NS_PER_S)


def show_duration(value_ns: int) -> str:
    """The largest unit that gives a whole number: ``"15s"``, ``"2ms"``, ``"30d"``."""
    for unit in ("d", "h", "m", "s", "ms", "us"):
        if value_ns and value_ns % NS_PER_UNIT[unit] == 0:
            return f"{value_ns // NS_PER_UNIT[unit]}{unit}"
    return f"{value_ns / NS_PER_S:g}s"


def _text(raw: object) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, str | int | float):
        return str(raw)
    raise ValueError


def _decimal(text: str) -> Decimal:
    if len(text) > 40:
        raise ValueError
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError from None
    if not value.is_finite() or abs(value) > 10**15:
        raise ValueError
    return value
