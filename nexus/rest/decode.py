"""Request bodies: strict where it is cheap, tolerant where it must be.

A body that has exactly the schema's keys and types is decoded in one call.  Everything else takes
the slow way: unknown keys are dropped and told as warnings, null and ``""`` mean absent, aliases
are renamed, and what is still wrong is refused with the field's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from typing import Any, Generic, TypeVar

import msgspec

from nexus.errors import NexusError, validation

T = TypeVar("T")

WARNINGS_MAX = 20
KEY_SHOWN_CHARS_MAX = 64

Warnings = tuple[str, ...]

_PATH = re.compile(r" - at `(\$[^`]*)`$")
_MISSING = re.compile(r"^Object missing required field `([^`]+)`")


def parse_json(body: bytes) -> Any:
    """Any JSON document; raises malformed_json."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise malformed() from None


def malformed() -> NexusError:
    """The refusal of a body that is not JSON, in the text that clients know."""
    return NexusError("malformed_json", "invalid request body: malformed JSON")


def unknown_keys(raw: dict[str, Any], known: Set[str]) -> Warnings:
    """One warning for each key that is not known, the first few."""
    unknown = [key for key in raw if key not in known][:WARNINGS_MAX]
    return tuple([f"unknown key '{key[:KEY_SHOWN_CHARS_MAX]}' ignored" for key in unknown])


class BodyDecoder(Generic[T]):
    """Decodes bodies into one struct type.

    Parameters
    ----------
    schema : a struct with ``forbid_unknown_fields``.
    aliases : other names of keys; the schema's own name wins where both are given.
    field_words : what errors call a field, where that is not its key.
    checks : by key, a check of its text that raises ValueError with the words for people.
    """

    def __init__(
        self,
        schema: type[T],
        *,
        aliases: Mapping[str, str] | None = None,
        field_words: Mapping[str, str] | None = None,
        checks: Mapping[str, Callable[[str], object]] | None = None,
    ) -> None:
        self._schema = schema
        self._decode = msgspec.json.Decoder(schema).decode
        self._keys = {field.encode_name for field in msgspec.structs.fields(schema)}  # type: ignore[arg-type]
        self._aliases = dict(aliases or {})
        self._words = dict(field_words or {})
        self._checks = dict(checks or {})

    def decode(self, body: bytes, *, optional: bool = False) -> tuple[T, Warnings]:
        """The struct and the warnings of a body.

        ``optional`` takes no bytes, or white space alone, as an empty object.
        """
        try:
            return self._decode(body), ()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if optional and not body.strip():
                body = b"{}"
        return self.convert(parse_json(body))

    def convert(self, raw: Any) -> tuple[T, Warnings]:
        """The same for a document that is decoded already."""
        if raw is None:
            raw = {}
        if not isinstance(raw, dict):
            raise validation("body", "must be a JSON object")
        kept, warnings = self._clean(raw)
        for key, check in self._checks.items():
            value = kept.get(key)
            if isinstance(value, str):
                try:
                    check(value)
                except ValueError as problem:
                    raise validation(self._word(key), str(problem)) from None
        try:
            return msgspec.convert(kept, self._schema), warnings
        except msgspec.ValidationError as problem:
            raise self._refusal(str(problem)) from None

    def _clean(self, raw: dict[str, Any]) -> tuple[dict[str, Any], Warnings]:
        kept = {
            key: value
            for key, value in raw.items()
            if key in self._keys and value is not None and value != ""
        }
        for alias, name in self._aliases.items():
            if raw.get(alias) and not kept.get(name):
                kept[name] = raw[alias]
        return kept, unknown_keys(raw, self._keys | self._aliases.keys())

    def _word(self, field: str) -> str:
        return self._words.get(field, field)

    def _refusal(self, problem: str) -> NexusError:
        found = _PATH.search(problem)
        where = found.group(1).removeprefix("$").lstrip(".") if found else ""
        missing = _MISSING.match(problem)
        if missing:
            name = missing.group(1)
            return validation(self._word(f"{where}.{name}" if where else name), "is required")
        text = problem[: found.start()] if found else problem
        text = text.replace("`", "").replace("Expected ", "expected ", 1)
        return validation(self._word(where or "body"), text)
