"""The transport of a node without a cluster: there is nobody to talk to."""

from __future__ import annotations

from nexus.core.messages import Message


class NoPeers:
    """A `nexus.driver.ports.Transport` that drops and counts."""

    def __init__(self) -> None:
        self.dropped_count = 0

    def send(self, to: str, message: Message) -> None:
        self.dropped_count += 1

    def broadcast(self, message: Message) -> None:
        """Everybody but ourselves is nobody."""
