"""Label allocations with a backup node."""

from __future__ import annotations

import msgspec


class CreateBackups(msgspec.Struct, frozen=True):
    """Answer: `BackupsView`; pool_not_found."""

    pool_id: str
    backup_node_id: str
