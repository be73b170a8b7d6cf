"""Channels: where messages go, by Apprise; what a channel's URL holds is a secret, and is never shown."""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel: its Apprise URL, and a mark (for example `json-3fa9c1d2`) by which it can be spoken of."""

    mark: str
    url: SecretStr


def channels_of(urls: Iterable[SecretStr]) -> tuple[Channel, ...]:
    """Name each of `urls` (checked by the settings) by its scheme and a hash of its text without the secrets in it.

    Two that differ in nothing but secrets are told apart by a number.
    """
    marks: dict[str, SecretStr] = {}
    for url in urls:
        shown = _shown(url)
        mark = f"{shown.partition(':')[0]}-{hashlib.sha256(shown.encode()).hexdigest()[:8]}"
        same = sum(one == mark or one.startswith(f"{mark}-") for one in marks)
        marks[f"{mark}-{same + 1}" if same else mark] = url
    return tuple(Channel(mark, url) for mark, url in marks.items())


def deliver(channels: Collection[Channel], title: str, body: str, seconds: float) -> set[str]:
    """Send one message over all `channels` at once; returns the marks of those that took it within `seconds`."""
    took: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
    for channel in channels:
        # A daemon: a channel that never answers must hold neither the night nor the end of the process.
        threading.Thread(target=_send, args=(channel, title, body, took), daemon=True).start()
    end = time.monotonic() + seconds
    answers: dict[str, bool] = {}
    while len(answers) < len(channels) and (left := end - time.monotonic()) > 0:
        try:
            mark, sent = took.get(timeout=left)
        except queue.Empty:
            break
        answers[mark] = sent
    return {mark for mark, sent in answers.items() if sent}


def _send(channel: Channel, title: str, body: str, took: queue.SimpleQueue[tuple[str, bool]]) -> None:
    from apprise import Apprise, AppriseAsset, NotifyFormat

    _hush()
    try:
        sender = Apprise(asset=AppriseAsset(app_id="nightdesk", app_desc="nightdesk", async_mode=False))
        sender.add(channel.url.get_secret_value())
        took.put((channel.mark, bool(sender.notify(body, title, body_format=NotifyFormat.TEXT))))
    except Exception:  # noqa: BLE001  a channel's plugin may raise anything, and its text may hold the URL
        took.put((channel.mark, False))


def _shown(url: SecretStr) -> str:
    """The URL with everything that Apprise takes for a secret masked."""
    from apprise import Apprise

    _hush()
    sender = Apprise.instantiate(url.get_secret_value())
    return str(sender.url(privacy=True)) if sender else "unusable:"  # type: ignore[no-untyped-call]


def _hush() -> None:
    """Keep what Apprise and its HTTP client say to themselves: their lines may hold parts of a URL."""
    logging.getLogger("apprise").disabled = True
    logging.getLogger("urllib3.connectionpool").setLevel(logging.WARNING)
