"""Who a member is: remembered, counted, and never somebody else by accident."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.driver.ports import StoreDamagedError, StoreError
from nexus.runtime.identity import FILE_NAME, start_identity


def test_the_first_start_makes_ids_and_later_ones_keep_them(tmp_path: Path) -> None:
    first = start_identity(tmp_path, "", log_exists=False)
    second = start_identity(tmp_path, "", log_exists=True)
    assert first.session == 1
    assert second.session == 2
    assert (first.node_id, first.cluster_id, first.incarnation) == (
        second.node_id,
        second.cluster_id,
        second.incarnation,
    )


def test_a_lost_log_is_a_new_life_of_the_disk_with_a_new_session(tmp_path: Path) -> None:
    # The log was removed, the member's file was not: what the disk knew is gone (R22).
    first = start_identity(tmp_path, "olt-1", log_exists=False)
    start_identity(tmp_path, "olt-1", log_exists=True)
    again = start_identity(tmp_path, "olt-1", log_exists=False)
    assert again.incarnation != first.incarnation
    assert again.session == 3
    assert again.cluster_id == first.cluster_id


def test_another_node_id_is_refused_and_nothing_is_counted(tmp_path: Path) -> None:
    start_identity(tmp_path, "olt-1", log_exists=False)
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(StoreError, match="belongs to node olt-1, not to olt-2"):
        start_identity(tmp_path, "olt-2", log_exists=True)
    assert (tmp_path / FILE_NAME).read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": "x"}', b'{"node_id": "\xa5"}'])
def test_a_damaged_file_is_an_error_not_a_new_member(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(StoreDamagedError, match="is damaged"):
        start_identity(tmp_path, "", log_exists=True)


def test_a_log_without_its_member_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreDamagedError, match="is missing beside its log"):
        start_identity(tmp_path, "", log_exists=True)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    start_identity(tmp_path, "olt-1", log_exists=False)
    path = tmp_path / FILE_NAME
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(StoreError, match="has format 2"):
        start_identity(tmp_path, "", log_exists=True)


def test_a_folder_that_refuses_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "member.partial").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        start_identity(tmp_path, "", log_exists=False)
