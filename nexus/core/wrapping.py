"""Requests and answers on their way between members, by the names of their types.

Messages stand below the operations and cannot name them; what may travel is listed here, and
nothing else is accepted from a peer.
"""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.core.messages import Wrapped
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.confirm_retired import ConfirmRetired
from nexus.core.operations.read_allocations import GetAllocation
from nexus.core.operations.release import Release
from nexus.core.operations.renew import Renew
from nexus.core.operations.voters import ChangeVoters
from nexus.errors import REGISTRY, NexusError
from nexus.model.views import AllocationView, Done, ReleaseTicket, VotersView


class Refusal(msgspec.Struct, frozen=True):
    """A `NexusError` as it travels."""

    code: str
    message: str
    definite: bool
    detail: dict[str, int | float | str | bool | None]
    allocation: AllocationView | None


REQUESTS: dict[str, type] = {
    kind.__name__: kind
    for kind in (Allocate, Renew, Release, GetAllocation, ConfirmRetired, ChangeVoters)
}
ANSWERS: dict[str, type] = {
    kind.__name__: kind for kind in (AllocationView, Done, Refusal, ReleaseTicket, VotersView)
}

_encode = msgspec.msgpack.Encoder().encode
_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
    name: msgspec.msgpack.Decoder(kind) for name, kind in (REQUESTS | ANSWERS).items()
}


def wrap(value: Any) -> Wrapped:
    """A request or an answer for a message; a `NexusError` travels as a `Refusal`."""
    if isinstance(value, NexusError):
        detail = dict(value.detail)
        allocation = detail.pop("allocation", None)
        plain = {key: part for key, part in detail.items() if isinstance(part, _PLAIN)}
        value = Refusal(
            value.code,
            value.message,
            value.definite,
            plain,
            allocation if isinstance(allocation, AllocationView) else None,
        )
    return Wrapped(type(value).__name__, _encode(value))


_PLAIN = (int, float, str, bool, type(None))


def unwrap_request(wrapped: Wrapped) -> Any:
    """The request in a message, None if it is none that may travel."""
    return _decode(wrapped) if wrapped.name in REQUESTS else None


def unwrap_answer(wrapped: Wrapped) -> Any:
    """The answer in a message; what is none becomes an internal error."""
    value = _decode(wrapped) if wrapped.name in ANSWERS else None
    if value is None:
        return NexusError("internal_error", "a member's answer does not decode", definite=False)
    if isinstance(value, Refusal):
        code = value.code if value.code in REGISTRY else "internal_error"
        detail: dict[str, Any] = dict(value.detail)
        if value.allocation is not None:
            detail["allocation"] = value.allocation
        return NexusError(code, value.message, definite=value.definite, **detail)
    return value


def _decode(wrapped: Wrapped) -> Any:
    try:
        return _decoders[wrapped.name].decode(wrapped.payload)
    except msgspec.MsgspecError:
        return None
