"""A hub of a few files on the loopback: enough of its protocol for the real client to download from it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eegora.checkpoints.published import Published
from eegora.checkpoints.resolve import Found, locate

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def resolve(published: Published | None, **where: Any) -> Found:
    """Find a checkpoint file, and compare its SHA-256 at once."""
    return locate(published, **where).proven()


@dataclass
class Hub:
    """What it serves, how it misbehaves, and what it was asked."""

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)  # (repo, file) → content
    gated: set[str] = field(default_factory=set)  # repositories that want a token
    forbidden: set[str] = field(default_factory=set)  # files that get a 403
    failures: int = 0  # how many file requests get a 503 first
    cut_after: int | None = None  # the next GET breaks off after so many bytes
    etag: str | None = None  # sent instead of the content's own
    commit: str = COMMIT  # sent with every answer
    patience: int = 0  # how many HEAD requests are answered as they should be before `etag` and `commit` are sent
    url: str = ""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # (method, path, headers)

    @property
    def paths(self) -> list[str]:
        return [f"{method} {path}" for method, path, _ in self.asked]


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            hub.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            parts = self.path.strip("/").split("/")
            if self.path == "/":
                return self.reply(200)
            if len(parts) < 5 or parts[2] != "resolve":
                return self.reply(404)
            repo, revision, file = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
            if file in hub.forbidden:
                return self.reply(403)
            if hub.failures:
                hub.failures -= 1
                return self.reply(503)
            if repo not in {name for name, _ in hub.files}:
                return self.reply(401, {"X-Error-Code": "RepoNotFound"})
            if repo in hub.gated and "authorization" not in {key.lower() for key in self.headers}:
                return self.reply(401, {"X-Error-Code": "GatedRepo"})
            if revision not in ("main", COMMIT):
                return self.reply(404, {"X-Error-Code": "RevisionNotFound"})
            if (repo, file) not in hub.files:
                return self.reply(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.commit})
            return self.send_file(hub.files[repo, file], body)

        def send_file(self, content: bytes, body: bool) -> None:
            etag, commit = hashlib.sha256(content).hexdigest(), COMMIT
            if hub.patience:
                hub.patience -= 1
            else:
                etag, commit = hub.etag or etag, hub.commit
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
            status, start = 200, 0
            if wanted := self.headers.get("Range"):
                status, start = 206, int(wanted.removeprefix("bytes=").split("-")[0])
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content = content[start:]
            if not body:
                return self.reply(status, headers, length=len(content))
            stop, hub.cut_after = hub.cut_after, None
            if stop is None:
                return self.reply(status, headers, content)
            self.reply(status, headers, content[:stop], length=len(content))
            self.close_connection = True
            return None

        def reply(
            self, status: int, headers: dict[str, str] | None = None, content: bytes = b"", length: int | None = None
        ) -> None:
            self.send_response(status)
            for key, value in {
                **(headers or {}),
                "Content-Length": str(len(content) if length is None else length),
            }.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)

    return Handler


@contextmanager
def serve() -> Iterator[Hub]:
    """Run a hub on a free port."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
