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


def r2_granted(configuration: Configuration, answers: Collection[str]) -> bool:
    """A quorum promised, or accepted: the grant may be proposed, or is made."""
    return r21b_quorum(configuration, answers)


def r5_renewed(configuration: Configuration, answers: Collection[str]) -> bool:
    """A quorum acknowledged one renewal."""
    return r21b_quorum(configuration, answers)


def r8_replicated(configuration: Configuration, holders: Collection[str]) -> bool:
    """A quorum holds a record: it survives epoch changes."""
    return r21b_quorum(configuration, holders)


def r8c_read(configuration: Configuration, readers: Collection[str]) -> bool:
    """A quorum has told what it holds: no replicated record can be missing."""
    return r21b_quorum(configuration, readers)


def r8c_base_replicated(configuration: Configuration, holders: Collection[str]) -> bool:
    """A quorum holds the whole base: the shard may be served on it."""
    return r21b_quorum(configuration, holders)


def r8d_confirmed_by(configuration: Configuration, answers: Collection[str]) -> bool:
    """A quorum answered a round begun after the question."""
    return r21b_quorum(configuration, answers)


def r12_released(configuration: Configuration, answers: Collection[str]) -> bool:
    """A quorum holds the release."""
    return r21b_quorum(configuration, answers)


def stable(number: int, voters: Collection[str]) -> Configuration:
    """A stable configuration of these voters."""
    chosen = tuple(sorted(voters))
    return Configuration(number, chosen, chosen)


def r21a_may_finish(current: Configuration, complete: Collection[str]) -> bool:
    """*Finish* is proposed only after a majority of B reported complete."""
    return r5_majority(complete, current.new)


def r21a_may_accept(
    current: Configuration, value: Configuration, me: str, *, complete: bool
) -> bool:
    """A voter of B accepts *finish* only when complete itself."""
    finish = current.joint and value.old == value.new == current.new
    return complete or not (finish and me in current.new)


def r21a_decided(current: Configuration, value: Configuration, accepts: Collection[str]) -> bool:
    """A majority of A decides n+1; *finish* needs one of A and one of B."""
    if not r5_majority(accepts, current.old):
        return False
    finish = current.joint and value.old == value.new == current.new
    return not finish or r5_majority(accepts, current.new)


def r21c_complete_before(old: Configuration, new: Configuration, *, was_complete: bool) -> bool:
    """What an abort falls back on: this voter was complete in the configuration before a joint."""
    return was_complete and new.joint and new.number == old.number + 1


def r21c_complete_on_entry(
    old: Configuration, new: Configuration, me: str, *, was_complete: bool, complete_before: bool
) -> bool:
    """Whether a voter that enters ``new`` from ``old`` may answer at once.

    In a joint phase every voter of B, a staying one too, has to copy first.  After *abort* the
    voters of A are what they were: all that was decided meanwhile was decided with a majority of
    them.  Who missed a configuration knows nothing of what was decided in it.
    """
    step = new.number - old.number
    if new.joint:
        return step == 1 and was_complete and me not in new.new
    if step == 1 and old.joint:
        aborted = new.new == old.old
        return complete_before if aborted and me in old.old else was_complete
    missed_an_abort = step == 2 and not old.joint and new.new == old.new
    return missed_an_abort and was_complete


def r21d_same_life(known: int | None, incarnation: int) -> bool:
    """A voter's id belongs to one life of one disk; a lost disk returns under a new id only."""
    return known is None or known == incarnation


def r21d_founded(current: Configuration, holders: Collection[str]) -> bool:
    """Every founding voter knows this life of the others.

    A majority would not do: with one voter that was never there and one that lost its disk, a
    cluster could be founded a second time beside what the third one knows.
    """
    return all(voter in holders for voter in current.voters)


def r21d_known(current: Configuration, holders: Collection[str]) -> bool:
    """A quorum has this life on disk, so no other life of the same id gets one."""
    return r21b_quorum(current, holders)


def r21c_may_complete(current: Configuration, merged: Collection[str]) -> bool:
    """The states of a majority of A are merged, each given inside this configuration."""
    return r5_majority(merged, current.old)
