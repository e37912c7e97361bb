"""The router: from a method and a raw path to a route, its parameters, or 404 and 405.

Paths are matched segment by segment on a tree; a fixed segment wins over a parameter.  Doubled
slashes count as one (shipped clients join a base URL ending in ``/``), nothing is ever redirected,
and percent-encoding is decoded after the split, so ``%2F`` stays inside its segment.  Paths without
parameters, sent plainly, take one dictionary look-up.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from nexus.errors import NexusError
from nexus.rest.http import Api, HttpReply, HttpRequest, Route, empty_reply

UNMATCHED = "unmatched"
"""Path label of requests that no route matches: what was asked is never a label."""


class _Node:
    """One segment of the tree of templates."""

    __slots__ = ("fixed", "methods", "param", "param_name")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.param: _Node | None = None
        self.param_name = ""
        self.methods: dict[str, Route] = {}


class Router:
    """All routes of one API; their order does not matter, a route given twice is refused."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = _Node()
        self._exact: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in _segments(route.path):
            if segment.startswith("{"):
                if node.param is None:
                    node.param = _Node()
                    node.param_name = segment[1:-1]
                elif node.param_name != segment[1:-1]:
                    raise ValueError(f"{route.path}: {segment} is {node.param_name} elsewhere")
                node = node.param
            else:
                node = node.fixed.setdefault(segment, _Node())
        if route.method in node.methods:
            raise ValueError(f"{route.method} {route.path} is registered twice")
        node.methods[route.method] = route
        if route.method == "GET":
            node.methods.setdefault("HEAD", route)
        if "{" not in route.path:
            self._exact[route.path] = node.methods

    def match(self, request: HttpRequest) -> Route:
        """The route of a request, with ``request.params`` filled.

        Raises route_not_found, or method_not_allowed with ``Allow``.
        """
        methods = self._exact.get(request.path)
        if methods is None:
            methods = self._walk(request)
        route = methods.get(request.method)
        if route is not None:
            return route
        allow = allowed(methods)
        if request.method == "OPTIONS":
            return _options_route(allow)
        raise NexusError("method_not_allowed", f"method not allowed; try {allow}", allow=allow)

    def _walk(self, request: HttpRequest) -> dict[str, Route]:
        path = request.path
        if request.method == "OPTIONS" and path == "*":
            every = {route.method: route for route in self.routes}
            return {**every, "HEAD": self.routes[0]}
        try:
            segments = [unquote(part, errors="strict") for part in _segments(path)]
            path.encode()
        except UnicodeError:
            raise _not_found() from None
        params: dict[str, str] = {}
        methods = _descend(self._root, segments, 0, params)
        if not methods or not path.startswith("/"):
            raise _not_found()
        request.params = params
        return methods


def _descend(
    node: _Node, segments: list[str], depth: int, params: dict[str, str]
) -> dict[str, Route] | None:
    """Methods at the end of the segments, fixed names first; the depth is that of the templates."""
    if depth == len(segments):
        return node.methods or None
    segment = segments[depth]
    fixed = node.fixed.get(segment)
    if fixed is not None:
        found = _descend(fixed, segments, depth + 1, params)
        if found is not None:
            return found
    if node.param is None or not segment:
        return None
    params[node.param_name] = segment
    found = _descend(node.param, segments, depth + 1, params)
    if found is None:
        del params[node.param_name]
    return found


def _segments(path: str) -> list[str]:
    """Segments of a path, doubled slashes collapsed; a slash at the end is a segment, empty."""
    parts = path.split("/")
    last = len(parts) - 1
    return [part for i, part in enumerate(parts) if part or (i == last and i > 0)]


def _not_found() -> NexusError:
    return NexusError("route_not_found", "404 page not found")


def allowed(methods: Iterable[str]) -> str:
    """Value of ``Allow``: sorted, OPTIONS always among them."""
    return ", ".join(sorted({*methods, "OPTIONS"}))


def _options_route(allow: str) -> Route:
    async def options(_request: HttpRequest, _api: Api) -> HttpReply:
        return empty_reply(204, (("Allow", allow),))

    return Route(method="OPTIONS", path=UNMATCHED, handler=options, summary="Allowed methods")
