"""A small client of the REST API: one request at a time, pages joined, streams line by line."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

DEFAULT_SERVER = "http://127.0.0.1:9000"
DEFAULT_PORT = 9000
TIMEOUT_S = 30.0
PAGE_LIMIT_MAX = 10_000
REPLY_BYTES_MAX = 256 << 20
LINE_BYTES_MAX = 4 << 20

Json = dict[str, Any]


class ServerError(Exception):
    """The server refused, or could not be reached; the text is ready to be shown."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Server:
    """One Nexus as its operators reach it; ``server`` is a URL, or host:port."""

    def __init__(self, server: str, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(server if "://" in server else f"http://{server}")
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise ServerError(f"{server!r} is no server; accepted: http://host:port")
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._host = parts.hostname
        self._port = port or (443 if parts.scheme == "https" else DEFAULT_PORT)
        self._tls = parts.scheme == "https"
        self._base = parts.path.rstrip("/")
        self._timeout_s = timeout_s

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Json:
        """One request; the reply's object ({} where it has none), or `ServerError`.

        ``body`` is sent as it is if it is bytes, else as JSON; query values None are left out.
        """
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        connection, response = self._open(method, path, query, body, headers)
        try:
            data = response.read(REPLY_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            connection.close()
        return self._object(response, data)

    def pages(
        self, path: str, noun: str, query: Mapping[str, object], limit: int
    ) -> tuple[list[Json], int]:
        """Items of a paged list, at most ``limit`` (0: all), and how many there are in total."""
        items: list[Json] = []
        cursor: str | None = None
        while True:
            rest = PAGE_LIMIT_MAX if limit == 0 else min(PAGE_LIMIT_MAX, limit - len(items))
            page = self.call("GET", path, query={**query, "limit": rest, "cursor": cursor})
            items += page.get(noun) or []
            cursor = page.get("next_cursor")
            if not cursor or len(items) >= limit > 0:
                return items, int(page.get("total", len(items)))

    def lines(
        self, path: str, query: Mapping[str, object], headers: Mapping[str, str]
    ) -> Iterator[str]:
        """Lines of a stream that goes on until the server ends it."""
        connection, response = self._open("GET", path, query, None, headers)
        try:
            if response.status != 200:
                self._object(response, response.read(REPLY_BYTES_MAX))
            while line := response.readline(LINE_BYTES_MAX):
                yield line.decode("utf-8", "replace").rstrip("\r\n")
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            connection.close()

    def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        target = self._base + path + (f"?{urlencode(given)}" if given else "")
        if self._tls:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host,
                self._port,
                timeout=self._timeout_s,
                context=ssl.create_default_context(),
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request(method, target, body=body, headers=dict(headers))
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> ServerError:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return ServerError(f"{self.url} cannot be reached: {why}")

    def _object(self, response: http.client.HTTPResponse, data: bytes) -> Json:
        try:
            value = json.loads(data) if data else {}
        except ValueError:
            value = None
        if response.status < 400:
            if isinstance(value, dict):
                return value
            raise ServerError(f"{self.url} is no Nexus: its answer is not a JSON object")
        if not isinstance(value, dict) or "error" not in value:
            raise ServerError(f"{self.url} answered {response.status} {response.reason}")
        text = f"{value['error']} ({value.get('code', response.status)})"
        retry_after = response.headers.get("Retry-After")
        if retry_after:
            text += f"; try again in {retry_after} s"
        if value.get("definite") is False:
            text += "; it may still happen: look before you repeat it"
        raise ServerError(text, str(value.get("code", "")))


def segment(text: str) -> str:
    """A path segment; also what has slashes in it stays one."""
    return quote(text, safe="")
