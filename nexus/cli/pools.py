"""`nexus pools`: the ranges that resources are given from."""

from __future__ import annotations

import json
from typing import Any

import click

from nexus.cli.client import Json, segment
from nexus.cli.operator import Operator, limit_option, operator_command
from nexus.cli.output import Column, print_object

POOLS = "/api/v1/pools"
COLUMNS = (
    Column("ID", "id"),
    Column("TYPE", "type"),
    Column("SPACE", lambda pool: pool.get("cidr") or pool.get("range")),
    Column("SIZE", "size", right=True),
    Column("SHARDS", "shard_count", right=True),
    Column("GATEWAY", "gateway"),
    Column("CREATED", "created_at"),
)

TYPES = ("ipv4", "ipv6", "vlan", "svlan", "port")
TEXT_KEYS = ("cidr", "range", "c_vlan", "gateway")
COUNT_KEYS = ("prefix", "block_size", "sharding_factor", "headroom_shards")
SECONDS_KEYS = ("cooldown", "horizon", "mclt", "default_ttl", "max_ttl")
RATIO_KEYS = ("backup_ratio", "load_bound")
FLAG_KEYS = ("pinned", "fast_failover", "allow_overlap")
LIST_KEYS = ("dns", "exclusions")


@click.group()
def pools() -> None:
    """List, show, create and delete pools."""


@operator_command(pools, "list")
@limit_option
def list_pools(operator: Operator, limit: int) -> None:
    """All pools, oldest first."""
    operator.show_list(POOLS, "pools", COLUMNS, limit=limit)


@operator_command(pools)
@click.argument("pool_id")
def show(operator: Operator, pool_id: str) -> None:
    """A pool's definition, and how full it is."""
    path = f"{POOLS}/{segment(pool_id)}"
    pool = operator.server.call("GET", path)
    usage = operator.server.call("GET", f"{path}/usage")
    if operator.json:
        operator.show_reply({"pool": pool, "usage": usage})
    else:
        print_object({**pool, **usage})


def _definition_options(function: Any) -> Any:
    options = [
        *(click.option(_flag(key), key) for key in TEXT_KEYS),
        *(click.option(_flag(key), key, type=int) for key in COUNT_KEYS),
        *(click.option(_flag(key), key, type=int, help="Seconds.") for key in SECONDS_KEYS),
        *(click.option(_flag(key), key, type=float) for key in RATIO_KEYS),
        *(click.option(_flag(key), key, is_flag=True, default=None) for key in FLAG_KEYS),
        *(click.option(_flag(key), key, multiple=True, help="Repeatable.") for key in LIST_KEYS),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


@operator_command(pools)
@click.argument("pool_id", required=False)
@click.option("--type", "type", type=click.Choice(TYPES), help="Default: by the cidr.")
@_definition_options
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="Repeatable.")
@click.option("--file", "file", type=click.File("rb"), help="The definition as JSON; - for stdin.")
def create(
    operator: Operator,
    pool_id: str | None,
    metadata: tuple[str, ...],
    file: Any,
    **options: Any,
) -> None:
    """Create a pool: nexus pools create wifi --cidr 10.0.0.0/16."""
    body: Json = {}
    if file is not None:
        try:
            body = json.load(file)
        except ValueError as error:
            raise click.BadParameter(f"is not JSON: {error}", param_hint="--file") from None
        if not isinstance(body, dict):
            raise click.BadParameter("must hold one JSON object", param_hint="--file")
    if pool_id is not None:
        body["id"] = pool_id
    if "id" not in body:
        raise click.UsageError("Missing argument 'POOL_ID'.")
    for key, value in options.items():
        if value not in (None, ()):
            body[key] = list(value) if isinstance(value, tuple) else value
    if metadata:
        body["metadata"] = dict(_pair(text) for text in metadata)
    operator.show_reply(operator.server.call("POST", POOLS, body=body))


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--metadata")
    return key, value


@operator_command(pools)
@click.argument("pool_id")
@click.option("--force", is_flag=True, help="Release what is live in it.")
def delete(operator: Operator, pool_id: str, force: bool) -> None:
    """Delete a pool; refused while allocations live, but with --force."""
    query = {"force": "true"} if force else None
    reply = operator.server.call("DELETE", f"{POOLS}/{segment(pool_id)}", query=query)
    operator.show_reply(reply, f"pool {pool_id} deleted")
