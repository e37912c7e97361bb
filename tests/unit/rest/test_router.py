"""From method and path to a handler, 404 or 405."""

from __future__ import annotations

import pytest

from nexus.errors import NexusError
from nexus.rest.http import Api, HttpReply, HttpRequest, Route
from nexus.rest.router import Router


async def _nothing(_request: HttpRequest, _api: Api) -> HttpReply:
    return HttpReply(200)


def route(method: str, path: str) -> Route:
    return Route(method=method, path=path, handler=_nothing, summary="")


ROUTER = Router(
    [
        route("GET", "/health"),
        route("GET", "/v1/things"),
        route("POST", "/v1/things"),
        route("GET", "/v1/things/expiring"),
        route("GET", "/v1/things/{thing}"),
        route("POST", "/v1/things/{thing}/renew"),
        route("GET", "/v1/explain/{pool}/{resource}"),
    ]
)


def match(method: str, path: str) -> tuple[str, dict[str, str]]:
    request = HttpRequest(method, path)
    return ROUTER.match(request).path, dict(request.params)


def refused(method: str, path: str) -> NexusError:
    with pytest.raises(NexusError) as caught:
        match(method, path)
    return caught.value


@pytest.mark.parametrize(
    ("path", "template", "params"),
    [
        ("/health", "/health", {}),
        ("//health", "/health", {}),
        ("/v1///things", "/v1/things", {}),
        ("/v1/%74hings", "/v1/things", {}),
        ("/v1/things/expiring", "/v1/things/expiring", {}),
        ("/v1/things/aa:bb", "/v1/things/{thing}", {"thing": "aa:bb"}),
        ("/v1/things/aa%3Abb", "/v1/things/{thing}", {"thing": "aa:bb"}),
        ("/v1/things/a%2Fb", "/v1/things/{thing}", {"thing": "a/b"}),
        ("/v1/things/a+b", "/v1/things/{thing}", {"thing": "a+b"}),
        ("/v1//things//x", "/v1/things/{thing}", {"thing": "x"}),
        ("/v1/things/..", "/v1/things/{thing}", {"thing": ".."}),
        ("/v1/explain/p/2001:db8::%2F56", None, {"pool": "p", "resource": "2001:db8::/56"}),
    ],
)
def test_found(path: str, template: str | None, params: dict[str, str]) -> None:
    found, got = match("GET", path)
    assert template is None or found == template
    assert got == params


def test_a_parameter_may_be_a_word_that_is_a_path_elsewhere() -> None:
    """G42: the fixed name wins only where the rest of the path fits it."""
    assert match("POST", "/v1/things/expiring/renew")[1] == {"thing": "expiring"}


@pytest.mark.parametrize(
    "path",
    [
        *("/", "", "//", "/healthy", "/health/", "/v1/things/", "/v1/things//", "/v1", "/v1/"),
        *("/v1/things/a/b", "/v1/explain/p", "health", "*", "/v1/things/%ff", "/v1/things/\udcff"),
    ],
)
def test_not_found(path: str) -> None:
    assert refused("GET", path).code == "route_not_found"


def test_methods() -> None:
    assert match("HEAD", "/health")[0] == "/health"
    error = refused("DELETE", "/v1/things")
    assert (error.status, error.detail["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert refused("GET", "/v1/things/x/renew").detail["allow"] == "OPTIONS, POST"
    assert refused("options", "/health").code == "method_not_allowed"
    assert refused("OPTIONS", "/nope").code == "route_not_found"
    assert match("OPTIONS", "/v1/things/x")[0] == "unmatched"
    assert match("OPTIONS", "*")[0] == "unmatched"


def test_mistakes_of_ours_are_found_at_start() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        Router([route("GET", "/a"), route("GET", "/a")])
    with pytest.raises(ValueError, match="elsewhere"):
        Router([route("GET", "/a/{x}"), route("GET", "/a/{y}/z")])
