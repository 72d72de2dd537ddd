"""A small HTTP server on loopback that knows ranges, and can be told to fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(content: bytes) -> Iterator[FileServer]:
    """Serve a file from a thread until the block ends."""
    with FileServer(content) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class FileServer(ThreadingHTTPServer):
    """Serves a file at /file as its switches say, and keeps which ranges were asked for.

    `cut_after` and `codes` are used up, one an answer: after how many bytes the connection is cut,
    and which refusal is sent. `shifted_by` makes a range begin elsewhere than was asked for.
    `/moved` redirects to the file, `/elsewhere` to an open connection.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.knows_ranges = True
        self.shifted_by = 0
        self.cut_after: list[int] = []
        self.codes: list[int] = []
        self.asked: list[str] = []
        self.answers: dict[str, object] = {}

    @property
    def url(self) -> str:
        """Where it is found."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        self.server.asked.append(self.headers.get("Range", ""))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/file")
            self.end_headers()
            return
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "http://example.org/file")
            self.end_headers()
            return
        if self.path in self.server.answers:
            self._send(200, json.dumps(self.server.answers[self.path]).encode())
            return
        if self.server.codes:
            self._send(self.server.codes.pop(0), b"<html>no</html>")
            return
        self._send_file()

    def _send_file(self) -> None:
        content, start = self.server.content, 0
        asked = self.headers.get("Range")
        if asked and self.server.knows_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self._send(416, b"")
                return
            self.send_response(206)
            start += self.server.shifted_by
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content)
        if self.server.cut_after:
            end = min(end, start + self.server.cut_after.pop(0))
        self.wfile.write(content[start:end])
        self.close_connection = True

    def _send(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
