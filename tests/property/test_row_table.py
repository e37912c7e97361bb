"""A table of rows tells its units as a walk over it does, whatever was done to it before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nexus.ownership.shard import HELD, PERMANENT, Row, RowTable

START, SIZE = 100, 64

units = st.integers(START, START + SIZE - 1)
steps = st.one_of(
    st.tuples(st.sampled_from(["put", "put_new", "forget"]), units),
    st.tuples(st.just("load"), st.sets(units, min_size=1).map(sorted)),
    st.tuples(st.just("units"), st.none()),
)


def row(unit: int) -> Row:
    return Row(unit, f"sub-{unit}", 1, 1, HELD, PERMANENT, 0, 0, 0, 0)


@given(st.lists(steps, max_size=30))
def test_units_are_those_of_a_walk(taken: list[tuple[str, object]]) -> None:
    table = RowTable(START, START + SIZE)
    plain: dict[int, Row] = {}
    for step, what in taken:
        if step == "load":
            assert isinstance(what, list)
            rows = [row(unit) for unit in what]
            if table.load(rows, list(what)):
                plain.update(zip(what, rows, strict=True))
        elif step == "units":
            assert sorted(table.units()) == sorted(plain)
        elif step == "forget":
            assert isinstance(what, int)
            table.forget(what)
            plain.pop(what, None)
        else:
            assert isinstance(what, int)
            new = row(what)
            if step == "put":
                table.put(new)
                plain[what] = new
            elif table.put_new(new):
                plain[what] = new
    assert [each.index for each in table] == sorted(plain)
    assert sorted(table.units()) == sorted(plain)
    assert sorted(table.units()) == sorted(plain)
