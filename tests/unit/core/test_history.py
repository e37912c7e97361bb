"""The bounded memory behind `explain`."""

from __future__ import annotations

from nexus.core import history
from nexus.core.history import History
from nexus.model.views import HistoryEntry


def test_spans_of_one_resource_come_newest_first_and_others_do_not_mix_in() -> None:
    past = History()
    past.opened(1, 7, "a", 10, 3, "c1")
    past.opened(1, 8, "x", 11, 3, "c2")
    past.opened(2, 7, "y", 12, 9, "c3")
    past.closed(1, 7, "a", 20, "released", "c4")
    past.opened(1, 7, "b", 30, 4, "c5")
    assert past.of(1, 7) == (
        HistoryEntry("b", 30, None, 4, "allocated", "c5"),
        HistoryEntry("a", 10, 20, 3, "released", "c4"),
    )
    assert past.of(2, 7) == (HistoryEntry("y", 12, None, 9, "allocated", "c3"),)
    assert past.of(3, 7) == ()


def test_an_end_without_its_beginning_is_left_out() -> None:
    past = History()
    past.closed(1, 7, "a", 20, "expired", "c")
    past.opened(1, 7, "b", 30, 4, "c")
    past.closed(1, 7, "a", 40, "expired", "c")
    assert past.of(1, 7) == (HistoryEntry("b", 30, None, 4, "allocated", "c"),)


def test_memory_is_bounded_as_a_whole_and_per_resource(monkeypatch) -> None:
    monkeypatch.setattr(history, "CHANGES_MAX", 40)
    past = History()
    past.opened(1, 9, "old", 0, 1, "c")
    for number in range(20):
        past.opened(1, 7, f"s{number}", number, 1, "c")
        past.closed(1, 7, f"s{number}", number, "released", "c")
    assert past.of(1, 9) == ()
    assert [span.subscriber_id for span in past.of(1, 7)] == [f"s{n}" for n in range(19, 11, -1)]
