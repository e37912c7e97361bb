"""`nexus watch`: changes as they happen, over reconnections, without losing any unseen."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import click

from nexus.cli.client import Json, ServerError
from nexus.cli.operator import Operator, operator_command
from nexus.cli.output import show

PATH = "/api/v1/watch"
RECONNECT_S = 1.0


class Frame(NamedTuple):
    """One event of the stream."""

    id: str
    event: str
    data: str


def frames(lines: Iterable[str]) -> Iterator[Frame]:
    """Events out of the lines of a server-sent stream; comments are heartbeats."""
    fields = {"id": "", "event": "message", "data": ""}
    for line in lines:
        if not line:
            if fields["data"]:
                yield Frame(fields["id"], fields["event"], fields["data"])
            fields = {"id": "", "event": "message", "data": ""}
            continue
        name, _, value = line.partition(":")
        if name in fields:
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and fields[name] else value


@operator_command()
@click.option(
    "--prefix",
    help="pools, allocations, nodes, devices, shards; several with commas; default: all.",
)
@click.option("--since", metavar="ID", help="Begin after this event's id.")
@click.option("--count", type=click.IntRange(1), help="End after so many changes.")
def watch(operator: Operator, prefix: str | None, since: str | None, count: int | None) -> None:
    """Print changes as they happen; a lost connection is taken up where it ended."""
    last_id = since
    seen = 0
    connected = False
    while True:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        try:
            for frame in frames(operator.server.lines(PATH, {"prefix": prefix}, headers)):
                connected = True
                last_id = frame.id or last_id
                _print(operator, frame)
                seen += frame.event == "change"
                if seen == count:
                    return
        except ServerError as error:
            if not connected or error.code:
                raise
            click.echo(f"nexus: {show(str(error))}; trying again", err=True)
        time.sleep(RECONNECT_S)


def _print(operator: Operator, frame: Frame) -> None:
    if frame.event == "gap":
        click.echo(f"nexus: warning: changes were missed: {show(frame.data)}", err=True)
        return
    try:
        change: Json = json.loads(frame.data)
    except ValueError:
        change = {"data": frame.data}
    if operator.json:
        click.echo(json.dumps({"id": frame.id, **change}, ensure_ascii=False))
    else:
        stamp, kind, key = (show(change.get(name)) for name in ("timestamp", "type", "key"))
        click.echo(f"{frame.id:>8}  {stamp}  {kind:<6}  {key}")
