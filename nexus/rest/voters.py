"""Who votes in the cluster, and changing it."""

from __future__ import annotations

from nexus.core.operations.voters import ChangeVoters, GetVoters
from nexus.rest import params, present, schemas
from nexus.rest.decode import BodyDecoder
from nexus.rest.http import Api, HttpReply, HttpRequest, Route, json_reply

VOTERS = "/api/v1/voters"

_body = BodyDecoder(schemas.VotersRequest)


async def get_voters(request: HttpRequest, api: Api) -> HttpReply:
    """The voters as this node knows them, and those of a change under way."""
    view = await api.call(GetVoters(), request.cause_id, request.actor)
    return json_reply(200, present.voters(view))


async def change_voters(request: HttpRequest, api: Api) -> HttpReply:
    """202: the change is begun and goes on by itself; 200: these vote already."""
    body, warnings = _body.decode(request.body)
    wanted = tuple(params.node_id(each, "voters") for each in body.voters)
    view = await api.call(ChangeVoters(wanted), request.cause_id, request.actor)
    return json_reply(202 if view.begun else 200, present.voters(view, warnings))


ROUTES = (
    Route(
        method="GET",
        path=VOTERS,
        handler=get_voters,
        summary="Who votes",
        replies={200: schemas.VotersReply},
    ),
    Route(
        method="PUT",
        path=VOTERS,
        handler=change_voters,
        summary="Begin a change of voters",
        body=schemas.VotersRequest,
        replies={200: schemas.VotersReply, 202: schemas.VotersReply},
        errors=(
            *("malformed_json", "node_not_found", "body_too_large"),
            *("owner_unreachable", "quorum_unavailable", "storage_failed"),
        ),
    ),
)
