"""Identifiers: alphabets, not blacklists (G38)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nexus.model.ids import (
    InvalidIdError,
    check_node_id,
    check_pool_id,
    check_serial,
    check_site_id,
    check_subscriber_id,
    normalise_mac,
    shown,
)


@pytest.mark.parametrize(
    "text", ["a", "1", "pool-1", "a--b", "dropbox", "union-square", "a.b_c-d", "a" * 128]
)
@pytest.mark.parametrize("check", [check_pool_id, check_node_id])
def test_names_accepted(check: Callable[[str], str], text: str) -> None:
    assert check(text) == text


@pytest.mark.parametrize(
    "text", ["", "-a", "a-", ".a", "a_", "a b", "a/b", "a:b", "a" * 129, "ä", "a\n", "a\x00b", "٣"]
)
@pytest.mark.parametrize("check", [check_pool_id, check_node_id])
def test_names_refused(check: Callable[[str], str], text: str) -> None:
    with pytest.raises(InvalidIdError, match=r"must be 1 to 128 .*, got "):
        check(text)


@pytest.mark.parametrize(
    "text",
    [
        "aa:bb:cc:dd:ee:ff",
        "walter@isp",
        "union-square",
        "pinto",
        "a--b",
        "DEMO00000001",
        "olt1/1/2:100.200",
        "user+tag=1#2~3,4",
        "x:",
        "hex:0a1B",
        "hexagon",
        "expiring2",
        "s" * 256,
        "hex:" + "ab" * 126,
    ],
)
def test_subscriber_ids_that_real_access_networks_use(text: str) -> None:
    assert check_subscriber_id(text) == text


@pytest.mark.parametrize(
    "text", ["", "a-", ":a", "@a", "O'Brien", "a b", "s" * 257, "expiring", "batch", "a;b", "ß"]
)
def test_subscriber_ids_refused(text: str) -> None:
    with pytest.raises(InvalidIdError):
        check_subscriber_id(text)


@pytest.mark.parametrize("text", ["hex:", "hex:abc", "hex:zz", "hex:0a:0b"])
def test_raw_bytes_must_be_whole_octets(text: str) -> None:
    with pytest.raises(InvalidIdError, match="even number of hexadecimal digits"):
        check_subscriber_id(text)


@pytest.mark.parametrize(
    "text",
    [
        *("machine-0123456789abcdef", "MID-" + "a" * 32, "ABCD", "a.b_"),
        "VMware-56 4d 1f 2e 33 44 55 66-77 88 99 aa bb cc dd ee",  # what DMI says on VMware
        "/8XYZ123/CN1234567890AB/",  # and of a Dell board
        "ab cd",
    ],
)
def test_serials_that_shipped_agents_send(text: str) -> None:
    assert check_serial(text) == text


@pytest.mark.parametrize("text", ["abc", "a" * 65, "a;bc", " abcd", "abcd ", "ab  cd", "ab\tcd"])
def test_serials_refused(text: str) -> None:
    with pytest.raises(InvalidIdError, match="4 to 64"):
        check_serial(text)


def test_site_ids() -> None:
    assert check_site_id("site_1-b") == "site_1-b"
    for text in ("", "_a", "a-", "a.b", "a" * 65):
        with pytest.raises(InvalidIdError, match="1 to 64"):
            check_site_id(text)


@pytest.mark.parametrize(
    "text", ["aa:bb:cc:00:11:22", "AA-BB-CC-00-11-22", "aabbcc001122", "aabb.cc00.1122"]
)
def test_mac_spellings_of_one_address(text: str) -> None:
    assert normalise_mac(text) == "AA:BB:CC:00:11:22"


def test_mac_of_8_and_20_octets() -> None:
    assert normalise_mac("0011223344556677") == "00:11:22:33:44:55:66:77"
    assert normalise_mac("ab" * 20) == ":".join(["AB"] * 20)


@pytest.mark.parametrize(
    "text", ["", "aa:bb:cc:00:11", "aa:bb-cc:00:11:22", "gg:bb:cc:00:11:22", "aabbcc00112", "aa"]
)
def test_mac_refused(text: str) -> None:
    with pytest.raises(InvalidIdError, match="6, 8 or 20 octets"):
        normalise_mac(text)


def test_the_refusal_knows_the_word_the_caller_used() -> None:
    with pytest.raises(InvalidIdError) as refused:
        check_node_id("", "backup_node_id")
    assert refused.value.field == "backup_node_id"


def test_a_number_is_no_id() -> None:
    with pytest.raises(InvalidIdError, match="must be text"):
        check_pool_id(7)  # type: ignore[arg-type]


def test_error_texts_stay_short_and_printable() -> None:
    assert len(shown("x" * 10_000)) < 80
    assert shown("a\x00b") == r"'a\x00b'"
