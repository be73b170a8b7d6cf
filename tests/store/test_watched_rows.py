"""What nights found of drift and outcomes, and slices of matured forecasts: the same on each engine, entered once."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import sqlalchemy as sa

from nightdesk.store.forecasts import log_scores
from nightdesk.store.monitoring import (
    drift_of,
    log_slices,
    newest_watched,
    outcomes_of,
    slices_of,
    write_drift,
    write_outcomes,
)

DAY = dt.date(2017, 6, 30)
NEXT = dt.date(2017, 7, 3)
DRIFT: dict[str, Any] = {
    **{"horizon": 5, "model": "ridge", "model_content": "c", "verdict": "gross", "features": 20, "share": 0.1},
    **{"since": DAY, "flagged": "[]", "symbols": "[]", "reason": "because"},
}
OUTCOME: dict[str, Any] = {
    **{"horizon": 5, "model": "", "verdict": "unjudged", "nights": 0, "promised": None, "evidence": None},
    **{"threshold": None, "since": None, "mean": None, "lower": None, "upper": None, "reason": "none"},
}


def slices(*days: dt.date, rank_ic: float | None = 0.1) -> pl.DataFrame:
    rows = [(day, 5, "ridge", "regime", "calm", rank_ic, 30) for day in days]
    columns = ["as_of", "horizon", "model", "slicing", "slice", "rank_ic", "symbols"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def test_a_night_entered_again_takes_the_place_of_what_it_had_entered(store: sa.Engine) -> None:
    assert newest_watched(store, "live") is None
    write_drift(store, "live", DAY, [DRIFT, {**DRIFT, "horizon": 20}])
    write_drift(store, "live", NEXT, [DRIFT])
    write_drift(store, "live", DAY, [{**DRIFT, "verdict": "clean", "share": None, "since": None}])
    write_drift(store, "replay", DAY, [DRIFT])
    assert drift_of(store, "live", DAY, NEXT).select("as_of", "horizon", "verdict", "share", "since").rows() == [
        (DAY, 5, "clean", None, None),
        (NEXT, 5, "gross", 0.1, DAY),
    ]
    assert drift_of(store, "live", DAY, DAY).height == 1
    assert newest_watched(store, "live") == NEXT
    write_outcomes(store, "live", DAY, [OUTCOME])
    assert outcomes_of(store, "live", DAY, NEXT).drop("as_of").row(0, named=True) == OUTCOME
    write_outcomes(store, "live", DAY, [])
    assert outcomes_of(store, "live", DAY, NEXT).is_empty()


def test_a_slice_that_stands_is_left_as_it_is_and_shown_once_its_night_is_scored(store: sa.Engine) -> None:
    assert log_slices(store, "live", slices(DAY)) == 1
    assert log_slices(store, "live", slices(DAY, NEXT, rank_ic=None)) == 1
    assert slices_of(store, "live", NEXT).is_empty()
    scored = [("live", day, 5, "ridge", served, NEXT, NEXT, 0.1, 30) for day, served in ((DAY, True), (NEXT, False))]
    columns = ["realm", "as_of", "horizon", "model", "served", "exit_date", "scored_on", "rank_ic", "symbols"]
    log_scores(store, pl.DataFrame(scored, schema=columns, orient="row"))
    assert slices_of(store, "live", NEXT).select("as_of", "slice", "rank_ic").rows() == [(DAY, "calm", 0.1)]
    assert slices_of(store, "live", DAY).is_empty()
