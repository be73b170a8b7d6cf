"""One file from a URL, whole or not at all: paced, retried, bounded, sent again only where it changed; no secrets."""

from __future__ import annotations

import datetime as dt
import email.utils
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal
from urllib.request import getproxies, proxy_bypass

import httpx
import tenacity

from nightdesk.errors import BadSetting, SourceBroken, SourceUnavailable

_log = logging.getLogger("nightdesk.sources")

_AGAIN: Final = (408, 425, 429)  # beside all from 500 on
_NOT_THERE: Final = (204, 404, 410)
_HIDDEN: Final = "***"


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient and how greedy a download is.

    Attributes
    ----------
    timeout_s, answer_s
        Longest wait for a connection or the next piece, and for a whole answer; seconds.
    attempts, wait_s, patience_s
        How often one file is asked for; the first pause between, doubled each time, with jitter; the longest pause,
        also of those that a server asks for (Retry-After): beyond it, nothing more is asked of it until then.
    requests_per_second
        Largest rate of requests, retries and redirects included.
    max_bytes
        Largest answer.
    """

    timeout_s: float = 30
    answer_s: float = 600
    attempts: int = 5
    wait_s: float = 1
    patience_s: float = 120
    requests_per_second: float = 5
    max_bytes: int = 1024**3


@dataclass(frozen=True, slots=True)
class Keys:
    """Which environment variables hold the secrets that go with each request: (header or parameter, variable)."""

    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Validators:
    """By what a server tells whether a file has changed: its ETag and Last-Modified."""

    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: a `new` file, word that it is the `same`, or that there is `none`; and the server's clock (UTC)."""

    kind: Literal["new", "same", "none"]
    content: bytes
    validators: Validators
    date: dt.datetime | None


class _Later(Exception):
    """An answer that may be another one next time."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Downloader:
    """Asks one origin for files; keys go to that origin alone, wherever it redirects to."""

    def __init__(self, origin: str, limits: Limits, keys: Keys, sleep: Callable[[float], None] = time.sleep) -> None:
        """Take the URL whose origin may have the keys; `sleep` waits so many seconds."""
        self._limits, self._keys, self._sleep = limits, keys, sleep
        self._one_at_a_time = threading.Lock()
        self._not_before = 0.0
        pace = _Pace(limits.requests_per_second, sleep)
        url = httpx.URL(origin)
        proxy = None if proxy_bypass(url.host) else getproxies().get(url.scheme)
        self._client = httpx.Client(
            transport=_WithKeys(url, keys, proxy),
            timeout=limits.timeout_s,
            follow_redirects=True,
            max_redirects=5,
            headers={"User-Agent": "nightdesk", "Accept-Encoding": "identity"},
            event_hooks={"request": [pace.wait]},
        )
        weakref.finalize(self, self._client.close)

    def get(self, url: str, known: Validators = Validators()) -> Answer:
        """Ask for `url`; one that has not changed since `known` is not sent again.

        Raises
        ------
        SourceUnavailable
            No whole answer after all attempts (no connection, time-out, 408, 425, 429, 5xx, half a file), or the
            server asked for a longer pause than the limits have patience for.
        SourceBroken
            An answer that no retry changes: another 4xx, no length, too large, endless redirects.
        BadSetting
            An environment variable that holds a key is not set.
        """
        for name in {variable for _, variable in (*self._keys.headers, *self._keys.query)}:
            _secret(name)
        retry = tenacity.Retrying(
            stop=self._gives_up,
            wait=self._pause,
            retry=tenacity.retry_if_exception_type(_Later),
            before_sleep=lambda state: _note(url, state),
            sleep=self._sleep,
            reraise=True,
        )
        with self._one_at_a_time:
            left = self._not_before - time.monotonic()
            if left > 0:
                raise SourceUnavailable(
                    f"{masked(url)} must not be asked for another {left:.0f} s, as its server asked (Retry-After): "
                    "start the night again then"
                )
            try:
                return retry(self._once, url, known)
            except _Later as last:
                raise SourceUnavailable(
                    f"{masked(url)} must answer with a whole file, got {last}, asked up to {self._limits.attempts} "
                    "times: look at the provider's status page, then start the night again"
                ) from None

    def _once(self, url: str, known: Validators) -> Answer:
        conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.modified}
        headers = {name: value for name, value in conditions.items() if value is not None}
        deadline = time.monotonic() + self._limits.answer_s
        with _translated(url, self._limits), self._client.stream("GET", url, headers=headers) as response:
            date = _instant(response.headers.get("Date"))
            if response.status_code == 304 and headers:
                return Answer("same", b"", known, date)
            if response.status_code in _NOT_THERE:
                return Answer("none", b"", Validators(), date)
            self._judge(response, date)
            content = self._whole(response, deadline)
            validators = Validators(response.headers.get("ETag"), response.headers.get("Last-Modified"))
            return Answer("new", content, validators, date)

    def _judge(self, response: httpx.Response, date: dt.datetime | None) -> None:
        """Raise unless this is a whole file of a size that may be read."""
        status, shown = response.status_code, masked(str(response.url))
        if status in _AGAIN or status >= 500:
            after = _retry_after(response, date)
            raise _Later(f"status {status}" + (f" and word to wait {after:.0f} s" if after is not None else ""), after)
        if status in (401, 403):
            raise SourceBroken(f"{shown} must let nightdesk in, got status {status}: look at the key and its rights")
        if status != 200:
            raise SourceBroken(f"{shown} must answer with status 200, got {status}: correct the URL or its parameters")
        length = response.headers.get("Content-Length")
        chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
        if length is None and not chunked:
            raise SourceBroken(
                f"{shown} must tell how long its answer is (Content-Length, or chunked), got neither, so that half a "
                "file would look like a whole one: let its server tell it"
            )
        if length is not None and int(length) > self._limits.max_bytes:
            raise self._too_large(shown, f"{length} bytes")

    def _whole(self, response: httpx.Response, deadline: float) -> bytes:
        pieces, size = [], 0
        for piece in response.iter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > self._limits.max_bytes:
                raise self._too_large(masked(str(response.url)), "more")
            if time.monotonic() > deadline:
                raise _Later(f"{size} bytes in {self._limits.answer_s:g} s and no end")
        declared = response.headers.get("Content-Length")
        if declared is not None and response.num_bytes_downloaded != int(declared):
            raise _Later(f"{response.num_bytes_downloaded} of {declared} bytes")
        return b"".join(pieces)

    def _too_large(self, shown: str, got: str) -> SourceBroken:
        return SourceBroken(
            f"an answer may have {self._limits.max_bytes} bytes, got {got} from {shown}: raise the option max_mb"
        )

    def _pause(self, state: tenacity.RetryCallState) -> float:
        asked = _after(state)
        backing_off = tenacity.wait_exponential_jitter(
            multiplier=self._limits.wait_s, max=self._limits.patience_s, jitter=self._limits.wait_s
        )
        return backing_off(state) if asked is None else max(asked, backing_off(state))

    def _gives_up(self, state: tenacity.RetryCallState) -> bool:
        asked = _after(state)
        if asked is not None and asked > self._limits.patience_s:
            self._not_before = time.monotonic() + asked
            return True
        return state.attempt_number >= self._limits.attempts


class _Pace:
    """Lets requests through no closer than their rate."""

    def __init__(self, requests_per_second: float, sleep: Callable[[float], None]) -> None:
        self._gap, self._sleep, self._next = 1 / requests_per_second, sleep, 0.0

    def wait(self, _request: httpx.Request) -> None:
        """Wait until the next request is due: a redirect's is one too."""
        wait = self._next - time.monotonic()
        if wait > 0:
            self._sleep(wait)
        self._next = max(self._next, time.monotonic()) + self._gap


class _WithKeys(httpx.BaseTransport):
    """Adds the keys below the client, which logs URLs and follows redirects: there they are never seen."""

    def __init__(self, origin: httpx.URL, keys: Keys, proxy: str | None) -> None:
        self._origin, self._keys = _origin(origin), keys
        self._inner = httpx.HTTPTransport(proxy=proxy)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, with keys where it goes to their origin."""
        if _origin(request.url) != self._origin:
            return self._inner.handle_request(request)
        headers = request.headers.copy()
        headers.update({name: _secret(variable) for name, variable in self._keys.headers})
        query = {name: _secret(variable) for name, variable in self._keys.query}
        keyed = httpx.Request(
            request.method,
            request.url.copy_merge_params(query) if query else request.url,
            headers=headers,
            extensions=request.extensions,
        )
        return self._inner.handle_request(keyed)

    def close(self) -> None:
        """Let go of every connection."""
        self._inner.close()


def masked(url: str) -> str:
    """`url` as it may be shown: without user, password and the values of its query, which may hold a key."""
    parsed = httpx.URL(url)
    port = "" if parsed.port is None else f":{parsed.port}"
    query = f"?{_HIDDEN}" if parsed.query else ""
    return f"{parsed.scheme}://{parsed.host}{port}{parsed.path}{query}"


@contextmanager
def _translated(url: str, limits: Limits) -> Iterator[None]:
    """Say in nightdesk's words what httpx raises: none of the texts that are taken over holds a URL."""
    try:
        yield
    except httpx.TimeoutException:
        raise _Later(f"no sign for {limits.timeout_s:g} s") from None
    except (httpx.TooManyRedirects, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise SourceBroken(
            f"{masked(url)} must lead to a file over http or https, got {type(error).__name__}: correct the URL"
        ) from None
    except httpx.RemoteProtocolError:
        raise _Later("an answer that ended before its end") from None
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise _Later(": ".join([type(error).__name__, *str(error).splitlines()[:1]])) from None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _secret(variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise BadSetting(
            f"the environment variable {variable}, which holds a key of source http, must be set, got none: export it"
        )
    return value


def _after(state: tenacity.RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome is not None else None
    return error.after if isinstance(error, _Later) else None


def _note(url: str, state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    _log.warning("%s: %s; asked again in %.1f s", masked(url), error, state.upcoming_sleep)


def _retry_after(response: httpx.Response, date: dt.datetime | None) -> float | None:
    """Seconds that the server asks to wait: a number, or an instant by the server's own clock."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    until = _instant(text)
    return None if until is None or date is None else max(0.0, (until - date).total_seconds())


def _instant(text: str | None) -> dt.datetime | None:
    try:
        return email.utils.parsedate_to_datetime(text or "").astimezone(dt.UTC)
    except ValueError:
        return None
