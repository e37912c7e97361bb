"""Load on a daemon that may die at any moment: every answer goes into a ledger.

Workers are threads with a connection each.  Each owns its subscribers and does what edges do:
allocate, renew, release, batches.  A connection that breaks ends the worker; its last request
stays unknown.
"""

from __future__ import annotations

import http.client
import threading
from random import Random
from typing import Any

from tests.support.api_client import ApiClient
from tests.support.ledger import Ledger

ALLOCATIONS = "/api/v1/allocations"
BATCH = 20


class Worker(threading.Thread):
    """One edge; ``names`` keeps its subscribers apart from those of others."""

    def __init__(
        self, port: int, pool_id: str, names: str, ledger: Ledger, rng: Random, subscribers: int
    ) -> None:
        super().__init__(name=names, daemon=True)
        self.failure: BaseException | None = None
        self.stopping = False
        self._port = port
        self._pool_id = pool_id
        self._ledger = ledger
        self._rng = rng
        self._subscribers = [f"{names}-{i}" for i in range(subscribers)]
        self._client = ApiClient(port, timeout_s=30)

    def run(self) -> None:
        """Work until told to stop or until the daemon dies."""
        try:
            while not self.stopping:
                self._step()
        except (OSError, http.client.HTTPException):
            pass
        except BaseException as failure:
            self.failure = failure
        finally:
            self._client.close()

    def _step(self) -> None:
        subscriber = self._rng.choice(self._subscribers)
        account = self._ledger.accounts.get(subscriber)
        if account is None or account.ip is None:
            if self._rng.random() < 0.1:
                self._batch()
            else:
                self._ask(subscriber, "allocate", "POST", ALLOCATIONS, self._body(subscriber))
        elif self._rng.random() < 0.5:
            path = f"{ALLOCATIONS}/{subscriber}/renew"
            self._ask(subscriber, "renew", "POST", path, {"ttl": self._rng.randint(600, 86400)})
        else:
            self._ask(subscriber, "release", "DELETE", f"{ALLOCATIONS}/{subscriber}", None)

    def _body(self, subscriber: str) -> dict[str, Any]:
        kinds: tuple[dict[str, Any], ...] = (
            {},
            {"ttl": 3600},
            {"ttl": 7200, "alloc_type": "sticky"},
        )
        return {
            "pool_id": self._pool_id,
            "subscriber_id": subscriber,
            **self._rng.choice(kinds),
        }

    def _ask(self, subscriber: str, request: str, method: str, path: str, body: Any) -> None:
        if request == "renew" and not self._ledger.accounts[subscriber].ends:
            body = None  # a permanent one takes no ttl
        self._ledger.begin(subscriber, request)
        answer = self._client.request(method, path, body)
        if answer.status in (200, 201):
            self._ledger.acknowledge(subscriber, answer.json())
        elif answer.status == 204:
            self._ledger.acknowledge(subscriber, None)
        else:
            self._refused(subscriber, answer.status, answer.json())

    def _batch(self) -> None:
        chosen = self._rng.sample(self._subscribers, min(BATCH, len(self._subscribers)))
        free = [each for each in chosen if self._is_free(each)]
        for subscriber in free:
            self._ledger.begin(subscriber, "allocate")
        items = [self._body(subscriber) for subscriber in free]
        reply = self._client.post(f"{ALLOCATIONS}/batch", {"allocations": items}).expect(200)
        for subscriber, result in zip(free, reply["results"], strict=True):
            if result["status"] in (200, 201):
                self._ledger.acknowledge(subscriber, result["allocation"])
            else:
                self._refused(subscriber, result["status"], result["error"])

    def _is_free(self, subscriber: str) -> bool:
        account = self._ledger.accounts.get(subscriber)
        return account is None or account.ip is None

    def _refused(self, subscriber: str, status: int, error: dict[str, Any]) -> None:
        if error.get("definite", True):
            self._ledger.refused(subscriber)
        assert status == 503, f"{status} {error}"
