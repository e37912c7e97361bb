"""The folder that a run leaves: what was run, what came of it, and how to do it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from simulator.scenario import load
from simulator.world import Result, World

FORMAT = 1


class RunFile(msgspec.Struct, frozen=True):
    """``run.json``: everything needed to repeat the run."""

    format: int
    scenario: str
    seed: int
    keep: tuple[int, ...] | None
    verdict: str
    digest: str
    command: str
    violations: tuple[Any, ...]
    metrics: dict[str, Any]
    faults: tuple[str, ...]


def write(
    folder: Path, scenario_path: Path, world: World, result: Result, keep: Any, command: str
) -> None:
    """Leave a folder; files of an earlier run in it are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scenario.toml").write_bytes(scenario_path.read_bytes())
    file = RunFile(
        FORMAT,
        result.scenario,
        result.seed,
        None if keep is None else tuple(keep),
        result.verdict,
        result.digest,
        command,
        result.violations,
        result.metrics,
        tuple(injection.told() for injection in world.injections),
    )
    encoded = msgspec.json.format(msgspec.json.encode(file), indent=2)
    (folder / "run.json").write_bytes(encoded + b"\n")
    _lines(folder / "decisions.jsonl", result.journal.decisions)
    _lines(folder / "messages.jsonl", result.journal.messages)
    _lines(folder / "spans.jsonl", world.oracle.spans())


def _lines(path: Path, values: Any) -> None:
    encoder = msgspec.json.Encoder(enc_hook=str)
    with path.open("wb") as file:
        for value in values:
            file.write(encoder.encode(value) + b"\n")


def read(folder: Path) -> tuple[Path, RunFile]:
    """The scenario file of a folder, and what was run."""
    path = folder / "scenario.toml"
    load(path)
    return path, msgspec.json.decode((folder / "run.json").read_bytes(), type=RunFile)
