"""The forecast log is never changed: the same rows again are nothing, others a conflict; a score is entered once."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from store_samples import DAYS, count

from nightdesk.errors import ForecastConflict
from nightdesk.store import schema
from nightdesk.store.forecasts import awaiting, forecasts_of, log_forecasts, log_scores, scores

ROWS = pl.DataFrame(
    [
        (5, "lightgbm", "AAA", 0.25, False, "c1"),
        (5, "ridge", "AAA", 0.1, True, "c2"),
        (5, "ridge", "BBB", -0.1, True, "c2"),
        (20, "ridge", "AAA", 1 / 3, True, "c3"),
    ],
    schema=["horizon", "model", "symbol", "score", "served", "model_content"],
    orient="row",
)


def score_rows(realm: str, rows: list[tuple[dt.date, int, str, dt.date, float | None]]) -> pl.DataFrame:
    """Rows of the matured table: as_of, horizon, model, scored_on, rank_ic."""
    schema = {"as_of": pl.Date, "horizon": pl.Int32, "model": pl.String, "scored_on": pl.Date, "rank_ic": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(realm=pl.lit(realm), served=True, exit_date=pl.col("scored_on"), symbols=2)


def test_what_was_logged_is_read_back_sorted(store: sa.Engine) -> None:
    assert forecasts_of(store, "live", DAYS[0]).is_empty()
    assert log_forecasts(store, "live", DAYS[0], ROWS.reverse()) == 4
    assert_frame_equal(forecasts_of(store, "live", DAYS[0]), ROWS)


def test_the_same_rows_again_add_nothing(store: sa.Engine) -> None:
    log_forecasts(store, "live", DAYS[0], ROWS)
    assert log_forecasts(store, "live", DAYS[0], ROWS.reverse().cast({"horizon": pl.Int32})) == 0
    assert count(store, schema.forecasts) == 4


@pytest.mark.parametrize(
    "changed",
    [
        ROWS.with_columns(score=pl.col("score") + 1e-15),
        ROWS.with_columns(served=~pl.col("served")),
        ROWS.with_columns(model_content=pl.lit("other")),
        ROWS.with_columns(symbol=pl.col("symbol") + "X"),
        ROWS[:3],
        pl.concat([ROWS, ROWS[3:].with_columns(symbol=pl.lit("BBB"))]),
        ROWS.clear(),
    ],
    ids=["score", "served", "content", "symbol", "fewer", "more", "none"],
)
def test_other_rows_are_a_conflict_and_change_nothing(store: sa.Engine, changed: pl.DataFrame) -> None:
    log_forecasts(store, "live", DAYS[0], ROWS)
    with pytest.raises(ForecastConflict, match=r"may not change, got other ones for 2024-01-02 \(live\) than the 4"):
        log_forecasts(store, "live", DAYS[0], changed)
    assert_frame_equal(forecasts_of(store, "live", DAYS[0]), ROWS)


def test_nights_and_realms_have_logs_of_their_own(store: sa.Engine) -> None:
    log_forecasts(store, "live", DAYS[0], ROWS)
    assert log_forecasts(store, "live", DAYS[1], ROWS[:1]) == 1
    assert log_forecasts(store, "replay", DAYS[0], ROWS[1:]) == 3
    assert [forecasts_of(store, "live", day).height for day in DAYS[:3]] == [4, 1, 0]
    assert forecasts_of(store, "replay", DAYS[0]).height == 3


def test_forecasts_wait_until_they_are_scored(store: sa.Engine) -> None:
    for day in DAYS[:3]:
        log_forecasts(store, "live", day, ROWS)
    log_forecasts(store, "replay", DAYS[0], ROWS)
    keys = ["as_of", "horizon", "model"]
    waiting = awaiting(store, "live", DAYS[2])
    assert waiting.height == 8
    assert waiting["as_of"].unique().to_list() == DAYS[:2]
    log_scores(store, score_rows("live", [(DAYS[0], 5, "ridge", DAYS[2], 0.5), (DAYS[1], 20, "ridge", DAYS[2], None)]))
    assert awaiting(store, "live", DAYS[2]).select(keys).unique(maintain_order=True).rows() == [
        (DAYS[0], 5, "lightgbm"),
        (DAYS[0], 20, "ridge"),
        (DAYS[1], 5, "lightgbm"),
        (DAYS[1], 5, "ridge"),
    ]
    assert awaiting(store, "replay", DAYS[2]).height == 4


def test_a_score_is_entered_once_and_stands(store: sa.Engine) -> None:
    first = score_rows("live", [(DAYS[0], 5, "ridge", DAYS[2], 0.5)])
    assert log_scores(store, first) == 1
    both = score_rows("live", [(DAYS[0], 5, "ridge", DAYS[3], 0.9), (DAYS[0], 5, "lightgbm", DAYS[3], None)])
    assert log_scores(store, both) == 1
    assert log_scores(store, both.clear()) == 0
    kept = scores(store, "live", DAYS[4]).select("horizon", "model", "as_of", "scored_on", "rank_ic").rows()
    assert kept == [(5, "lightgbm", DAYS[0], DAYS[3], None), (5, "ridge", DAYS[0], DAYS[2], 0.5)]


def test_scores_are_those_of_the_realm_up_to_a_date(store: sa.Engine) -> None:
    log_scores(store, score_rows("live", [(DAYS[0], 5, "ridge", DAYS[2], 0.5), (DAYS[1], 5, "ridge", DAYS[3], 0.1)]))
    log_scores(store, score_rows("replay", [(DAYS[0], 5, "ridge", DAYS[2], -0.5)]))
    assert scores(store, "live", DAYS[1]).is_empty()
    assert scores(store, "live", DAYS[2])["rank_ic"].to_list() == [0.5]
    assert scores(store, "live", DAYS[3])["rank_ic"].to_list() == [0.5, 0.1]
    assert scores(store, "replay", DAYS[3])["rank_ic"].to_list() == [-0.5]
