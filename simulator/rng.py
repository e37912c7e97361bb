"""Randomness of a run: one generator per consumer, derived from the seed and the consumer's path.

A new consumer, or one that draws more often, shifts nobody else's draws.
"""

from __future__ import annotations

import hashlib
from random import Random


def stream(root_seed: int, *path: str) -> Random:
    """The generator of one consumer; equal seeds and paths give equal draws everywhere."""
    text = "/".join((str(root_seed), *path))
    return Random(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big"))
