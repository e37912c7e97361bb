"""The notebooks run on a fresh folder, and read reports only."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from simulator import __main__ as command

REPO = Path(__file__).parents[2]
NOTEBOOKS = sorted((REPO / "notebooks").glob("*.ipynb"))
MAY_IMPORT = {"itertools", "os", "pathlib", "matplotlib.figure", "simulator", "simulator.report"}
MAY_TAKE = {"pairwise", "report", "api", "Path", "Figure"}


def code_of(path: Path) -> str:
    cells = json.loads(path.read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def test_both_are_there():
    assert [path.stem for path in NOTEBOOKS] == ["balance", "partition"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_reads_reports_only_and_keeps_no_output(path):
    for node in ast.walk(ast.parse(code_of(path))):
        if isinstance(node, ast.ImportFrom):
            assert node.module in MAY_IMPORT
            assert {name.name for name in node.names} <= MAY_TAKE
        elif isinstance(node, ast.Import):
            assert {name.name for name in node.names} <= MAY_IMPORT
    cells = json.loads(path.read_text())["cells"]
    assert not any(cell.get("outputs") for cell in cells)


@pytest.mark.parametrize(
    ("name", "scenario", "seed", "says"),
    [
        ("partition", "partition-five", 4, "core-2 -> "),
        ("balance", "cluster-of-three", 1, "moves:"),
    ],
)
def test_runs_on_a_fresh_folder(name, scenario, seed, says, tmp_path, monkeypatch, capsys):
    toml = REPO / "scenarios" / f"{scenario}.toml"
    arguments = ["run", str(toml), "--seed", str(seed), "--out", str(tmp_path / "run")]
    assert command.main(arguments) == 0
    monkeypatch.setenv("NEXUS_RUN", str(tmp_path / "run"))
    capsys.readouterr()
    exec(compile(code_of(REPO / "notebooks" / f"{name}.ipynb"), name, "exec"), {})
    assert says in capsys.readouterr().out
