"""The storm reaches every route and property of a document."""

from __future__ import annotations

from tests.support.storm import Shot, shots

DOCUMENT = {
    "paths": {
        "/pools": {
            "get": {
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer"}}]
            },
            "post": {
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/P"}}}
                }
            },
        },
        "/pools/{pool_id}/units/{unit}": {"delete": {}},
        "/import": {"post": {"requestBody": {"content": {"text/csv": {}}}}},
    },
    "components": {
        "schemas": {
            "P": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string"},
                    "prefix": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                    "kind": {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]},
                },
            }
        }
    },
}


def of(method: str, path: str) -> list[Shot]:
    return [shot for shot in shots(DOCUMENT) if shot.method == method and shot.path == path]


def test_every_route_is_shot_at() -> None:
    aimed = {(shot.method, shot.path.split("?")[0].split("/")[1]) for shot in shots(DOCUMENT)}
    assert aimed == {("GET", "pools"), ("POST", "pools"), ("DELETE", "pools"), ("POST", "import")}


def test_bodies_are_wrong_in_one_property_only() -> None:
    bodies = {shot.why: shot.body for shot in of("POST", "/pools")}
    assert bodies["without id"] == b"{}"
    assert bodies["id=7"] == b'{"id": 7}'
    assert bodies["prefix='x'"] == b'{"id": "storm-pool", "prefix": "x"}'
    assert bodies["kind=unknown word"] == b'{"id": "storm-pool", "kind": "unknown-word"}'
    assert len(bodies["too large"] or b"") > 1 << 20


def test_each_path_parameter_is_wrong_in_turn() -> None:
    paths = {shot.path for shot in shots(DOCUMENT) if shot.method == "DELETE"}
    assert "/pools/%00/units/storm-unknown" in paths
    assert "/pools/storm-unknown/units/%00" in paths
    assert "/pools/storm-unknown/units/storm-unknown" in paths


def test_queries() -> None:
    assert "/pools?limit=-1" in {shot.path for shot in shots(DOCUMENT)}
