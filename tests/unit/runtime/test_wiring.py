"""Building the daemon's node from what the store holds."""

from __future__ import annotations

import pytest

from nexus.config.schema import ServeConfig
from nexus.driver.ports import Restored, StoreDamagedError
from nexus.runtime.identity import first_identity
from nexus.runtime.wiring import make_node


@pytest.mark.parametrize("entry", [b"", b"\xc1", b"\x92\xaano-such-id\x00"])
def test_an_entry_of_another_version_is_a_clear_refusal(entry: bytes) -> None:
    """An operator who goes back a version reads a sentence, not a trace."""
    restored = Restored(snapshot=iter(()), entries=iter((entry,)), empty=False)
    with pytest.raises(StoreDamagedError, match="another version of Nexus"):
        make_node(ServeConfig(), first_identity("n1"), restored)
