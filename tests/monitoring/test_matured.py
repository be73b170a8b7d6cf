"""Matured forecasts: scored on the night of their exit price, by hand's own Spearman, and not a day before."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from nightdesk.labels.exits import GONE_AFTER
from nightdesk.monitoring.matured import score_matured
from nightdesk.sessions import trading_days
from nightdesk.store.database import open_store
from nightdesk.store.forecasts import awaiting, log_forecasts, log_scores, scores
from nightdesk.tables import CLOSE, DATE, HORIZON, MODEL, OPEN, SCORE, SYMBOL

DAYS = trading_days("XNYS", dt.date(2017, 1, 3), dt.date(2017, 4, 3))
NAMES = [f"S{n:02d}" for n in range(12)]
SAID_ON = 20
RANDOM = np.random.default_rng(11)
OPENS = 100 * np.exp(0.02 * RANDOM.standard_normal((len(NAMES), len(DAYS))).cumsum(axis=1))
CLOSES = OPENS * np.exp(0.01 * RANDOM.standard_normal(OPENS.shape))
SAID = dict(zip(NAMES, RANDOM.standard_normal(len(NAMES)).tolist(), strict=True))


def bars(last: int) -> pl.DataFrame:
    """Bars known on the night of position `last`."""
    rows = [(name, DAYS[day], OPENS[n, day], CLOSES[n, day]) for n, name in enumerate(NAMES) for day in range(last + 1)]
    return pl.DataFrame(rows, schema=[SYMBOL, DATE, OPEN, CLOSE], orient="row")


def waiting(*nights: int, horizons: tuple[int, ...] = (5,), model: str = "ridge") -> pl.DataFrame:
    rows = [
        (DAYS[night], horizon, model, name, score, True)
        for night in nights
        for horizon in horizons
        for name, score in SAID.items()
    ]
    schema = {"as_of": pl.Date, HORIZON: pl.Int64, MODEL: pl.String, SYMBOL: pl.String, SCORE: pl.Float64}
    return pl.DataFrame(rows, schema={**schema, "served": pl.Boolean}, orient="row")


def by_hand(horizon: int, without: tuple[str, ...] = ()) -> float:
    kept = [n for n, name in enumerate(NAMES) if name not in without]
    returns = OPENS[kept, SAID_ON + 1 + horizon] / OPENS[kept, SAID_ON + 1] - 1
    return float(spearmanr([SAID[NAMES[n]] for n in kept], returns).statistic)


@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_a_forecast_is_scored_the_night_its_exit_price_is_known_and_not_a_day_earlier(horizon: int) -> None:
    said, matures = waiting(SAID_ON, horizons=(horizon,)), SAID_ON + 1 + horizon
    early = score_matured(said, bars(matures - 1), DAYS[:matures], "live")
    assert early.is_empty()
    (row,) = score_matured(said, bars(matures), DAYS[: matures + 1], "live").to_dicts()
    assert row.pop("rank_ic") == pytest.approx(by_hand(horizon))
    assert row == {
        "realm": "live",
        "as_of": DAYS[SAID_ON],
        "horizon": horizon,
        "model": "ridge",
        "served": True,
        "exit_date": DAYS[matures],
        "scored_on": DAYS[matures],
        "symbols": 12,
    }


def test_a_late_night_scores_by_the_exit_price_of_the_day_and_says_when_it_did() -> None:
    (row,) = score_matured(waiting(SAID_ON), bars(40), DAYS[:41], "live").to_dicts()
    assert row["rank_ic"] == pytest.approx(by_hand(5))
    assert (row["exit_date"], row["scored_on"]) == (DAYS[SAID_ON + 6], DAYS[40])


def test_each_night_horizon_and_model_is_scored_by_itself() -> None:
    opposite = waiting(SAID_ON, model="other").with_columns(-pl.col(SCORE), served=pl.lit(False))
    said = pl.concat([waiting(SAID_ON, SAID_ON + 1, horizons=(1, 5)), opposite])
    found = score_matured(said, bars(SAID_ON + 6), DAYS[: SAID_ON + 7], "live")
    assert found.select("as_of", HORIZON, MODEL, "served").rows() == [
        (DAYS[SAID_ON], 1, "ridge", True),
        (DAYS[SAID_ON], 5, "other", False),
        (DAYS[SAID_ON], 5, "ridge", True),
        (DAYS[SAID_ON + 1], 1, "ridge", True),
    ]
    at_five = dict(found.filter(pl.col(HORIZON) == 5).select(MODEL, "rank_ic").iter_rows())
    assert at_five["ridge"] == pytest.approx(-at_five["other"]) == pytest.approx(by_hand(5))


def test_a_symbol_that_has_gone_counts_with_its_last_close() -> None:
    horizon, last = 20, SAID_ON + 4
    gone = (pl.col(SYMBOL) == NAMES[3]) & (pl.col(DATE) > DAYS[last])
    matures = SAID_ON + 1 + horizon
    shown = bars(matures).filter(~gone)
    (row,) = score_matured(waiting(SAID_ON, horizons=(horizon,)), shown, DAYS[: matures + 1], "live").to_dicts()
    exits = OPENS[:, matures].copy()
    exits[3] = CLOSES[3, last]
    wanted = spearmanr([SAID[name] for name in NAMES], exits / OPENS[:, SAID_ON + 1]).statistic
    assert row["symbols"] == 12
    assert row["rank_ic"] == pytest.approx(wanted)
    assert row["rank_ic"] != pytest.approx(by_hand(horizon))


def test_a_symbol_without_a_price_takes_no_part_and_is_not_counted() -> None:
    absent = (pl.col(SYMBOL) == NAMES[3]) & (pl.col(DATE) == DAYS[SAID_ON + 6])
    # On the day itself nobody can know whether it has gone for good; back the next day, it had no exit price.
    assert score_matured(waiting(SAID_ON), bars(SAID_ON + 6).filter(~absent), DAYS[: SAID_ON + 7], "live").is_empty()
    shown = bars(SAID_ON + 7).filter(~absent)
    (row,) = score_matured(waiting(SAID_ON), shown, DAYS[: SAID_ON + 8], "live").to_dicts()
    assert row["symbols"] == 11
    assert row["rank_ic"] == pytest.approx(by_hand(5, (NAMES[3],)))


def test_a_symbol_that_went_just_before_the_exit_is_waited_for_and_not_lost() -> None:
    last = SAID_ON + 4
    gone = (pl.col(SYMBOL) == NAMES[3]) & (pl.col(DATE) > DAYS[last])
    known = last + GONE_AFTER
    for night in range(SAID_ON + 6, known):
        assert score_matured(waiting(SAID_ON), bars(night).filter(~gone), DAYS[: night + 1], "live").is_empty()
    (row,) = score_matured(waiting(SAID_ON), bars(known).filter(~gone), DAYS[: known + 1], "live").to_dicts()
    assert (row["symbols"], row["scored_on"]) == (12, DAYS[known])


def test_a_night_that_too_few_symbols_tell_about_is_undefined_and_never_zero() -> None:
    few = bars(SAID_ON + 16).filter(pl.col(SYMBOL).is_in(NAMES[:9]))
    (row,) = score_matured(waiting(SAID_ON), few, DAYS[: SAID_ON + 17], "live").to_dicts()
    assert (row["rank_ic"], row["symbols"]) == (None, 9)


def test_nothing_waiting_is_nothing_scored() -> None:
    assert score_matured(waiting(), bars(40), DAYS[:41], "live").is_empty()


def test_what_is_unscored_stays_waiting_and_what_is_scored_does_not(tmp_path: Path) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    for night in (SAID_ON, SAID_ON + 1):
        said = waiting(night).drop("as_of").with_columns(model_content=pl.lit("content"))
        log_forecasts(engine, "live", DAYS[night], said)
    for last, left in ((SAID_ON + 5, [SAID_ON, SAID_ON + 1]), (SAID_ON + 6, [SAID_ON + 1]), (SAID_ON + 7, [])):
        before = awaiting(engine, "live", DAYS[last])
        log_scores(engine, score_matured(before, bars(last), DAYS[: last + 1], "live"))
        assert sorted(set(awaiting(engine, "live", DAYS[last])["as_of"])) == [DAYS[night] for night in left]
    scored = scores(engine, "live", DAYS[-1])
    assert scored["scored_on"].to_list() == [DAYS[SAID_ON + 6], DAYS[SAID_ON + 7]]
    assert scored["rank_ic"][0] == pytest.approx(by_hand(5))
