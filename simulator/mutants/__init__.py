"""The kill list: every rule of the protocol that carries safety, wrong on purpose.

A mutant that no run catches means that a checker or a mix is too weak, or that the rule is not
needed as it is written.  A new mutant is an object in the file of its rules.
"""

from __future__ import annotations

from simulator.mutants import changing, corners, granting, leaving, limiting, recording, renewing
from simulator.mutants.base import Mix, Mutant

__all__ = ["MIXES", "MUTANTS", "Mix", "Mutant"]

MUTANTS: dict[str, Mutant] = {
    mutant.name: mutant
    for group in (granting, renewing, recording, limiting, leaving, changing)
    for mutant in group.MUTANTS
}

MIXES: dict[str, Mix] = {
    mix.name: mix for mix in (*(each.mix for each in MUTANTS.values()), *corners.ATTACKS)
}
