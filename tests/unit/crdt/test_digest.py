"""Digests: a row's fingerprint is fixed for ever, and a comparison finds exactly what differs."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from nexus.crdt.digest import (
    PROBE_NODES_MAX,
    Differing,
    DigestTree,
    Fingerprint,
    Probe,
    depth_for,
    key_place,
    opening,
    reconcile,
    respond,
    row_fingerprint,
)

ROW = (17, "ont-1", 3, 9, 1, 0)


def test_the_layout_is_frozen_because_nodes_of_two_versions_compare_it() -> None:
    assert row_fingerprint(*ROW) == 0x2CD7195BF9D68096
    assert row_fingerprint(2**127 + 1, "", 2**64 - 1, 0, 2**32 - 1, 65535) == 0x1ECC401DC4BA17E7


@pytest.mark.parametrize("field", range(len(ROW)))
def test_every_field_counts(field: int) -> None:
    changed: list[int | str] = list(ROW)
    changed[field] = "ont-2" if field == 1 else int(ROW[field]) + 1
    assert row_fingerprint(*changed) != row_fingerprint(*ROW)  # type: ignore[arg-type]


def test_a_fingerprint_does_not_depend_on_the_order_of_changes() -> None:
    one, two = Fingerprint(), Fingerprint()
    one.add(5)
    one.add(9)
    one.replace(5, 6)
    one.add(1)
    one.discard(1)
    two.add(9)
    two.add(6)
    assert (one.value, one.count) == (two.value, two.count)


@pytest.mark.parametrize(
    ("rows", "depth"), [(0, 0), (16, 0), (17, 1), (1_000_000, 4), (1 << 40, 5)]
)
def test_depth_follows_the_rows(rows: int, depth: int) -> None:
    assert depth_for(rows) == depth


def _tree(depth: int, rows: dict[str, int]) -> DigestTree:
    tree = DigestTree(depth)
    for key, fingerprint in rows.items():
        tree.toggle(key_place(key), fingerprint)
    return tree


@pytest.mark.parametrize("depth", [0, 1, 2, 4])
@pytest.mark.parametrize("different", [0, 1, 7, 200])
def test_reconcile_names_the_leaves_that_differ_and_no_other(depth: int, different: int) -> None:
    rng = Random(depth * 1000 + different)
    rows = {f"k{number}": rng.getrandbits(64) for number in range(400)}
    changed = sorted(rng.sample(sorted(rows), different))
    mine = _tree(depth, rows)
    theirs = _tree(depth, rows | {key: rng.getrandbits(64) for key in changed})
    leaves = sorted({mine.leaf_of(key_place(key)) for key in changed})
    assert list(reconcile(mine, theirs)) == leaves
    assert list(reconcile(theirs, mine)) == leaves


def test_the_root_is_the_same_at_every_depth() -> None:
    rows = {f"k{number}": number * 7919 for number in range(50)}
    assert len({_tree(depth, rows).root for depth in range(5)}) == 1


def test_equal_trees_cost_one_small_message() -> None:
    rows = {f"k{number}": number for number in range(100)}
    step = opening(_tree(4, rows))
    assert len(msgspec.msgpack.encode(step)) <= 32
    assert respond(_tree(4, rows), step) == Differing(())


def test_bytes_for_few_differences_stay_within_the_goal() -> None:
    # P14: at most 1 kB each + 2 kB; here what the digests take, the leaves' heads come on top.
    rows = {f"k{number}": number * 2654435761 for number in range(20_000)}
    mine = _tree(4, rows)
    for different in (1, 10, 100):
        theirs = _tree(4, rows | {f"k{number}": 1 for number in range(different)})
        sides, sent, turn = (theirs, mine), 0, 0
        step: Probe | Differing = opening(mine)
        while isinstance(step, Probe):
            sent += len(msgspec.msgpack.encode(step))
            step = respond(sides[turn & 1], step)
            turn += 1
        assert sent <= 700 * different + 64


def test_a_comparison_too_big_for_one_run_is_cut_and_goes_on_in_the_next() -> None:
    mine, theirs = DigestTree(4), DigestTree(4)
    for parent in range(1200):
        theirs.toggle(parent << 4, parent + 1)
    found = []
    while leaves := reconcile(mine, theirs):
        assert len(leaves) <= PROBE_NODES_MAX
        for leaf in leaves:
            mine.toggle(leaf, (leaf >> 4) + 1)
        found.append(len(leaves))
    assert found == [512, 512, 176]
    assert mine.root == theirs.root


@pytest.mark.parametrize(
    "probe",
    [
        Probe(2, 0, (0,), bytes(8)),
        Probe(1, 2, (0,), bytes(8)),
        Probe(1, -1, (0,), bytes(8)),
        Probe(1, 1, (16,), bytes(8)),
        Probe(1, 1, (-1,), bytes(8)),
        Probe(1, 1, (0, 1), bytes(8)),
        Probe(1, 1, tuple(range(16)) * 1000, bytes(8 * 16_000)),
    ],
)
def test_a_probe_that_cannot_be_ours_is_refused(probe: Probe) -> None:
    with pytest.raises(ValueError, match=r"probe|digest|node"):
        respond(DigestTree(1), probe)


def test_a_tree_of_impossible_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="depth 6"):
        DigestTree(6)
