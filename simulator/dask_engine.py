"""Sweeps over a Dask cluster: the same seeds, the same summaries, other machines.

An optional extra (`pip install nexus[sim,dask]`).  A scenario's text and a number travel one
way and a `Summary` the other, so the workers need this code and nothing of this machine.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from simulator.api import Summary, run_seed, summary_of
from simulator.scenario import load


class DaskMissingError(Exception):
    """The extra is not installed."""


def one(text: str, name: str, seed: int) -> Summary:
    """One seed on a worker, of a scenario that came as text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.toml"
        path.write_text(text)
        scenario = load(path)
    _, result = run_seed(scenario, seed)
    return summary_of(scenario, result)


def sweep(
    path: Path, seeds: Sequence[int], jobs: int, scheduler: str | None = None
) -> Iterator[Summary]:
    """Run many seeds; summaries come as they are done.

    Parameters
    ----------
    scheduler : address of a running scheduler; None starts a cluster of ``jobs`` processes here.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise DaskMissingError(
            "--engine dask needs the extra: pip install nexus[sim,dask]"
        ) from None
    options: dict[str, Any] = {"address": scheduler}
    if scheduler is None:
        options = {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": None}
    text = path.read_text()
    with distributed.Client(**options) as client:
        # Not remembered by arguments: a seed is run when it is asked for.
        futures = client.map(one, *_columns(text, path.stem, seeds), pure=False)
        for future in distributed.as_completed(futures):
            yield future.result()
            future.release()


def _columns(text: str, name: str, seeds: Sequence[int]) -> tuple[list[Any], ...]:
    return [text] * len(seeds), [name] * len(seeds), list(seeds)
