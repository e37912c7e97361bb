"""The OpenAPI 3.1 document, made from the routes and the structs that validate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from nexus.errors import REGISTRY
from nexus.rest.http import JSON_TYPE, Api, HttpReply, HttpRequest, Route, json_reply
from nexus.rest.schemas import ErrorReply, Reply

PATH = "/api/v1/openapi.json"
API_VERSION = "1"
_REF = "#/components/schemas/{name}"
_PARAM = re.compile(r"\{(\w+)\}")

_ERRORS_ANYWHERE = ("validation_failed", "internal_error")


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The whole document; components are sorted by name."""
    types = sorted(_types(routes), key=lambda each: each.__name__)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    refs = dict(zip(types, schemas, strict=True))
    for each in types:
        if issubclass(each, Reply):
            _drop_nulls(components[each.__name__])
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, refs)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Nexus",
            "version": API_VERSION,
            "description": "Coordination service for BNG edge networks.",
        },
        "paths": paths,
        "components": {"schemas": dict(sorted(components.items()))},
    }


def _types(routes: Sequence[Route]) -> set[Any]:
    found: set[Any] = {ErrorReply}
    for route in routes:
        found.update(each for each in (route.body, *route.replies.values()) if each is not None)
    return found


def _drop_nulls(schema: dict[str, Any]) -> None:
    """Replies leave out what is absent, so their optional keys are never null."""
    for name, described in schema.get("properties", {}).items():
        options = described.get("anyOf")
        if options is None or {"type": "null"} not in options:
            continue
        kept = [option for option in options if option != {"type": "null"}]
        schema["properties"][name] = kept[0] if len(kept) == 1 else {"anyOf": kept}


def _operation(route: Route, refs: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": route.summary, "operationId": operation_id(route)}
    parameters = _parameters(route)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": {route.body_type: {"schema": refs.get(route.body, {"type": "string"})}},
        }
    operation["responses"] = _responses(route, refs)
    return operation


def operation_id(route: Route) -> str:
    """Stable id such as ``post_v1_allocations_subscriber_id_renew``."""
    words = route.path.removeprefix("/api").replace("{", "").replace("}", "")
    return re.sub(r"\W+", "_", route.method.lower() + words)


def _parameters(route: Route) -> list[dict[str, Any]]:
    text = {"type": "string", "minLength": 1}
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": text}
        for name in _PARAM.findall(route.path)
    ]
    in_query = [
        {
            "name": param.name,
            "in": "query",
            "required": param.required,
            "description": param.description,
            "schema": {"type": param.type},
        }
        for param in route.query
    ]
    return in_path + in_query


def _responses(route: Route, refs: dict[Any, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, reply in sorted(route.replies.items()):
        described: dict[str, Any] = {"description": "Success" if status < 400 else "Refused"}
        if reply is not None:
            described["content"] = {JSON_TYPE: {"schema": refs[reply]}}
        elif status != 204:
            described["content"] = {route.reply_type: {"schema": {"type": "string"}}}
        responses[str(status)] = described
    by_status: dict[int, list[str]] = {}
    for code in (*_ERRORS_ANYWHERE, *route.errors):
        by_status.setdefault(REGISTRY[code].http_status, []).append(code)
    for status, codes in sorted(by_status.items()):
        if str(status) not in responses:
            responses[str(status)] = {
                "description": "; ".join(f"`{code}`: {REGISTRY[code].prose}" for code in codes),
                "content": {JSON_TYPE: {"schema": refs[ErrorReply]}},
            }
    return responses


def routes(others: Sequence[Route]) -> tuple[Route, ...]:
    """The route that serves the document of all others; it is made once."""
    made: list[HttpReply] = []

    async def handle(_request: HttpRequest, _api: Api) -> HttpReply:
        if not made:
            made.append(json_reply(200, document((*others, route))))
        return made[0]

    route = Route(
        method="GET",
        path=PATH,
        handler=handle,
        summary="This document",
        replies={200: None},
        reply_type=JSON_TYPE,
    )
    return (route,)
