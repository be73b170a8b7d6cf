"""Real receivers of messages on loopback: a web server and a mail server, which keep what they were sent."""

from __future__ import annotations

import email
import email.policy
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Receiver:
    """What arrived, as one text a message; `answer` is the status with which a web server answers."""

    port: int
    answer: int = 200
    refused: int = 0
    arrived: list[str] = field(default_factory=list)
    hold: threading.Event | None = None

    def about(self, text: str) -> list[str]:
        """The messages that hold `text`."""
        return [one for one in self.arrived if text in one]

    @property
    def webhook(self) -> str:
        """Apprise URL of this web server."""
        return f"json://127.0.0.1:{self.port}/hook"

    @property
    def mail(self) -> str:
        """Apprise URL of this mail server."""
        return f"mailto://127.0.0.1:{self.port}/?from=night@desk.example&to=people@desk.example"


def free_port() -> int:
    """A port of loopback that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def web_server(port: int = 0) -> Iterator[Receiver]:
    """A web server that takes what is posted; port 0: a free one."""
    receiver = Receiver(port)

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if receiver.hold is not None:
                receiver.hold.wait(60)
            if receiver.answer < 300:
                receiver.arrived.append(_text(json.loads(body)))
            else:
                receiver.refused += 1
            self.send_response(receiver.answer)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Hook)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def mail_server() -> Iterator[Receiver]:
    """A mail server that takes what it is sent."""
    receiver = Receiver(free_port())

    class Box:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
            mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
            plain = mail.get_body(("plain",))
            receiver.arrived.append(f"{mail['Subject']}\n{plain.get_content() if plain else ''}")
            return "250 taken"

    controller = Controller(Box(), hostname="127.0.0.1", port=receiver.port)
    controller.start()
    try:
        yield receiver
    finally:
        controller.stop()


def _text(posted: dict[str, Any]) -> str:
    """Every text in what was posted: of Apprise's JSON its title and message, of Slack's its attachments."""
    if "attachments" in posted and "message" not in posted:
        return "\n".join(f"{one.get('title', '')}\n{one.get('text', '')}" for one in posted["attachments"])
    return f"{posted['title']}\n{posted['message']}"
