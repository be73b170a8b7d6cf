"""A real web server of files of bars on loopback, which fails in whatever way a test asks it to."""

from __future__ import annotations

import datetime as dt
import email.utils
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fault = Callable[[BaseHTTPRequestHandler, bytes], None]
"""Answers one request in another way than with the file (its content is given, empty where there is none)."""


@dataclass
class BarServer:
    """What it serves (path with leading stroke to content), what was asked, and the faults of the next requests."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    always: Fault | None = None
    today: dt.datetime | None = None
    etags: bool = True
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str) -> str:
        """Where `path` is served."""
        return f"http://127.0.0.1:{self.port}{path}"

    def paths(self) -> list[str]:
        """The paths asked for, in order."""
        return [path for path, _ in self.asked]


@contextmanager
def bar_server(served: BarServer | None = None) -> Iterator[BarServer]:
    """Serve until the end of the block; `served` again takes the port that it had."""
    bars = served or BarServer()

    class Files(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body are two packets: the second would wait for an acknowledgement

        def do_GET(self) -> None:
            bars.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            content = bars.files.get(self.path.partition("?")[0])
            fault = bars.faults.popleft() if bars.faults else bars.always
            if fault is not None:
                fault(self, content or b"")
            elif content is None:
                answer(self, 404)
            else:
                self._file(content)

        def _file(self, content: bytes) -> None:
            tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            if bars.etags and self.headers.get("If-None-Match") == tag:
                answer(self, 304, headers={"ETag": tag})
            else:
                answer(self, 200, content, {"ETag": tag} if bars.etags else {})

        def date_time_string(self, timestamp: float | None = None) -> str:
            return email.utils.format_datetime(bars.today, usegmt=True) if bars.today else super().date_time_string()

        def log_message(self, *_: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None: ...  # whoever asked has gone: what some tests are about

    server = Server(("127.0.0.1", bars.port), Files)
    server.daemon_threads = True
    bars.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield bars
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(
    asked: BaseHTTPRequestHandler, code: int, content: bytes = b"", headers: Mapping[str, str] | None = None
) -> None:
    """Answer in whole."""
    asked.send_response(code)
    for name, value in (headers or {}).items():
        asked.send_header(name, value)
    asked.send_header("Content-Length", str(len(content)))
    asked.end_headers()
    asked.wfile.write(content)


def status(code: int, headers: Mapping[str, str] | None = None) -> Fault:
    """An answer of that status."""
    return lambda asked, _content: answer(asked, code, b"no", headers)


def redirect(to: str) -> Fault:
    """A redirect to another URL."""
    return status(302, {"Location": to})


def half(asked: BaseHTTPRequestHandler, content: bytes) -> None:
    """Half of the file, under the length of the whole; then the connection ends."""
    asked.send_response(200)
    asked.send_header("Content-Length", str(len(content)))
    asked.end_headers()
    asked.wfile.write(content[: len(content) // 2])
    asked.close_connection = True


def half_in_chunks(asked: BaseHTTPRequestHandler, content: bytes) -> None:
    """Half of the file as one chunk, and no last one."""
    _chunked(asked, content[: len(content) // 2])
    asked.close_connection = True


def in_chunks(asked: BaseHTTPRequestHandler, content: bytes) -> None:
    """The whole file in one chunk, and the last, empty one."""
    _chunked(asked, content)
    asked.wfile.write(b"0\r\n\r\n")


def _chunked(asked: BaseHTTPRequestHandler, content: bytes) -> None:
    asked.send_response(200)
    asked.send_header("Transfer-Encoding", "chunked")
    asked.end_headers()
    asked.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")


def without_length(asked: BaseHTTPRequestHandler, content: bytes) -> None:
    """The file without a word on its length: only the end of the connection ends it."""
    asked.send_response(200)
    asked.send_header("Connection", "close")
    asked.end_headers()
    asked.wfile.write(content)
    asked.close_connection = True


class Silent:
    """Takes a request and says nothing until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def __call__(self, asked: BaseHTTPRequestHandler, _content: bytes) -> None:
        self.let_go.wait(60)
        asked.close_connection = True


def drip(asked: BaseHTTPRequestHandler, content: bytes) -> None:
    """The file a byte at a time, each soon enough, all of them never: until whoever asked has gone."""
    asked.send_response(200)
    asked.send_header("Content-Length", str(10**6))
    asked.end_headers()
    pause = threading.Event()
    try:
        for _ in range(10**6):
            asked.wfile.write(content[:1] or b"x")
            pause.wait(0.01)
    except OSError:
        asked.close_connection = True
