"""States, identity, and what watchers are told."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from nexus.devices import records
from nexus.devices.records import Change, DeviceRecord, next_state, node_id_of, shut_out
from nexus.errors import NexusError


def device(**fields) -> DeviceRecord:
    values = {"serial": "OLT-0001", "node_id": "node-00", "state": records.PENDING, "added_us": 1}
    return DeviceRecord(**{**values, **fields})


def test_node_id_is_what_installed_devices_compute():
    digest = hashlib.sha256(b"OLT-0001:AA:BB:CC:DD:EE:FF").hexdigest()
    assert node_id_of("OLT-0001", "AA:BB:CC:DD:EE:FF") == f"node-{digest[:16]}"
    assert node_id_of("OLT-0001", None) == f"node-{hashlib.sha256(b'OLT-0001:').hexdigest()[:16]}"


def test_node_id_form_is_recognised_exactly():
    assert records.looks_like_node_id(node_id_of("OLT-0001", None))
    assert not records.looks_like_node_id("node-0123456789abcdeg")
    assert not records.looks_like_node_id("node-0123456789abcde")
    assert not records.looks_like_node_id("machine-0123456789abcdef")


@pytest.mark.parametrize("state", records.STATES)
def test_revoke_leads_to_revoked_from_everywhere(state):
    assert next_state("revoke", device(state=state)) == records.REVOKED


@pytest.mark.parametrize("verb", ["approve", "assign"])
@pytest.mark.parametrize("state", [records.REVOKED, records.REJECTED])
def test_nothing_but_listing_anew_leads_back(verb, state):
    with pytest.raises(NexusError) as refused:
        next_state(verb, device(state=state))
    assert refused.value.code == "device_not_approvable"
    assert next_state("whitelist", device(state=state)) == records.PENDING


def test_reject_does_not_soften_a_revocation():
    assert next_state("reject", device(state=records.REVOKED)) == records.REVOKED
    assert next_state("reject", device(state=records.CONFIGURED)) == records.REJECTED


@pytest.mark.parametrize("state", [records.PENDING, records.APPROVED, records.CONFIGURED])
def test_listing_a_known_device_is_refused(state):
    with pytest.raises(NexusError) as refused:
        next_state("whitelist", device(state=state))
    assert refused.value.code == "device_exists"


def test_every_verb_of_the_table_names_known_states_only():
    for ways in records.TRANSITIONS.values():
        assert set(ways) | set(ways.values()) <= set(records.STATES)


def test_shut_out_tells_the_two_refusals_apart():
    revoked = shut_out(device(state=records.REVOKED))
    rejected = shut_out(device(state=records.REJECTED))
    assert revoked is not None and revoked.code == "device_revoked"
    assert rejected is not None and rejected.code == "device_rejected"
    assert shut_out(device(state=records.APPROVED)) is None


def test_a_poll_that_only_moves_last_seen_is_not_told():
    before = device(last_seen_us=1)
    poll = Change("OLT-0001", before, msgspec.structs.replace(before, last_seen_us=2))
    assert not poll.worth_telling and poll.watch_events() == ()
    upgrade = Change(
        "OLT-0001", before, msgspec.structs.replace(before, last_seen_us=2, firmware="2")
    )
    assert upgrade.worth_telling
    assert [kind for kind, _, _ in upgrade.watch_events()] == ["put"]


def test_a_re_keyed_device_leaves_its_old_watch_key():
    before = device(node_id="node-a")
    after = device(node_id="node-b")
    assert Change("OLT-0001", before, after).watch_events() == (
        ("delete", "devices/node-a", None),
        ("put", "devices/node-b", after),
    )
    assert Change("OLT-0001", before, None).watch_events() == (("delete", "devices/node-a", None),)
