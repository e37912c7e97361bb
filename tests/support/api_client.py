"""A small blocking HTTP client for tests: keep-alive, no redirects, raw bytes where wanted.

One connection per client, so a test decides itself what shares a connection.  It knows nothing of
routes; strict decoding is `go_json`'s business.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Answer:
    """One reply, completely read."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        """The body as JSON; an assertion error shows what came instead."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise AssertionError(f"no JSON in {self}") from None

    def expect(self, *statuses: int) -> Any:
        """The JSON of the reply (None if empty) after its status was checked."""
        assert self.status in statuses, f"wanted {statuses}, got {self.status}: {self.body[:500]!r}"
        return self.json() if self.body else None

    def error(self, status: int, code: str) -> dict[str, Any]:
        """The error object after status, code and shape were checked."""
        assert self.status == status, f"wanted {status} {code}, got {self.status}: {self.body!r}"
        error: dict[str, Any] = self.json()
        assert error["code"] == code, error
        assert isinstance(error["error"], str), error
        assert error["error"], error
        assert isinstance(error["definite"], bool), error
        assert isinstance(error["cause_id"], str), error
        assert error["cause_id"], error
        return error


class ApiClient:
    """Requests to one port of this machine over one kept connection."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout_s: float = TIMEOUT_S) -> None:
        self.port = port
        self.host = host
        self.timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; ``value`` goes as JSON, ``body`` as it is."""
        sent_headers = dict(headers or {})
        if value is not None:
            body = json.dumps(value).encode()
            sent_headers.setdefault("Content-Type", "application/json")
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                self.host, self.port, timeout=self.timeout_s
            )
        try:
            self._connection.request(method, path, body, sent_headers)
            reply = self._connection.getresponse()
            content = reply.read()
        except BaseException:
            self.close()
            raise
        if reply.will_close:
            self.close()
        return Answer(
            reply.status, {name.lower(): text for name, text in reply.getheaders()}, content
        )

    def get(self, path: str, **more: Any) -> Answer:
        """GET."""
        return self.request("GET", path, **more)

    def post(self, path: str, value: Any = None, **more: Any) -> Answer:
        """POST with a JSON body."""
        return self.request("POST", path, value, **more)

    def put(self, path: str, value: Any = None, **more: Any) -> Answer:
        """PUT with a JSON body."""
        return self.request("PUT", path, value, **more)

    def delete(self, path: str, **more: Any) -> Answer:
        """DELETE."""
        return self.request("DELETE", path, **more)

    def pages(self, path: str, noun: str, limit: int = 1000) -> Iterator[Any]:
        """All items of a paged list, following cursors."""
        cursor = ""
        while True:
            glue = "&" if "?" in path else "?"
            page = self.get(f"{path}{glue}limit={limit}{cursor}").expect(200)
            assert page["count"] == len(page[noun]), "count is the number in this page"
            yield from page[noun]
            if "next_cursor" not in page:
                return
            cursor = f"&cursor={page['next_cursor']}"

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def raw_exchange(port: int, sent: bytes, *, limit_s: float = TIMEOUT_S) -> bytes:
    """Send bytes as they are and read until the server closes (or the limit passes)."""
    received = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=limit_s) as connection:
        try:
            connection.sendall(sent)
            while chunk := connection.recv(65536):
                received += chunk
        except (ConnectionError, TimeoutError):
            pass
    return bytes(received)


@dataclass(frozen=True)
class Frame:
    """One frame of a server-sent event stream; a comment has only ``comment``."""

    id: str = ""
    event: str = ""
    data: str = ""
    comment: str = ""

    def json(self) -> Any:
        """The data as JSON."""
        return json.loads(self.data)


class EventStream:
    """A reader of `text/event-stream`, for GET /watch."""

    def __init__(
        self,
        port: int,
        path: str,
        *,
        last_event_id: str | None = None,
        limit_s: float = TIMEOUT_S,
    ) -> None:
        headers = {"Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=limit_s)
        self._connection.request("GET", path, headers=headers)
        self._reply = self._connection.getresponse()
        self.status = self._reply.status
        self.headers = {name.lower(): text for name, text in self._reply.getheaders()}

    def frame(self) -> Frame:
        """The next frame; TimeoutError when none comes in time, EOFError at the end."""
        fields: dict[str, str] = {}
        while True:
            line = self._reply.readline().decode()
            if not line:
                raise EOFError("the stream ended")
            line = line.rstrip("\r\n")
            if not line:
                if fields:
                    return Frame(**fields)
                continue
            name, _, text = line.partition(":")
            text = text.removeprefix(" ")
            name = name or "comment"
            fields[name] = f"{fields[name]}\n{text}" if name in fields else text

    def change(self) -> Frame:
        """The next frame that is no comment."""
        while True:
            frame = self.frame()
            if frame.event:
                return frame

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
