"""Receivers of messages: real HTTP servers that accept, refuse, redirect, hang or drip."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    """What a receiver was sent."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A server on a port of its own; `answers` is what it says, by status or `hang`, `drip`."""

    port: int = 0
    answer: int | str = 200
    requests: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


class Handler(BaseHTTPRequestHandler):
    """Answers as its receiver says."""

    server: Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        receiver.requests.append(Request(self.path, dict(self.headers.items()), body))
        if receiver.answer == "hang":
            receiver.closing.wait(60)
        elif receiver.answer == "drip":
            self._drip(receiver)
        else:
            self._answer(receiver)

    def _answer(self, receiver: Receiver) -> None:
        self.send_response(int(receiver.answer))
        if receiver.answer == 302:
            self.send_header("Location", f"http://{receiver.address}/elsewhere")
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"ok": true, "result": {}}')

    def _drip(self, receiver: Receiver) -> None:
        """Answer a letter at a time, each within every timeout of a read."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        until = time.monotonic() + 60
        while time.monotonic() < until and not receiver.closing.wait(0.2):
            try:
                self.wfile.write(b"x")
            except OSError:
                return

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server that knows its receiver."""

    daemon_threads = True
    receiver: Receiver


@contextmanager
def receiving(answer: int | str = 200) -> Iterator[Receiver]:
    """Receive until the end of the block."""
    receiver = Receiver(answer=answer)
    server = Server(("127.0.0.1", 0), Handler)
    server.receiver = receiver
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
