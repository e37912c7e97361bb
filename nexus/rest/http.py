"""HTTP as the handlers see it: values in, values out, and the registry of routes.

A handler is a coroutine ``(HttpRequest, Api) -> HttpReply``.  Nothing here knows aiohttp, so that
the same handlers serve behind any HTTP parser.  Errors are raised as `NexusError` and become the
API's one error shape in `error_reply`.  A module of the API declares its handlers once, as a tuple
of `Route`; validation, the OpenAPI document, ``Allow`` and the metrics' ``path`` label all come
from that declaration.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

import msgspec

from nexus.errors import NexusError, validation

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"
QUERY_FIELDS_MAX = 64

Headers = tuple[tuple[str, str], ...]


class Api(Protocol):
    """What the handlers need of the node; the runtime implements it over the driver."""

    def call(self, request: Any, cause_id: str, actor: str) -> Awaitable[Any]:
        """Hand one request of `nexus.core.operations` to the core; its view, or `NexusError`."""

    def unhealthy(self) -> str | None:
        """Why this node does not serve (log replay, a lone node's dead disk); None if it does."""


class HttpRequest(msgspec.Struct, gc=False, eq=False):
    """One request, read to its end.

    path, query_string : as sent, still percent-encoded; the router fills ``params``, decoded.
    headers : answers ``get`` whatever the case of the name.
    actor : who asks and from where, for the audit log.
    takes_streams : whether the port can send a reply piece by piece.
    """

    method: str
    path: str
    query_string: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""
    cause_id: str = ""
    actor: str = "anonymous"
    takes_streams: bool = True
    params: dict[str, str] = {}
    parsed_query: dict[str, str] | None = None

    @property
    def query(self) -> Mapping[str, str]:
        """Decoded query parameters that are not empty; the first of equal names counts."""
        if self.parsed_query is None:
            self.parsed_query = parse_query(self.query_string) if self.query_string else {}
        return self.parsed_query


def parse_query(query_string: str) -> dict[str, str]:
    """Decode a query string; refuses bytes that are not UTF-8."""
    try:
        pairs = parse_qsl(query_string, errors="strict", max_num_fields=QUERY_FIELDS_MAX)
    except ValueError as problem:
        raise validation("query", "is not a query string in UTF-8") from problem
    pairs.reverse()
    return dict(pairs)


class HttpReply(msgspec.Struct, gc=False, eq=False):
    """One reply: a status and bytes, or a ``stream`` of chunks after the headers."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: Headers = ()
    stream: AsyncGenerator[bytes, None] | None = None


Handler = Callable[[HttpRequest, Api], Awaitable[HttpReply]]


class QueryParam(msgspec.Struct, frozen=True):
    """A query parameter of a route, for the OpenAPI document."""

    name: str
    description: str
    type: str = "string"
    required: bool = False


class Route(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One method of one path.

    path : template such as ``/api/v1/pools/{pool_id}``; a parameter is one whole segment.
    handler : ``async def (request, api) -> HttpReply``.
    summary : one line for the documentation.
    body : type that the request body is decoded with, None where there is none; with
        ``body_optional`` it may be absent.
    replies : type of the JSON body by status; None where the reply has no JSON body.
    errors : codes beyond those that every route may answer.
    streams : the reply is a stream.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    body: Any = None
    body_optional: bool = False
    body_type: str = JSON_TYPE
    replies: dict[int, Any] = {}
    reply_type: str = JSON_TYPE
    errors: tuple[str, ...] = ()
    query: tuple[QueryParam, ...] = ()
    streams: bool = False


_encode = msgspec.json.Encoder(decimal_format="number").encode


def json_reply(status: int, value: Any, headers: Headers = ()) -> HttpReply:
    """A reply with one JSON document; ``value`` is a struct of `nexus.rest.schemas` or plain."""
    return HttpReply(status, _encode(value) + b"\n", JSON_TYPE, headers)


def empty_reply(status: int = 204, headers: Headers = ()) -> HttpReply:
    """A reply without a body."""
    return HttpReply(status, b"", "", headers)


def error_body(error: NexusError, cause_id: str) -> dict[str, Any]:
    """The API's error shape: ``error``, ``code``, ``definite``, ``cause_id`` and the detail."""
    body: dict[str, Any] = {
        "error": error.message,
        "code": error.code,
        "definite": error.definite,
        "cause_id": cause_id,
    }
    for key, value in error.detail.items():
        if key not in _DETAIL_HEADERS:
            body[key] = present(value)
    return body


def error_reply(error: NexusError, cause_id: str) -> HttpReply:
    """An error as a reply; ``retry_after_s`` and ``allow`` of its detail are headers."""
    headers = tuple(
        [
            (_DETAIL_HEADERS[key], str(value))
            for key, value in error.detail.items()
            if key in _DETAIL_HEADERS
        ]
    )
    return json_reply(error.status, error_body(error, cause_id), headers)


_DETAIL_HEADERS = {"retry_after_s": "Retry-After", "allow": "Allow"}
"""Details of an error that are headers of the reply, not keys of its body."""

Presenter = TypeVar("Presenter", bound=Callable[..., Any])

_presenters: dict[type, Callable[..., Any]] = {}


def presents(view: type) -> Callable[[Presenter], Presenter]:
    """Register how a view of the core looks in JSON, for errors and watch events that carry it."""

    def register(presenter: Presenter) -> Presenter:
        _presenters[view] = presenter
        return presenter

    return register


def present(value: Any) -> Any:
    """A view in its API shape; anything else as it is."""
    presenter = _presenters.get(type(value))
    return value if presenter is None else presenter(value)
