"""What a server acknowledged, and whether its lists still say so after a crash.

A worker announces each request before it is sent and the answer when it comes.  Between the two
the outcome is unknown, and after a crash both outcomes are right; everything acknowledged must
stand exactly.  Each subscriber is used by one worker at a time, so its own history is serial;
addresses are shared by all, and no address may ever be with two.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


class LedgerError(AssertionError):
    """An acknowledged promise was broken."""


@dataclass
class Account:
    """What is known of one subscriber."""

    ip: str | None = None
    """Acknowledged address, None when it has none."""
    ends: str = ""
    """Acknowledged end, RFC 3339; times of one form compare as text."""
    pending: str = ""
    """Request on the way: allocate, renew or release."""


@dataclass
class Ledger:
    """All accounts; its methods may be called from many threads."""

    cooldown_s: float
    accounts: dict[str, Account] = field(default_factory=dict)
    _holders: dict[str, str] = field(default_factory=dict)
    _released: dict[str, tuple[str, float]] = field(default_factory=dict)
    acknowledged: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, subscriber: str, request: str) -> None:
        """A request is about to be sent."""
        with self._lock:
            account = self.accounts.setdefault(subscriber, Account())
            account.pending = request

    def refused(self, subscriber: str) -> None:
        """The server said definitely no."""
        with self._lock:
            self.accounts[subscriber].pending = ""

    def acknowledge(self, subscriber: str, allocation: Mapping[str, Any] | None) -> None:
        """The server said yes: the allocation as it stands now, None after a release."""
        with self._lock:
            self.acknowledged += 1
            account = self.accounts[subscriber]
            account.pending = ""
            if allocation is None:
                self._leave(subscriber, account)
            else:
                self._hold(subscriber, account, allocation)

    def _hold(self, subscriber: str, account: Account, allocation: Mapping[str, Any]) -> None:
        ip = allocation["ip"]
        holder = self._holders.get(ip)
        if holder is not None and holder != subscriber:
            raise LedgerError(f"{ip} was given to {subscriber} while {holder} holds it")
        last, left_at = self._released.get(ip, (subscriber, 0.0))
        if last != subscriber and time.monotonic() - left_at < self.cooldown_s:
            raise LedgerError(f"{ip} of {last} was given to {subscriber} before it cooled")
        if account.ip not in (None, ip):
            raise LedgerError(f"{subscriber} holds {account.ip} and was given {ip} as well")
        account.ip = ip
        account.ends = allocation.get("expires_at", "")
        self._holders[ip] = subscriber

    def _leave(self, subscriber: str, account: Account) -> None:
        if account.ip is not None:
            del self._holders[account.ip]
            self._released[account.ip] = (subscriber, time.monotonic())
        account.ip, account.ends = None, ""

    def settle(self, listed: Iterable[Mapping[str, Any]]) -> int:
        """Compare with a complete list after a restart; what was unknown is known then.

        Returns how many accounts were compared.
        """
        by_subscriber: dict[str, Mapping[str, Any]] = {}
        by_ip: dict[str, str] = {}
        for allocation in listed:
            subscriber, ip = allocation["subscriber_id"], allocation["ip"]
            if ip in by_ip:
                raise LedgerError(f"{ip} is with {by_ip[ip]} and with {subscriber}")
            if subscriber in by_subscriber:
                raise LedgerError(f"{subscriber} is listed twice")
            if subscriber not in self.accounts:
                raise LedgerError(f"{subscriber} never asked for {ip}")
            by_ip[ip], by_subscriber[subscriber] = subscriber, allocation
        for subscriber, account in self.accounts.items():
            self._compare(subscriber, account, by_subscriber.get(subscriber))
        return len(self.accounts)

    def _compare(self, subscriber: str, account: Account, found: Mapping[str, Any] | None) -> None:
        pending, account.pending = account.pending, ""
        if found is None:
            if account.ip is not None and pending != "release":
                raise LedgerError(f"{account.ip} of {subscriber} was acknowledged and is lost")
            self._leave(subscriber, account)
            return
        if account.ip is None and pending != "allocate":
            raise LedgerError(f"{subscriber} was released and has {found['ip']} again")
        if account.ip is not None and found["ip"] != account.ip:
            raise LedgerError(f"{subscriber} had {account.ip} and has {found['ip']} now")
        ends = found.get("expires_at", "")
        if account.ip is not None and pending != "renew" and ends != account.ends:
            raise LedgerError(f"{subscriber}: {account.ends} was told, {ends} is kept")
        self._hold(subscriber, account, found)
