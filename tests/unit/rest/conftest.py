"""The app over a fake node."""

from __future__ import annotations

import pytest

from tests.support.fake_api import Edge


@pytest.fixture
def edge() -> Edge:
    """A fresh one for each test."""
    return Edge()
