"""A hub on this machine: what `huggingface_hub` and a download ask for, and servers' usual misfortunes."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """The server's files by path (`owner/name/path`), and what goes wrong.

    plain: paths kept without LFS. sent: other bytes than the listed ones. cut: breaks the connection once
    after so many bytes. refused: answers with this status. busy: answers 503 so many times. ignores_range: as
    a server that knows no ranges. stalls: waits after the first bytes until the server closes. extra_names:
    also listed. redirects_to: another server that sends the content, or `/cache` of this one.
    """

    files: dict[str, bytes]
    plain: set[str] = field(default_factory=set)
    sent: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    busy: dict[str, int] = field(default_factory=dict)
    extra_names: list[str] = field(default_factory=list)
    ignores_range: bool = False
    stalls: bool = False
    redirects_to: str = ""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path and headers (`Like-This`) of every request."""
    endpoint: str = ""
    closing: threading.Event = field(default_factory=threading.Event)

    def asked_for(self, word: str) -> list[tuple[str, str, dict[str, str]]]:
        return [request for request in self.asked if word in request[1]]

    def siblings(self, repo: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = [
            self._sibling(path.removeprefix(f"{repo}/"), path)
            for path in self.files
            if path.startswith(f"{repo}/")
        ]
        return [*listed, *({"rfilename": name, "size": 1, "blobId": "0"} for name in self.extra_names)]

    def _sibling(self, name: str, path: str) -> dict[str, Any]:
        content = self.files[path]
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        told: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
        if path not in self.plain:
            sha = hashlib.sha256(content).hexdigest()
            told["lfs"] = {"sha256": sha, "size": len(content), "pointerSize": 134}
        return told


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Run the server on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: Hub) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            headers = {name.title(): value for name, value in self.headers.items()}
            hub.asked.append(("GET", self.path, headers))
            if path.startswith("/api/models/"):
                return self._list(path.removeprefix("/api/models/"))
            if hub.redirects_to and "/resolve/" in path and not path.startswith("/cache"):
                return self._answer(307, b"", {"Location": f"{hub.redirects_to}{path}"})
            path = path.removeprefix("/cache")
            repo, _, rest = path.removeprefix("/").partition("/resolve/")
            return self._send(f"{repo}/{rest.partition('/')[2]}" if rest else path.removeprefix("/"))

        def _list(self, asked: str) -> None:
            repo, _, revision = asked.partition("/revision/")
            if repo in hub.refused:
                return self._answer(hub.refused[repo], b"{}", {"X-Error-Message": "no"})
            if not hub.siblings(repo):
                return self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            told = {
                "id": repo,
                "sha": revision or COMMIT,
                "siblings": hub.siblings(repo),
                "tags": [],
                "private": False,
                "gated": False,
                "downloads": 0,
                "likes": 0,  # older libraries want them
            }
            return self._answer(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

        def _send(self, path: str) -> None:
            if hub.busy.get(path, 0) > 0:
                hub.busy[path] -= 1
                return self._answer(503, b"", {})
            if path in hub.refused or path not in hub.files:
                return self._answer(hub.refused.get(path, 404), b"", {})
            content = hub.sent.get(path, hub.files[path])
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            if hub.ignores_range or not self.headers.get("Range"):
                return self._body(200, path, content, {})
            if start >= len(content):
                return self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            told = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            return self._body(206, path, content[start:], told)

        def _body(self, status: int, path: str, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            until = hub.cut.pop(path, len(content))
            self.wfile.write(content[:until])
            self.wfile.flush()
            if hub.stalls:
                hub.closing.wait(20)
            self.close_connection = True

        def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Stay quiet."""

    return Handler


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that happens in another process or thread."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
