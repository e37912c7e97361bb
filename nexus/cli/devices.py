"""`nexus devices`: the edges that bootstrap here."""

from __future__ import annotations

from typing import Any

import click

from nexus.cli.client import segment
from nexus.cli.operator import REFUSED_STATUS, Operator, limit_option, operator_command
from nexus.cli.output import Column
from nexus.cli.output import show as shown

DEVICES = "/api/v1/devices"
COLUMNS = (
    Column("NODE ID", "node_id"),
    Column("SERIAL", "serial"),
    Column("MAC", "mac"),
    Column("STATUS", "status"),
    Column("SITE", "site_id"),
    Column("ROLE", "role"),
    Column("PARTNER", "partner_node_id"),
    Column("LAST SEEN", "last_seen"),
)


@click.group()
def devices() -> None:
    """List, approve, reject, revoke, assign and import devices; ID is a node id or a serial."""


@operator_command(devices, "list")
@click.option("--site-id")
@click.option("--status", help="pending, approved, configured, rejected or revoked.")
@limit_option
def list_devices(operator: Operator, limit: int, **query: Any) -> None:
    """All devices, or those that the options select."""
    operator.show_list(DEVICES, "devices", COLUMNS, limit=limit, query=query)


@operator_command(devices)
@click.argument("device_id")
def show(operator: Operator, device_id: str) -> None:
    """One device."""
    operator.show_reply(operator.server.call("GET", f"{DEVICES}/{segment(device_id)}"))


@operator_command(devices)
@click.argument("device_id")
def approve(operator: Operator, device_id: str) -> None:
    """Let a device in."""
    _judge(operator, device_id, "approve")


@operator_command(devices)
@click.argument("device_id")
def reject(operator: Operator, device_id: str) -> None:
    """Say no to a device."""
    _judge(operator, device_id, "reject")


@operator_command(devices)
@click.argument("device_id")
def revoke(operator: Operator, device_id: str) -> None:
    """Shut a device out, also if it was approved."""
    _judge(operator, device_id, "revoke")


def _judge(operator: Operator, device_id: str, verb: str) -> None:
    path = f"{DEVICES}/{segment(device_id)}/{verb}"
    operator.show_reply(operator.server.call("POST", path, body={}))


@operator_command(devices)
@click.argument("device_id")
@click.argument("site_id")
def assign(operator: Operator, device_id: str, site_id: str) -> None:
    """Assign a device to a site, which approves it too."""
    path = f"{DEVICES}/{segment(device_id)}"
    operator.show_reply(operator.server.call("PUT", path, body={"site_id": site_id}))


@operator_command(devices, "import")
@click.argument("file", type=click.File("rb"))
def import_devices(operator: Operator, file: Any) -> None:
    """Assign many: a CSV file with serial and site_id; status 1 if a row was refused."""
    path = f"{DEVICES}/import"
    reply = operator.server.call("POST", path, body=file.read(), content_type="text/csv")
    errors = reply.get("errors") or []
    if not operator.json:
        for text in errors:
            click.echo(f"nexus: {shown(text)}", err=True)
        reply = {key: value for key, value in reply.items() if key != "errors"}
    operator.show_reply(reply)
    if errors:
        raise SystemExit(REFUSED_STATUS)
