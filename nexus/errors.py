"""Errors that callers see: one registry of stable codes, and the exception that carries one.

A code is a promise: once shipped it keeps its meaning and its HTTP status.  The text beside it is
for people (and for the few texts that shipped clients match on).  ``definite`` answers the one
question a caller must ask before trying again: False means the thing may still happen.  Errors of
peers, of the machine and of our own invariants are not here; they never reach a caller.
"""

from __future__ import annotations

import msgspec


class ErrorKind(msgspec.Struct, frozen=True):
    """One row of the registry; the documented table is made from these."""

    code: str
    http_status: int
    prose: str
    """What happened and what the caller can do about it."""


_KINDS = (
    ErrorKind("malformed_json", 400, "The body is not JSON."),
    ErrorKind("validation_failed", 400, "A field's value is not accepted; the text names both."),
    ErrorKind("resource_excluded", 400, "The resource is reserved: exclusion, gateway or such."),
    ErrorKind("resource_outside_pool", 400, "The resource is well formed but not in the pool."),
    ErrorKind("device_revoked", 403, "The device was revoked; it stays shut out."),
    ErrorKind("device_rejected", 403, "The device was rejected; it stays shut out."),
    ErrorKind("route_not_found", 404, "No such path."),
    ErrorKind("pool_not_found", 404, "No pool has this id."),
    ErrorKind("allocation_not_found", 404, "No such allocation is live."),
    ErrorKind("node_not_found", 404, "No member has this id."),
    ErrorKind("device_not_found", 404, "No device has this node id or serial."),
    ErrorKind("method_not_allowed", 405, "The path exists, the method does not; see `Allow`."),
    ErrorKind("pool_exists", 409, "The pool id is in use with another definition."),
    ErrorKind("pool_overlaps", 409, "The range overlaps another pool of the same type."),
    ErrorKind("pool_in_use", 409, "Allocations of the pool are live; `force=true` releases them."),
    ErrorKind("allocation_exists", 409, "The subscriber holds another one; see `allocation`."),
    ErrorKind("allocation_permanent", 409, "A permanent allocation takes no TTL."),
    ErrorKind("resource_taken", 409, "Another subscriber holds the resource."),
    ErrorKind("resource_cooling", 409, "The resource is not reusable yet; see `Retry-After`."),
    ErrorKind("device_exists", 409, "A device with this serial is listed already."),
    ErrorKind("device_pending", 409, "The device is not configured yet."),
    ErrorKind("device_not_approvable", 409, "A revoked device must be listed anew first."),
    ErrorKind("site_full", 409, "The site already has its pair of devices."),
    ErrorKind("last_owner", 409, "The member is the only one that can own shards."),
    ErrorKind("body_too_large", 413, "The body is above 1 MiB."),
    ErrorKind("rate_limited", 429, "Too many requests; try again after `Retry-After`."),
    ErrorKind("internal_error", 500, "A defect of the server; the log has it under `cause_id`."),
    ErrorKind("pool_exhausted", 503, "No unit of the pool is free anywhere in the cluster."),
    ErrorKind("owner_unreachable", 503, "The member that may answer cannot be reached now."),
    ErrorKind("quorum_unavailable", 503, "No majority of voters answered in time."),
    ErrorKind("starting", 503, "The pool's shards are not granted yet."),
    ErrorKind("storage_failed", 503, "The disk refuses writes; reads go on."),
)

REGISTRY: dict[str, ErrorKind] = {kind.code: kind for kind in _KINDS}
"""Every code a caller can see, in the order of the documented table."""


class NexusError(Exception):
    """A refusal with a stable code.

    Parameters
    ----------
    code : a key of `REGISTRY`; any other is a defect of ours and raises KeyError.
    message : text for people, the ``error`` of the reply.
    definite : False only when the thing refused may still happen.
    detail : further keys of the reply, such as ``retry_after_s`` or ``allocation``.
    """

    __slots__ = ("code", "definite", "detail", "message", "status")

    def __init__(self, code: str, message: str, *, definite: bool = True, **detail: object) -> None:
        super().__init__(code, message)
        self.status: int = REGISTRY[code].http_status
        self.code = code
        self.message = message
        self.definite = definite
        self.detail: dict[str, object] = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def validation(field: str, message: str) -> NexusError:
    """A refused value, in the text that shipped clients match on."""
    return NexusError("validation_failed", f"validation error for field '{field}': {message}")
