"""Look for a break in a small world without walking all of it.

A walk has a random rank for every kind of thing that may happen at every member, and always takes
what ranks highest; a few times on the way it puts that last.  Few changes of rank are enough for
most breaks (Burckhardt and others, A randomized scheduler with probabilistic guarantees of finding
bugs, 2010): a whole member or link that is slow is one rank, not a hundred unlikely choices.
"""

from __future__ import annotations

import time
from random import Random

from simulator.explore.search import Found, Report, Search
from simulator.explore.steps import Action, Choice, World

STEPS_MAX = 200
CHANGES_MAX = 3


def hunt(search: Search, seconds: float, seed: int = 0) -> Report:
    """Walk at random from the first world until something breaks or the time is over."""
    begun = time.monotonic()
    rng = Random(seed)
    walks = 0
    while search.found is None and time.monotonic() - begun < seconds:
        walks += 1
        search.found = _walk(search, rng)
    search.seconds += time.monotonic() - begun
    search.hunted += walks
    return search.report()


def _walk(search: Search, rng: Random) -> Found | None:
    world = search.first
    ranks: dict[Action, float] = {}
    changes = sorted(rng.randrange(STEPS_MAX // 3) for _ in range(rng.randrange(CHANGES_MAX + 1)))
    way: list[str] = []
    for step in range(STEPS_MAX):
        choices: list[tuple[float, int, Action, Choice]] = []
        for action, reach in search.choices(world):
            kind = _kind(search, action)
            rank = ranks.get(kind)
            if rank is None:
                rank = ranks[kind] = rng.random()
            choices.append((-rank, len(choices), kind, (action, reach)))
        found = _first(choices)
        if found is None:
            return None
        kind, action, world = found
        if changes and step >= changes[0]:
            changes.pop(0)
            ranks[kind] = -rng.random()
        search.steps += 1
        way.append(search.told(action))
        story = search.broken(world)
        if story:
            return Found(story, tuple(way))
    return None


def _first(
    choices: list[tuple[float, int, Action, Choice]],
) -> tuple[Action, Action, World] | None:
    """The choice that ranks highest and changes something."""
    for _, _, kind, (action, reach) in sorted(choices, key=lambda choice: choice[:2]):
        after = reach()
        if after is not None:
            return kind, action, after
    return None


def _kind(search: Search, action: Action) -> Action:
    """What is ranked: a link, not a message."""
    if action[0] == "message":
        sender, target, _ = search.locals.messages[action[1]]
        return (sender, target, action[2])
    return action
