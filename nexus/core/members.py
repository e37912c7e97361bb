"""Members as decided (who they are) and as seen (how they are).

Identity, role, weight, registration, draining and fences are decided facts; life signs and
verdicts of the failure detector are this node's own view and move placement and routing only
(R13).
"""

from __future__ import annotations

import msgspec

from nexus.core.config import OWNER_ROLES


class Member(msgspec.Struct, array_like=True):
    """One admitted member; mutable, owned by `Members`, changed by decisions alone."""

    id: str
    role: str
    weight: float = 1.0
    registration: int = 1
    incarnation: int = 0
    """Newest incarnation known, 0 before the member's first."""
    fenced_upto: int = 0
    """Registrations up to here are fenced (R15 ii)."""
    draining: bool = False


class Members:
    """Decided members by id, with this node's view of each."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self.verdicts: dict[str, str] = {}
        """online, suspect or offline; absent means online."""
        self.heard: dict[str, int] = {}
        """Wall-clock microseconds of the last life sign or heartbeat."""
        self.version = 0
        """Rises with every change that placement depends on."""

    def add(self, member: Member) -> None:
        """Admit a member or replace its record."""
        self._members[member.id] = member
        self._members = dict(sorted(self._members.items()))
        self.version += 1

    def get(self, member_id: str) -> Member | None:
        """A member, None if unknown."""
        return self._members.get(member_id)

    def all(self) -> list[Member]:
        """Members by id."""
        return list(self._members.values())

    def ids(self) -> list[str]:
        """Ids in order."""
        return list(self._members)

    def owners(self) -> list[Member]:
        """Members that may be given shards: the right role, not draining, fenced or offline."""
        return [member for member in self._members.values() if self.may_own(member)]

    def may_own(self, member: Member) -> bool:
        """The member is eligible as an owner (a matter of placement, not of safety)."""
        return (
            member.role in OWNER_ROLES
            and not member.draining
            and member.registration > member.fenced_upto
            and self.verdicts.get(member.id) != "offline"
        )

    def fenced_upto(self, member_id: str) -> int:
        """Registrations of a member up to here are fenced."""
        member = self._members.get(member_id)
        return member.fenced_upto if member is not None else 0

    def judge(self, member_id: str, verdict: str) -> bool:
        """Take the detector's word; True if it changes placement."""
        if self.verdicts.get(member_id, "online") == verdict:
            return False
        self.verdicts[member_id] = verdict
        self.version += 1
        return True

    def status(self, member_id: str) -> str:
        """active, suspect, expired or draining."""
        member = self._members.get(member_id)
        verdict = self.verdicts.get(member_id, "online")
        if verdict == "offline" or (
            member is not None and member.registration <= member.fenced_upto
        ):
            return "expired"
        if member is not None and member.draining:
            return "draining"
        return "suspect" if verdict == "suspect" else "active"
