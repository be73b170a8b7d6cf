"""Rows to fit on: features joined with labels, the label as its rank among the symbols of its date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import polars as pl

from nightdesk.labels.columns import KNOWN_DATE
from nightdesk.models.recipe import Dates, Matrix, Training
from nightdesk.tables import DATE, FORWARD_RETURN, HORIZON, MARKET, SYMBOL

_ROW: Final = "row of features"


def feature_columns(features: pl.DataFrame, wanted: Sequence[str]) -> list[str]:
    """The columns a recipe uses: those it names, or all features where it names none."""
    return list(wanted) or [name for name in features.columns if name not in (SYMBOL, DATE)]


def to_matrix(features: pl.DataFrame, columns: Sequence[str]) -> Matrix:
    """The columns as float32 (rows, columns); null becomes NaN."""
    return np.ascontiguousarray(
        features.select(pl.col(c).cast(pl.Float32).fill_null(float("nan")) for c in columns).to_numpy()
    )


def training_set(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    horizon: int,
    columns: Sequence[str],
    days: Collection[dt.date],
) -> Training:
    """Join features and labels of `days` at `horizon` into rows to fit on; rows without a label are left out.

    The target is the label's rank among the symbols of its date, from -0.5 to 0.5: it says which symbol does better,
    which is what a ranking is scored by, and no single wild return can bend the fit. Each date has the same weight.
    Labels with a column `market` are ranked within their own market; one alone in its market on a date is left out.
    Labels with a column `known_date` let a family hold days out (`models.early_stopping`).
    """
    wanted = pl.DataFrame({DATE: sorted(days)}, schema={DATE: pl.Date})
    among = [MARKET] if MARKET in labels.columns else []
    known = [KNOWN_DATE] if KNOWN_DATE in labels.columns else []
    labelled = (
        labels.filter(pl.col(HORIZON) == horizon, pl.col(FORWARD_RETURN).is_not_null())
        .select(SYMBOL, DATE, FORWARD_RETURN, *among, *known)
        .join(wanted, on=DATE, how="semi")
    )
    # By number of row: a join would carry every feature through it, and the sort again.
    own = features.select(SYMBOL, DATE).with_row_index(_ROW)
    rows = own.join(labelled, on=[SYMBOL, DATE], how="inner").sort(DATE, SYMBOL)
    if among:
        rows = rows.filter(pl.len().over(DATE, *among) > 1)
    ranked = rows.select(
        rank=pl.col(FORWARD_RETURN).rank("average").over(DATE, *among),
        among=pl.len().over(DATE, *among),
        count=pl.len().over(DATE),
    )
    target = ranked.select((pl.col("rank") - 0.5) / pl.col("among") - 0.5).to_series().to_numpy()
    weight = ranked.select(1.0 / pl.col("count")).to_series().to_numpy()
    scale = len(weight) / weight.sum() if len(weight) else 1.0
    return Training(
        to_matrix(features.select(columns)[rows[_ROW]], columns),
        np.asarray(target, dtype=np.float64),
        weight * scale,
        _dates(rows[DATE]),
        _dates(rows[KNOWN_DATE]) if known else None,
    )


def _dates(column: pl.Series) -> Dates:
    return np.asarray(column.to_numpy(), dtype="datetime64[D]")
