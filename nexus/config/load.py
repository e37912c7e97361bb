"""Flags, environment and file become one checked `ServeConfig`.

Precedence: flag, then environment, then file, then default.  A mistake in any of them stops the
start; all mistakes are told at once, each with key, value, where it stands and what is accepted.
Only an unknown ``NEXUS_*`` variable is forgiven with a warning: orchestrators set such variables
for every service of that name (``NEXUS_PORT=tcp://10.0.0.1:9000``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from nexus.config.keys import KEY_BY_NAME, KEYS, Key
from nexus.config.kinds import ConfigError
from nexus.config.rules import broken_rules
from nexus.config.schema import ServeConfig

FILE_BYTES_MAX = 1 << 20
PREFIX = "NEXUS_"
OTHER_VARIABLES = ("NEXUS_CONFIG", "NEXUS_SERVER")
"""Variables that are no key of `nexus serve` but ours: the file's path, the operator's server."""

SERVICE_LINK_SCHEMES = ("tcp://", "udp://", "sctp://")


class Loaded(msgspec.Struct, frozen=True):
    """A configuration with where each value came from."""

    config: ServeConfig
    sources: dict[str, str]
    """Key -> ``default``, ``file``, ``environment`` or ``flag``, in the order of `KEYS`."""
    warnings: tuple[str, ...]


class _Given(msgspec.Struct, frozen=True):
    value: object
    source: str
    place: str


def load_config(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    path: str | None = None,
) -> Loaded:
    """The configuration that these sources make together.

    Parameters
    ----------
    flags : keys that were given on the command line; values are text or parsed already.
    environ : the process's environment.
    path : of nexus.yaml; None: what ``NEXUS_CONFIG`` says, else no file.

    Raises
    ------
    ConfigError : with one line for each mistake.
    """
    path = path or environ.get("NEXUS_CONFIG") or None
    given: dict[str, _Given] = {}
    if path is not None:
        for name, value in read_file(path).items():
            given[name] = _Given(value, "file", f"{name} in {path}")
    variables, warnings = _from_environment(environ)
    given.update(variables)
    for name, value in flags.items():
        given[name] = _Given(value, "flag", KEY_BY_NAME[name].flag)
    fields, mistakes = _parse(given)
    config = ServeConfig(**fields)  # type: ignore[arg-type]  # each kind makes its field's type
    if config.role == "edge" and "clock_error_bound" not in given:
        config = msgspec.structs.replace(config, clock_error_bound_ns=None)
    mistakes += _missing_parts(given, config)
    if not mistakes:
        mistakes += broken_rules(config)
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    sources = {key.name: given[key.name].source if key.name in given else "default" for key in KEYS}
    return Loaded(config, sources, (*warnings, *_idle_keys(given, config)))


def read_file(path: str) -> dict[str, object]:
    """Keys and values of a nexus.yaml; raises ConfigError."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: is above {FILE_BYTES_MAX} bytes")
    from nexus.config import yaml_file

    try:
        content = yaml_file.parse(data)
    except ValueError as error:
        raise ConfigError(f"{path}: is not YAML: {_one_line(error)}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must hold keys and values, like `http_port: 9000`")
    unknown = [str(name) for name in content if name not in KEY_BY_NAME]
    if unknown:
        accepted = ", ".join(sorted(KEY_BY_NAME))
        raise ConfigError(f"{path}: unknown key {', '.join(unknown)}; accepted keys: {accepted}")
    return content


def _from_environment(environ: Mapping[str, str]) -> tuple[dict[str, _Given], list[str]]:
    """Keys given as ``NEXUS_*`` (empty means not given), and warnings about others."""
    given: dict[str, _Given] = {}
    warnings: list[str] = []
    key_by_variable = {key.variable: key for key in KEYS}
    unknown: list[str] = []
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        value = environ[variable]
        key = key_by_variable.get(variable)
        if key is None:
            if variable not in OTHER_VARIABLES:
                unknown.append(variable)
        elif value.startswith(SERVICE_LINK_SCHEMES):
            warnings.append(f"{variable}={value} looks like a service link, not a value: ignored")
        elif value:
            given[key.name] = _Given(value, "environment", variable)
    if unknown:
        warnings.append(f"unknown environment variables ignored: {', '.join(unknown)}")
    return given, warnings


def _parse(given: Mapping[str, _Given]) -> tuple[dict[str, object], list[str]]:
    fields: dict[str, object] = {}
    mistakes: list[str] = []
    for name, item in given.items():
        key = KEY_BY_NAME[name]
        try:
            fields[key.field] = key.kind.parse(item.value)
        except (ValueError, OverflowError):
            mistakes.append(_mistake(key, item))
    return fields, mistakes


def _mistake(key: Key, item: _Given) -> str:
    shown = repr(item.value)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return f"{key.name} = {shown} (from {item.place}) is wrong; accepted: {key.kind.accepted()}"


def _missing_parts(given: Mapping[str, _Given], config: ServeConfig) -> list[str]:
    """Keys that ask for something this version does not do: refused, never ignored."""
    return [
        f"{key.name} = {key.kind.show(getattr(config, key.field))} (from {item.place}) cannot be "
        f"had: {key.missing}"
        for key, item in _given_keys(given)
        if key.missing and getattr(config, key.field) != key.default
    ]


def _idle_keys(given: Mapping[str, _Given], config: ServeConfig) -> list[str]:
    return [
        f"{key.name} (from {item.place}) has no effect: {key.idle}"
        for key, item in _given_keys(given)
        if key.idle and getattr(config, key.field) != key.default
    ]


def _given_keys(given: Mapping[str, _Given]) -> list[tuple[Key, _Given]]:
    return [(KEY_BY_NAME[name], item) for name, item in given.items()]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
