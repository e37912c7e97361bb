"""The way to a break as a person would tell it: every step that it needs, and no other.

A walk does at once what only adds to a world, and reaches a break by many steps that have nothing
to do with it.  Here each step is one again, and whatever the break happens without is left out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from simulator.explore.search import Found, Search
from simulator.explore.steps import Action, World


class Story(msgspec.Struct, frozen=True):
    """A break and the shortest way to it that leaving steps out leads to."""

    ending: str
    lines: tuple[str, ...]


def story_of(search: Search, found: Found) -> Story:
    """Tell how it comes to a break."""
    search.settling = False
    try:
        actions = _whole(search, found.actions)
        shrunk = True
        while shrunk:
            shrunk = False
            for place in reversed(range(len(actions))):
                fewer = _broken_by(search, actions[:place] + actions[place + 1 :])
                if fewer is not None:
                    # What cannot happen any more without the one step goes along with it.
                    actions = fewer
                    shrunk = True
                    break
        return Story(found.story, tuple(_lines(search, actions)))
    finally:
        search.settling = True


def _whole(search: Search, way: tuple[Action, ...]) -> list[Action]:
    """All steps of a walk's way, those that it did at once included."""
    world = search.bare
    actions: list[Action] = []
    for action in (*way, None):
        while (adding := next(search.adding(world), None)) is not None:
            world = search.apply(world, adding) or world
            actions.append(adding)
        if action is None or search.broken(world):
            break
        after = search.apply(world, action)
        if after is None:
            raise RuntimeError(f"{search.told(action)}: cannot happen again")
        world = after
        actions.append(action)
    return actions


def _broken_by(search: Search, actions: list[Action]) -> list[Action] | None:
    """Those of the steps that happen, up to a break; None if nothing breaks."""
    world = search.bare
    done: list[Action] = []
    for action in actions:
        after = search.apply(world, action)
        if after is None:
            continue
        world = after
        done.append(action)
        if search.broken(world):
            return done
    return None


def _lines(search: Search, actions: list[Action]) -> list[str]:
    world = search.bare
    before = _seen(search, world)
    lines = [f"begin  [{'; '.join(before)}]" if before else "begin"]
    for action in actions:
        world = search.apply(world, action) or world
        after = _seen(search, world)
        news = [each for each in after if each not in before]
        news += [f"no more: {each}" for each in before if each not in after]
        lines.append(search.told(action) + (f"  [{'; '.join(news)}]" if news else ""))
        before = after
    return lines


def _seen(search: Search, world: World) -> list[str]:
    """What matters to people in a world."""
    lines: list[Any] = []
    for name, number in zip(search.names, world.nodes, strict=True):
        if number >= 0 and search.locals.states[number].holds:
            lines.append(f"{name} holds epoch {search.locals.states[number].holds}")
    lines += [f"{who} uses {what}" for who, what, _ in search.usages[world.uses]]
    return lines
