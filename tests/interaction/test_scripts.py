"""Every script brings out exactly what stands in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.interaction import run_script

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_script(path: Path) -> None:
    text = path.read_text()
    brought_out = run_script(text)
    if os.environ.get("NEXUS_REWRITE") == "1":
        path.write_text(brought_out)
    else:
        assert brought_out == text
