"""Voter configurations (R21): who votes, and what a quorum is while voters change.

A configuration is ``(number, A, B)``: stable if A = B, else joint.  Sets have 1, 3 or 5 voters.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

SIZES = (1, 3, 5)


class Configuration(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``old`` is A and ``new`` is B; both are sorted member ids."""

    number: int
    old: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def joint(self) -> bool:
        """A change of voters is under way."""
        return self.old != self.new

    @property
    def voters(self) -> tuple[str, ...]:
        """Everybody who votes in this configuration, sorted."""
        return self.old if self.old == self.new else tuple(sorted({*self.old, *self.new}))

    @property
    def lone(self) -> bool:
        """One voter and no change under way: its own majority."""
        return len(self.old) == 1 and self.old == self.new


def is_majority(answers: Collection[str], voters: tuple[str, ...]) -> bool:
    """More than half of the distinct voters answered."""
    return 2 * sum(voter in answers for voter in voters) > len(voters)


def r5_majority(answers: Collection[str], voters: tuple[str, ...]) -> bool:
    """What renews, grants, replicates and reads: no single leader may answer (R2, R5)."""
    return is_majority(answers, voters)


def r21b_quorum(configuration: Configuration, answers: Collection[str]) -> bool:
    """In a joint phase every quorum needs majorities of A *and* of B."""
    return r5_majority(answers, configuration.old) and (
        not configuration.joint or r5_majority(answers, configuration.new)
    )


def stable(number: int, voters: Collection[str]) -> Configuration:
    """A stable configuration of these voters."""
    chosen = tuple(sorted(voters))
    return Configuration(number, chosen, chosen)
