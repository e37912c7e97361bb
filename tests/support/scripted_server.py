"""A tiny HTTP server that answers from a script, to test the test kit itself."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Script:
    """Replies by ``METHOD path``, each list used up in order, its last one repeated."""

    port: int = 0
    replies: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def on(self, call: str, *replies: tuple[int, bytes]) -> Script:
        """Add replies."""
        self.replies.setdefault(call, []).extend(replies)
        return self

    def calls(self) -> list[str]:
        """What was asked, in order."""
        return [call for call, _, _ in self.seen]

    def answer(self, call: str) -> tuple[int, bytes]:
        """The next reply."""
        replies = self.replies.get(call, [(404, b'{"error":"no such script"}')])
        return replies.pop(0) if len(replies) > 1 else replies[0]


@contextmanager
def scripted_server() -> Iterator[Script]:
    """Serve a script on a free port."""
    script = Script()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            # `self.path` has doubled slashes collapsed already.
            call = f"{self.command} {self.requestline.split()[1]}"
            script.seen.append((call, dict(self.headers), content))
            status, body = script.answer(call)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
