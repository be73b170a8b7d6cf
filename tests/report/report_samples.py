"""Two nights made by hand: one with everything, one with nothing but a refusal."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl

from nightdesk.report.contents import NightReport, ServedModel, Survivorship

AS_OF = dt.date(2017, 6, 30)
HORIZONS = (5, 20, 60)
RANK_IC: tuple[tuple[str, str, float | None], ...] = (
    ("ridge", "model", 0.021),
    ("lightgbm", "model", 0.034),
    ("linear", "baseline", 0.012),
    ("momentum", "baseline", 0.015),
    ("reversal", "baseline", -0.008),
    ("low_volatility", "baseline", 0.004),
    ("constant", "baseline", None),
    ("equal_weight", "baseline", None),
)
FRAMES: dict[str, dict[str, Any]] = {
    "walk_forward": {
        "horizon": pl.Int64, "model": pl.String, "kind": pl.String, "mean": pl.Float64, "lower": pl.Float64,
        "upper": pl.Float64, "days": pl.Int64, "edge": pl.Float64, "edge_lower": pl.Float64,
        "edge_upper": pl.Float64, "rival": pl.String,
    },
    "ranking": {
        "horizon": pl.Int64, "rank": pl.Int64, "symbol": pl.String, "score": pl.Float64,
        "percentile": pl.Float64, "close": pl.Float64,
    },
    "matured": {
        "as_of": pl.Date, "horizon": pl.Int64, "model": pl.String, "served": pl.Boolean, "exit_date": pl.Date,
        "rank_ic": pl.Float64, "symbols": pl.Int64,
    },
    "quarantined": {"symbol": pl.String, "date": pl.Date, "reasons": pl.String},
    "notes": {"rule": pl.String, "count": pl.Int64, "meaning": pl.String},
    "features": {"feature": pl.String, "unit": pl.String, "meaning": pl.String, "missing": pl.Float64},
}  # fmt: skip


def walk_forward() -> pl.DataFrame:
    """Eight models a horizon; only lightgbm at 5 days beats the best baseline; two have no rank IC."""
    rows = []
    for horizon in HORIZONS:
        reach = 0.011 * (horizon / 5) ** 0.4
        for model, kind, mean in RANK_IC:
            ends = (None, None) if mean is None else (mean - reach, mean + reach)
            edge = None if kind == "baseline" or mean is None else mean - 0.015
            width = 0.016 if horizon == 5 else 0.8 * reach + 0.02
            edges = (None, None) if edge is None else (edge - width, edge + width)
            rival = None if edge is None else "momentum"
            rows.append((horizon, model, kind, mean, *ends, 855 - horizon, edge, *edges, rival))
    return pl.DataFrame(rows, schema=FRAMES["walk_forward"], orient="row")


def ranking(symbols: int = 501) -> pl.DataFrame:
    """All symbols at each horizon, in another order at each."""
    draw = np.random.default_rng(7)
    rows = []
    for horizon in HORIZONS:
        order = draw.permutation(symbols)
        scores = np.sort(draw.normal(0.0, 0.012, symbols))[::-1]
        for place, (symbol, score) in enumerate(zip(order, scores, strict=True), start=1):
            name = f"{'ABCDEFGHKLMNPQRSTUVW'[symbol % 20]}{'AEIOU'[symbol % 5]}{symbol:03d}"[:4]
            close = float(np.round(12 + symbol * 1.87, 2))
            rows.append((horizon, place, name, score, 1 - (place - 1) / (symbols - 1), close))
    return pl.DataFrame(rows, schema=FRAMES["ranking"], orient="row")


def matured(nights: int = 60) -> pl.DataFrame:
    """As many served nights a horizon, the third of each without a rank IC, and an unserved model beside."""
    draw = np.random.default_rng(11)
    rows: list[tuple[Any, ...]] = []
    for horizon in HORIZONS:
        for night in range(nights):
            day = dt.date(2017, 1, 3) + dt.timedelta(days=night + 2 * (night // 5))
            value = None if night == 2 else float(draw.normal(0.015, 0.09))
            out = day + dt.timedelta(days=horizon * 7 // 5)
            rows.append((day, horizon, "lightgbm", True, out, value, 498))
            rows.append((day, horizon, "shadow", False, out, 0.9, 498))
    return pl.DataFrame(rows, schema=FRAMES["matured"], orient="row")


def quarantined(rows: int = 22) -> pl.DataFrame:
    """So many rows; every fifth with two reasons."""
    return pl.DataFrame(
        [
            (
                f"Q{row:02d}",
                dt.date(2017, 5, 1) + dt.timedelta(days=row),
                "ohlc_order,price_range" if row % 5 == 0 else "missing_price",
            )
            for row in range(rows)
        ],
        schema=FRAMES["quarantined"],
        orient="row",
    )


def features() -> pl.DataFrame:
    """A feature without gaps, one with, one of which nothing is known."""
    rows = [
        ("momentum_252_21", "fraction", "return of the last year without its last month", 0.0),
        ("reversal_5", "fraction", "minus the return of the last 5 days", 0.025),
        ("volatility_60", "annualised fraction", "standard deviation of 60 daily log returns", None),
    ]
    return pl.DataFrame(rows, schema=FRAMES["features"], orient="row")


def rich(**changes: Any) -> NightReport:
    """A published night with everything in it."""
    told: dict[str, Any] = {
        "as_of": AS_OF,
        "realm": "live",
        "source": "sample",
        "currency": "USD",
        "price_basis": "adjusted_later",
        "status": "published",
        "status_reasons": (),
        "first_day": dt.date(2013, 2, 8),
        "trading_days": 1107,
        "symbols": 501,
        "rows_in": 502,
        "rows_new": 501,
        "trained": True,
        "training_reason": "the champions' training data ended 5 trading days ago",
        "walk_forward_as_of": AS_OF,
        "walk_forward": walk_forward(),
        "serving": tuple(
            ServedModel(h, m, "3", AS_OF, dt.date(2017, 1, 3), "unproven")
            for h, m in zip(HORIZONS, ("lightgbm", "lightgbm", "ridge"), strict=True)
        ),
        "ranking": ranking(),
        "matured": matured(),
        "quarantined": quarantined(),
        "notes": pl.DataFrame(
            [
                ("stale_price", 7, "the close has not moved for 5 days or more"),
                ("zero_volume", 31, "a bar should have volume"),
            ],
            schema=FRAMES["notes"],
            orient="row",
        ),
        "features": features(),
        "survivorship": Survivorship("SP500", 653, 152),
        "code": "nightdesk 0.1.0 (3f1c2ab)",
    }
    return NightReport(**(told | changes))


def minimal(**changes: Any) -> NightReport:
    """A refused night of a new desk: nothing trained, ranked, matured or measured."""
    told: dict[str, Any] = {name: pl.DataFrame(schema=schema) for name, schema in FRAMES.items()}
    told |= {
        "status": "refused",
        "status_reasons": ("thin_day: 3 of 501 symbols have a bar",),
        "trained": False,
        "training_reason": "the data was refused",
        "walk_forward_as_of": None,
        "serving": (),
        "survivorship": None,
    }
    return rich(**(told | changes))
