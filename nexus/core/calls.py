"""A caller's request on its way, and what operations may use of a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from nexus.core.book import PoolBook
from nexus.core.catalog import Catalog
from nexus.core.context import Context
from nexus.core.facts import Facts
from nexus.core.history import History
from nexus.core.leasing import Leasing
from nexus.core.members import Members
from nexus.core.owning import Owning
from nexus.core.placement import Placement
from nexus.core.slices import Slices
from nexus.core.telling import Telling
from nexus.core.tickets import Tickets
from nexus.core.voters import Voters


class Call(msgspec.Struct, gc=False):
    """Whom to answer, and why; ``visited`` are the members that had it before."""

    reply_to: int
    cause_id: str
    actor: str
    request: Any = None
    visited: tuple[str, ...] = ()
    due_ns: int = 0
    """Monotonic instant at which waiting for a grant ends; 0: it has not waited yet."""
    origin: Any = None
    """Whom to answer where the call came from another member."""
    unit: tuple[int, int] | None = None
    """(pool_no, unit index) of the row that it is passed on for."""
    collector: Any = None
    place: int = 0


class Services(Protocol):
    """The node, as its operations see it."""

    ctx: Context
    book: PoolBook
    members: Members
    facts: Facts
    catalog: Catalog
    leasing: Leasing
    telling: Telling
    owning: Owning
    placement: Placement
    history: History
    tickets: Tickets
    slices: Slices
    voters: Voters
    lost_peers: dict[str, None]
    """Members that the transport lost, or that did not answer; a hint (R13)."""

    def answer(self, call: Call, result: Any) -> None:
        """Answer now (nothing that needs the disk first)."""
        ...

    def decide(self, op: Any, call: Call, answer: Callable[[Any], None] | None = None) -> None:
        """Have an operation decided, then answer with its outcome."""
        ...

    def wait_for_grant(self, call: Call) -> None:
        """Try the call again when shards begin to serve; refuse it after `grant_wait`."""
        ...

    def forward(self, to: str, call: Call) -> None:
        """Let another member answer."""
        ...

    def reachable(self, member: str) -> bool:
        """The transport reaches the member, as far as is known."""
        ...

    def run(self, call: Call) -> None:
        """Run (again) what a call asks for."""
        ...
