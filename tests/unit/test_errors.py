"""The error registry: a code is a promise about its meaning and its HTTP status."""

from __future__ import annotations

import pytest

from nexus.errors import REGISTRY, NexusError, validation

STATUS_OF_CODE = {
    "malformed_json": 400,
    "validation_failed": 400,
    "resource_excluded": 400,
    "resource_outside_pool": 400,
    "device_revoked": 403,
    "device_rejected": 403,
    "route_not_found": 404,
    "pool_not_found": 404,
    "allocation_not_found": 404,
    "node_not_found": 404,
    "device_not_found": 404,
    "method_not_allowed": 405,
    "pool_exists": 409,
    "pool_overlaps": 409,
    "pool_in_use": 409,
    "allocation_exists": 409,
    "allocation_permanent": 409,
    "resource_taken": 409,
    "resource_cooling": 409,
    "device_exists": 409,
    "device_pending": 409,
    "device_not_approvable": 409,
    "site_full": 409,
    "last_owner": 409,
    "body_too_large": 413,
    "rate_limited": 429,
    "pool_exhausted": 503,
    "owner_unreachable": 503,
    "quorum_unavailable": 503,
    "starting": 503,
    "storage_failed": 503,
}


@pytest.mark.parametrize(("code", "status"), STATUS_OF_CODE.items())
def test_shipped_codes_keep_their_status(code: str, status: int) -> None:
    assert NexusError(code, "why").status == status


def test_every_row_is_found_under_its_own_code_and_says_something() -> None:
    for code, kind in REGISTRY.items():
        assert kind.code == code
        assert kind.prose.endswith(".")


def test_a_code_outside_the_registry_is_a_defect_of_ours() -> None:
    with pytest.raises(KeyError):
        NexusError("no_such_code", "why")


def test_an_error_is_definite_unless_said_otherwise() -> None:
    assert NexusError("pool_exhausted", "full").definite
    assert not NexusError("quorum_unavailable", "alone", definite=False).definite


def test_detail_travels_with_the_error() -> None:
    error = NexusError("resource_cooling", "not yet", retry_after_s=7)
    assert error.detail == {"retry_after_s": 7}
    assert error.message == "not yet"


def test_validation_text_is_the_one_clients_match_on() -> None:
    error = validation("pool_id", "must not be empty")
    assert error.code == "validation_failed"
    assert error.message == "validation error for field 'pool_id': must not be empty"
