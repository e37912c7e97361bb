"""The document says what the routes are, and replies are what it says."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from nexus.rest.openapi import operation_id
from tests.support.fake_api import Edge, allocation, page, pool, refuse


def _document(edge: Edge) -> Any:
    return edge.json("GET", "/api/v1/openapi.json")


def _schema(document: Any, path: str, method: str, status: int) -> Any:
    reply = document["paths"][path][method]["responses"][str(status)]
    schema = reply["content"]["application/json"]["schema"]
    return {**schema, "components": document["components"]}


def test_every_route_is_in_it_once(edge: Edge) -> None:
    document = _document(edge)
    assert document["openapi"] == "3.1.0"
    listed = [
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
    ]
    routes = edge.app.router.routes
    assert sorted(listed) == sorted(operation_id(route) for route in routes)
    assert len(set(listed)) == len(listed) == len(routes)
    assert "post_v1_allocations_subscriber_id_renew" in listed


def test_every_route_says_what_it_answers(edge: Edge) -> None:
    for path, item in _document(edge)["paths"].items():
        for operation in item.values():
            assert operation["summary"], path
            assert any(status.startswith("2") for status in operation["responses"]), path


def test_schemas_are_schemas_and_references_lead_somewhere(edge: Edge) -> None:
    document = _document(edge)
    names = document["components"]["schemas"]
    for schema in names.values():
        Draft202012Validator.check_schema(schema)

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                assert value["$ref"].removeprefix("#/components/schemas/") in names
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)


def test_replies_fit_their_schema_and_null_does_not(edge: Edge) -> None:
    document = _document(edge)
    edge.api.answer = allocation()
    shown = edge.json("POST", "/api/v1/allocations", {"pool_id": "p", "subscriber_id": "s"}, 201)
    schema = Draft202012Validator(_schema(document, "/api/v1/allocations", "post", 201))
    schema.validate(shown)
    assert not schema.is_valid({**shown, "ip": None})
    assert not schema.is_valid({**shown, "epoch": "3"})
    edge.api.answer = page(pool())
    shown = edge.json("GET", "/api/v1/pools")
    Draft202012Validator(_schema(document, "/api/v1/pools", "get", 200)).validate(shown)
    edge.api.answer = refuse("allocation_exists", allocation=allocation())
    body = {"pool_id": "p", "subscriber_id": "s"}
    shown = edge.json("POST", "/api/v1/allocations", body, 409)
    Draft202012Validator(_schema(document, "/api/v1/allocations", "post", 409)).validate(shown)


def test_the_request_schema_is_the_one_that_validates(edge: Edge) -> None:
    document = _document(edge)
    request = document["paths"]["/api/v1/allocations"]["post"]["requestBody"]
    reference = request["content"]["application/json"]["schema"]["$ref"]
    schema = document["components"]["schemas"][reference.rsplit("/", 1)[1]]
    assert schema["required"] == ["pool_id", "subscriber_id"]
    validator = Draft202012Validator({**schema, "components": document["components"]})
    edge.api.answer = allocation()
    for more in ({"ttl": 5}, {"ttl": -1}, {"ttl": "5"}, {"alloc_type": "x"}, {"pool_id": "a b"}):
        body = {"pool_id": "p", "subscriber_id": "s", **more}
        taken = edge.request("POST", "/api/v1/allocations", body).status == 201
        assert taken == validator.is_valid(body), json.dumps(body)


def test_it_is_the_same_in_every_process(edge: Edge) -> None:
    assert (
        edge.request("GET", "/api/v1/openapi.json").body
        == Edge().request("GET", "/api/v1/openapi.json").body
    )
