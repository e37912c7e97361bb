"""A process that appends to a store until it is killed; run as ``python -m``.

Prints ``durable <token>`` after each commit, so the parent knows what was acknowledged before it
killed us; ``failed <reason>`` when the store gave up.  Nothing here knows a node.

    arguments: data path, bytes per entry, entries per append, take snapshots (0 or 1)
"""

from __future__ import annotations

import queue
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from nexus.store.sqlite_log import SqliteStore

FILE_LIMIT = "--file-limit="
SNAPSHOT_EVERY = 200


def main(arguments: list[str]) -> None:
    limits = [word for word in arguments if word.startswith(FILE_LIMIT)]
    path, size, group, snapshots = [word for word in arguments if word not in limits]
    callbacks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    store = SqliteStore(Path(path), callbacks.put)
    restored = store.load()
    token = covered(list(restored.snapshot))
    for entry in restored.entries:
        token = max(token, token_of(entry))
    store.bind(
        lambda token: say("durable", token),
        give_up,
    )
    if limits:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limit_bytes = int(limits[0].removeprefix(FILE_LIMIT))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    say("loaded", token)
    while True:
        for _ in range(int(group)):
            token += 1
            store.append(token, [token.to_bytes(8, "big") + bytes(int(size))])
        callbacks.get()()
        if int(snapshots) and token % SNAPSHOT_EVERY == 0:
            take_snapshot(store, callbacks, token)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def give_up(reason: str) -> None:
    say("failed", reason)
    sys.exit(0)


def token_of(entry: bytes) -> int:
    """The token that an entry carries."""
    return int.from_bytes(entry[:8], "big")


def covered(chunks: list[bytes]) -> int:
    """The last token that a snapshot has."""
    return token_of(chunks[0]) if chunks else 0


def take_snapshot(
    store: SqliteStore, callbacks: queue.SimpleQueue[Callable[[], None]], token: int
) -> None:
    writer = store.begin_snapshot()
    writer.write(token.to_bytes(8, "big"))
    writer.write(bytes(100_000))
    results: list[str | None] = []
    writer.commit(results.append)
    while not results:
        callbacks.get()()


if __name__ == "__main__":
    main(sys.argv[1:])
