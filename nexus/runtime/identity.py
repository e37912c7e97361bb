"""Who this member is: a small file beside the log, made at the first start.

It holds what must never come back as something else: the member's id, its cluster's id, the number
of its disk's life (incarnation), and how often it was started (sessions, R22).  The count is
written before the node starts, so two starts never share a session.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from nexus.driver.ports import StoreDamagedError, StoreError

FILE_NAME = "member.json"
FORMAT = 1
INCARNATION_BITS = 53
"""What every JSON reader keeps exactly."""


class Identity(msgspec.Struct, frozen=True):
    """One start of one member."""

    format: int
    node_id: str
    cluster_id: str
    incarnation: int
    session: int


def first_identity(node_id: str = "") -> Identity:
    """A member that was never there before, at its first start."""
    return Identity(
        FORMAT,
        node_id or f"node-{secrets.token_hex(4)}",
        f"cluster-{secrets.token_hex(8)}",
        secrets.randbits(INCARNATION_BITS),
        1,
    )


def start_identity(data_path: Path, node_id: str, *, log_exists: bool) -> Identity:
    """The identity of this start, on disk when this returns.

    Parameters
    ----------
    node_id : as configured; empty takes what the data path remembers.
    log_exists : whether the store found anything; without a log this is a new life of the disk.

    Raises
    ------
    StoreError : another id is configured than the data path belongs to, or it cannot be written.
    StoreDamagedError : the file is damaged, or lost from beside its log.
    """
    path = data_path / FILE_NAME
    try:
        known = msgspec.json.decode(path.read_bytes(), type=Identity)
    except FileNotFoundError:
        if log_exists:
            raise StoreDamagedError(
                f"{path} is missing beside its log; restore it from a copy"
            ) from None
        identity = first_identity(node_id)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as problem:
        raise StoreDamagedError(f"{path} is damaged: {problem}") from problem
    else:
        identity = _next_start(path, known, node_id, log_exists)
    _write(path, msgspec.json.format(msgspec.json.encode(identity)) + b"\n")
    return identity


def _next_start(path: Path, known: Identity, node_id: str, log_exists: bool) -> Identity:
    if known.format != FORMAT:
        raise StoreError(f"{path} has format {known.format}, this version reads {FORMAT}")
    if node_id and node_id != known.node_id:
        raise StoreError(
            f"data path {path.parent} belongs to node {known.node_id}, not to {node_id}: "
            "use that --node-id, or another --data-path"
        )
    changes: dict[str, int] = {"session": known.session + 1}
    if not log_exists:
        changes["incarnation"] = secrets.randbits(INCARNATION_BITS)
    return msgspec.structs.replace(known, **changes)


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".partial")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as problem:
        raise StoreError(f"{path} cannot be written: {problem.strerror}") from problem
