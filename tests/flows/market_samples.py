"""Three small markets for one desk: New York leads; Sao Paulo in reais and coins around the clock stand beside it."""

from __future__ import annotations

import datetime as dt
import functools
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from bar_samples import csv_of, put, synthetic_bars
from small_nights import choose_home

from nightdesk.tables import BARS, DATE, SYMBOL

B3 = (
    *("PETR4.SA", "VALE3.SA", "ITUB4.SA", "BBDC4.SA", "ABEV3.SA", "WEGE3.SA"),
    *("BBAS3.SA", "SUZB3.SA", "GGBR4.SA", "LREN3.SA", "RENT3.SA", "ELET3.SA"),
)
COINS = ("BTC/USD", "ETH/USD", "SOL/USD")
SHARES = tuple(f"US{number:02}" for number in range(20))

CLOSED_IN_SAO_PAULO = dt.date(2017, 6, 15)
"""Corpus Christi, a Thursday on which New York trades."""
CARNIVAL = dt.date(2017, 2, 28)
CLOSED_IN_NEW_YORK = dt.date(2017, 7, 4)
"""Independence Day, a Tuesday on which Sao Paulo trades."""
LOST = dt.date(2017, 4, 12)
"""A trading day of both, of which PETR4.SA has no bar."""
LOST_SUNDAY = dt.date(2017, 4, 9)
"""A Sunday, of which ETH/USD has no bar."""


@functools.cache
def sao_paulo() -> pl.DataFrame:
    """Twelve shares in reais on the calendar of Sao Paulo: one without a day, one with a bar of a holiday."""
    bars = _renamed(synthetic_bars(symbols=12, days=420, seed=5, calendar="BVMF", faults=False), B3)
    stray = bars.filter(symbol="VALE3.SA", date=dt.date(2017, 6, 14)).with_columns(
        pl.lit(CLOSED_IN_SAO_PAULO).alias(DATE)
    )
    return _without(pl.concat([bars, stray]), "PETR4.SA", LOST)


@functools.cache
def coins() -> pl.DataFrame:
    """Three coins in dollars, every day of the week."""
    bars = synthetic_bars(symbols=3, days=620, seed=6, calendar="24/7", faults=False, signal_ic=0.0)
    return _without(_renamed(bars, COINS), "ETH/USD", LOST_SUNDAY)


@functools.cache
def new_york() -> pl.DataFrame:
    """Twenty shares in dollars, with a signal in them."""
    return _renamed(synthetic_bars(symbols=20, days=420, seed=4, faults=False, signal_ic=0.1, horizon=1), SHARES)


FRAMES = {"us": new_york, "b3": sao_paulo, "crypto": coins}
STATED = {
    "us": {"calendar": "XNYS", "currency": "USD", "publication_lag_minutes": 120},
    "b3": {"calendar": "BVMF", "currency": "BRL", "publication_lag_minutes": 60},
    "crypto": {"calendar": "24/7", "currency": "USD", "publication_lag_minutes": 0},
}


def options_of(folder: Path, name: str, bars: pl.DataFrame | None = None, **changes: Any) -> dict[str, Any]:
    """Options of source `files` for one of the markets, its bars written below `folder`."""
    put(folder / name, {"bars.csv": csv_of(FRAMES[name]() if bars is None else bars)})
    return {"folder": str(folder / name), "price_basis": "adjusted_as_known", **STATED[name], **changes}


def choose_desk(patch: pytest.MonkeyPatch, home: Path, **frames: pl.DataFrame) -> Path:
    """Make `home` the one that settings name, of a desk of three markets at a horizon of a day.

    Homes beside each other share the folder of the files: where bars come from is a part of what a night is.
    """
    choose_home(patch, home)
    patch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
    folder = home.parent / "files"
    beside = [
        {"name": name, "source": "files", "options": options_of(folder, name, frames.get(name))}
        for name in ("b3", "crypto")
    ]
    patch.setenv("NIGHTDESK_HORIZONS", "[1]")
    patch.setenv("NIGHTDESK_SOURCE__NAME", "files")
    patch.setenv("NIGHTDESK_SOURCE__OPTIONS", json.dumps(options_of(folder, "us", frames.get("us"))))
    patch.setenv("NIGHTDESK_MARKETS", json.dumps(beside))
    return home


def _renamed(bars: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    old = bars[SYMBOL].unique().sort().to_list()
    return bars.with_columns(pl.col(SYMBOL).replace_strict(old, list(names))).select(*BARS).sort(SYMBOL, DATE)


def _without(bars: pl.DataFrame, symbol: str, day: dt.date) -> pl.DataFrame:
    return bars.filter(~((pl.col(SYMBOL) == symbol) & (pl.col(DATE) == day))).sort(SYMBOL, DATE)
