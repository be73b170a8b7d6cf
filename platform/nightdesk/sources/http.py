"""Bars from a URL as a source: one file with the whole history, a file for each trading day, or both."""

from __future__ import annotations

import datetime as dt
import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal, Self

import httpx
import polars as pl
from pydantic import Field, field_validator, model_validator

from nightdesk.errors import SourceBroken
from nightdesk.sessions import last_trading_day, trading_days, trading_days_before
from nightdesk.sources.bar_files import fingerprint, located_bars, settled, span
from nightdesk.sources.bar_form import BarForm, form_of
from nightdesk.sources.cell_form import from_json
from nightdesk.sources.download import Downloader, Keys, Limits, Validators, masked
from nightdesk.sources.member_lists import members_of
from nightdesk.sources.source import KnowledgeBasis, SourceFacts
from nightdesk.tables import BARS, CORPORATE_ACTIONS, DATE, OBSERVED

_DAY: Final = re.compile(r"\{date(?::([^{}]*))?\}")
_LIKE_A_KEY: Final = re.compile(r"key|token|secret|passw|auth|sign|credential", re.IGNORECASE)
_HIDDEN: Final = ("url", "history_url", "headers", "query")
_KEPT: Final = 8  # files kept in memory: the history, and the few days that a night asks for again
_ONE_DAY: Final = dt.timedelta(days=1)

_VARIABLE: Final = re.compile(r"(?!NIGHTDESK_)[A-Z][A-Z0-9_]*")  # those of ours are settings, and are shown


class HttpOptions(BarForm):
    """Options of source `http`: where the bars are, how they are written, and how patiently they are asked for."""

    url: str = Field(description="URL of the bars; with {date} or {date:%Y%m%d} in it, of those of one trading day")
    history_url: str | None = Field(None, description="Beside a URL with {date}: one file of the history before it")
    headers: dict[str, str] = Field({}, description="Header: name of the environment variable that holds its value")
    query: dict[str, str] = Field({}, description="URL parameter: name of the environment variable that holds it")
    layout: Literal["long"] = Field("long", description="A row a symbol and day")
    basis: KnowledgeBasis = Field(OBSERVED, description="When a row counts as known: observed on arrival, or by rule")
    restate_days: int = Field(5, ge=0, le=2520, description="Past trading days asked for again with each new day")
    look_back_days: int = Field(10, ge=1, le=252, description="Trading days to go back to find the newest one's file")
    timeout_s: float = Field(30, gt=0, le=3600, description="Longest wait for a connection or the next piece")
    answer_s: float = Field(600, gt=0, le=86_400, description="Longest time of one whole answer")
    attempts: int = Field(5, ge=1, le=20, description="How often a file is asked for before the night fails")
    wait_s: float = Field(1, gt=0, le=600, description="First pause before asking again; doubled each time")
    patience_s: float = Field(120, gt=0, le=3600, description="Longest pause, also of those a server asks for")
    requests_per_second: float = Field(5, gt=0, le=1000, description="Largest rate of requests")
    max_mb: int = Field(1024, ge=1, le=65_536, description="Largest answer, in MiB")
    fresh_s: float = Field(60, ge=0, le=3600, description="How long an answer is used again without asking")

    @field_validator("url", "history_url")
    @classmethod
    def _without_secrets(cls, text: str | None) -> str | None:
        if text is None:
            return text
        try:
            url = httpx.URL(_DAY.sub("2024-03-05", text))
        except httpx.InvalidURL:
            raise ValueError("must be a URL") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("must begin with http:// or https:// and a host")
        if "{" in _DAY.sub("", text):
            raise ValueError("may hold no braces but {date} or {date:%Y%m%d}")
        if url.userinfo or any(_LIKE_A_KEY.search(name) for name in url.params):
            raise ValueError(
                "must hold no secret: name the environment variable that holds it in the option headers or query"
            )
        return text

    @field_validator("headers", "query", mode="before")
    @classmethod
    def _read_named(cls, value: Any) -> Any:
        return from_json(value)

    @field_validator("headers", "query")
    @classmethod
    def _names_variables(cls, named: dict[str, str]) -> dict[str, str]:
        if not all(_VARIABLE.fullmatch(variable) for variable in named.values()):
            raise ValueError(
                "must name environment variables, in capitals and not beginning with NIGHTDESK_, and hold no secret"
            )
        return named

    @model_validator(mode="after")
    def _has_a_beginning(self) -> Self:
        if self.by_day and self.history_url is None and self.first_day is None:
            raise ValueError("a url with {date} needs first_day, the first day to ask for, or history_url")
        if self.history_url is not None and (not self.by_day or _DAY.search(self.history_url)):
            raise ValueError("history_url stands beside a url with {date}, and has none itself")
        return self

    @property
    def by_day(self) -> bool:
        """Whether the URL gives the bars of one trading day."""
        return _DAY.search(self.url) is not None

    def url_of(self, day: dt.date) -> str:
        """The URL of the bars of `day`."""
        return _DAY.sub(lambda found: day.strftime(found[1] or "%Y-%m-%d"), self.url)

    @property
    def limits(self) -> Limits:
        """How patiently and greedily files are asked for."""
        return Limits(
            self.timeout_s,
            self.answer_s,
            self.attempts,
            self.wait_s,
            self.patience_s,
            self.requests_per_second,
            self.max_mb * 1024**2,
        )


class HttpSource:
    """Bars from a URL; nothing is kept on disk, and a file that has not changed is not sent again."""

    def __init__(self, options: HttpOptions) -> None:
        """Take the options; nothing is asked for before somebody wants it."""
        self.options = options

    @property
    def facts(self) -> SourceFacts:
        """What the options declare about the bars; they are expected after each close."""
        return self.options.facts("http", live=True)

    def fingerprint(self) -> str:
        """Hash of every bar there is, for which every file is asked for, and of what is declared about them."""
        return fingerprint(self.bars(None, self.last_day()), self.options)

    def first_day(self) -> dt.date:
        """The first trading day there is: of the history, else the first one asked for."""
        options = self.options
        if options.by_day and options.first_day is not None:
            return trading_days(options.calendar, options.first_day, options.first_day + dt.timedelta(days=60))[0]
        return span(self._history(), options.calendar)[0]

    def last_day(self) -> dt.date:
        """The newest trading day with bars, up to the last close by the server's own clock.

        Raises SourceUnavailable, SourceBroken: also where none of the last `look_back_days` has a file.
        """
        options = self.options
        if not options.by_day:
            return span(self._history(), options.calendar)[1]
        newest = self._newest_close()
        asked = [newest, *reversed(trading_days_before(options.calendar, newest, options.look_back_days - 1))]
        for day in (day for day in asked if day >= self.first_day()):
            if not self._day(day).is_empty():
                return day
        raise SourceBroken(
            f"{masked(options.url_of(newest))} or the URL of one of the {len(asked) - 1} trading days before must give "
            "bars, got none: correct the URL, or raise look_back_days"
        )

    def bars(self, first: dt.date | None, last: dt.date) -> pl.DataFrame:
        """Bars from `first` to `last`, both included: `tables.BARS`; raises SourceUnavailable, SourceBroken.

        With a URL of one day, the history is asked for where `first` is None alone; a day without a file has no rows.
        """
        options = self.options
        if not options.by_day:
            bars = self._history()
            return bars.filter(pl.col(DATE).is_between(first or bars.get_column(DATE).min(), last))
        parts = [pl.DataFrame(schema=BARS)]
        start = max(first or self.first_day(), self.first_day())
        if first is None and options.history_url is not None:
            history = self._history()
            parts.append(history.filter(pl.col(DATE) <= last))
            start = span(history, options.calendar)[1] + _ONE_DAY
        days = trading_days(options.calendar, start, last) if start <= last else []
        return pl.concat([*parts, *(self._day(day) for day in days)]).sort("symbol", DATE, maintain_order=True)

    def membership(self, last: dt.date) -> pl.DataFrame:
        """Lists of the option `membership` up to `last`, or no rows: the URL gives bars alone; raises SourceBroken."""
        return members_of(self.options, last)

    def actions(self, last: dt.date) -> pl.DataFrame:
        """No rows: bars alone are asked for."""
        return pl.DataFrame(schema=CORPORATE_ACTIONS)

    def _history(self) -> pl.DataFrame:
        url = self.options.history_url or self.options.url
        kept = self._feed.ask(url)
        if kept.bars is None:
            raise SourceBroken(f"{masked(url)} must give the bars, got no file there: correct the URL")
        return kept.bars

    def _day(self, day: dt.date) -> pl.DataFrame:
        """Bars of `day`: no rows where its file is not there, or holds headers alone."""
        url = self.options.url_of(day)
        bars = self._feed.ask(url, may_be_empty=True).bars
        if bars is None:
            return pl.DataFrame(schema=BARS)
        others = bars.filter(pl.col(DATE) != day).get_column(DATE)
        if not others.is_empty():
            raise SourceBroken(
                f"{masked(url)} must give bars of {day} alone, got some of {others[0]}: correct the {{date}} in the URL"
            )
        return bars

    def _newest_close(self) -> dt.date:
        """The last trading day whose bars are due, by the clock of the server: the library reads none."""
        options = self.options
        url = options.history_url or options.url_of(self.first_day())
        moment = self._feed.ask(url, may_be_empty=options.history_url is None).date
        if moment is None:
            raise SourceBroken(f"{masked(url)} must tell the time (header Date), got none: let its server tell it")
        return last_trading_day(options.calendar, moment - self.facts.publication_lag)

    @property
    def _feed(self) -> _Feed:
        return _feed(self.options.model_dump_json())


def http(**options: Any) -> HttpSource:
    """Open bars from a URL by the options of `HttpOptions`; raises BadSetting for one that does not hold."""
    return HttpSource(form_of(HttpOptions, "http", options, _HIDDEN))


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """What a URL gave: bars (None: no file), how to ask whether it changed, the server's clock, when it was asked."""

    bars: pl.DataFrame | None
    validators: Validators
    date: dt.datetime | None
    at: float


class _Feed:
    """The connection of one set of options, and the files it gave last, which live as long as the process."""

    def __init__(self, options: HttpOptions) -> None:
        keys = Keys(tuple(options.headers.items()), tuple(options.query.items()))
        self._options = options
        self._downloader = Downloader(options.url_of(dt.date(2024, 3, 5)), options.limits, keys)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def ask(self, url: str, may_be_empty: bool = False) -> _Kept:
        """What `url` gives now, or gave less than `fresh_s` ago."""
        with self._one_at_a_time:
            kept = self._kept.get(url)
            if kept is None or time.monotonic() - kept.at >= self._options.fresh_s:
                kept = self._asked_again(url, kept, may_be_empty)
            self._kept[url] = kept
            self._kept.move_to_end(url)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return kept

    def _asked_again(self, url: str, kept: _Kept | None, may_be_empty: bool) -> _Kept:
        answer = self._downloader.get(url, kept.validators if kept is not None else Validators())
        if answer.kind == "same" and kept is not None:
            return replace(kept, date=answer.date, at=time.monotonic())
        bars = None
        if answer.kind == "new":
            located = located_bars(answer.content, masked(url), self._options, may_be_empty=may_be_empty)
            bars = settled([located], self._options)
        return _Kept(bars, answer.validators, answer.date, time.monotonic())


@lru_cache(maxsize=4)
def _feed(options: str) -> _Feed:
    return _Feed(HttpOptions.model_validate_json(options))
