"""Features of several markets: a night's file holds each market's own newest day, over its own trading days alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from bar_samples import synthetic_bars

from nightdesk.features import INDICATORS
from nightdesk.features.build import build_features
from nightdesk.features.cross_section import CrossSection, cross_sections
from nightdesk.features.matrix import matrix_of
from nightdesk.features.selection import Choice, choose
from nightdesk.features.stages import Feature
from nightdesk.operations.markets import decisions
from nightdesk.sources import SourceFacts
from nightdesk.store.features import read_features
from nightdesk.tables import BAR_DATE, DATE, MARKET, SYMBOL

US = SourceFacts("us", "XNYS", "USD", "raw", dt.timedelta(hours=2), "rule")
RANK = CrossSection(INDICATORS["return_1"], "rank")
# Finite ones alone: the store begins the others anew each year.
FEATURES: list[Feature] = [*(one for one in choose(Choice()) if one.tolerance == 0), RANK]
COINS = SourceFacts("coins", "24/7", "USD", "raw", dt.timedelta(0), "rule")


@pytest.fixture(scope="module")
def panel() -> pl.DataFrame:
    shares = synthetic_bars(symbols=3, days=80, faults=False).with_columns(market=pl.lit("us"))
    coins = synthetic_bars(symbols=2, days=120, faults=False, calendar="24/7", first_day="2015-12-20")
    coins = coins.with_columns(pl.col(SYMBOL).str.replace("SYN", "COIN"), market=pl.lit("coins"))
    return pl.concat([shares, coins]).sort(SYMBOL, DATE)


def until(panel: pl.DataFrame, count: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The panel as the night number `count` knows it, and what the nights up to it decide on."""
    nights = panel.filter(pl.col(MARKET) == "us")[DATE].unique().sort().to_list()[:count]
    decided = decisions(US, [US, COINS], nights)
    newest = decided.group_by(MARKET).agg(pl.col(BAR_DATE).max().alias("newest"))
    return panel.join(newest, on=MARKET).filter(pl.col(DATE) <= pl.col("newest")).drop("newest").sort(
        SYMBOL, DATE
    ), decided


def test_each_night_holds_each_markets_own_newest_day(panel: pl.DataFrame, tmp_path: Path) -> None:
    bars, decided = until(panel, 70)
    found = read_features(build_features(tmp_path, bars, FEATURES, decided=decided))
    own = matrix_of(bars, FEATURES[:-1])
    coins = own.filter(pl.col(SYMBOL).str.starts_with("COIN"))
    own = pl.concat(
        market.with_columns(cross_sections(market, [RANK], None))
        for market in (own.join(coins, on=SYMBOL, how="anti"), coins)
    )
    monday = dt.date(2016, 2, 29)
    expected = {"SYN0001": monday, "COIN0001": dt.date(2016, 2, 28)}
    assert found.filter(pl.col(DATE) == monday)[SYMBOL].to_list() == sorted(bars[SYMBOL].unique())
    for symbol, bar_date in expected.items():
        row = found.filter(pl.col(SYMBOL) == symbol, pl.col(DATE) == monday).drop(DATE)
        assert row.equals(own.filter(pl.col(SYMBOL) == symbol, pl.col(DATE) == bar_date).drop(DATE))
    assert found[DATE].unique().sort().to_list() == decided.filter(pl.col(MARKET) == "us")[DATE].to_list()


def test_a_night_is_built_alike_whatever_is_known_later(panel: pl.DataFrame, tmp_path: Path) -> None:
    early, late = (
        build_features(tmp_path / name, bars, FEATURES, decided=decided)
        for name, (bars, decided) in {"early": until(panel, 60), "late": until(panel, 75)}.items()
    )
    then = read_features(early)
    assert then.equals(read_features(late).filter(pl.col(DATE) <= early.as_of))
    # The same files by the same names: a later night finds them, and writes only its own.
    files = {file.name for file in (tmp_path / "early").rglob("date=*/*.parquet")}
    assert files <= {file.name for file in (tmp_path / "late").rglob("date=*/*.parquet")}
    assert len(files) == 60


def test_a_changed_bar_of_a_weekend_builds_the_nights_after_it_anew_and_none_before(
    panel: pl.DataFrame, tmp_path: Path
) -> None:
    bars, decided = until(panel, 70)
    build_features(tmp_path, bars, FEATURES, decided=decided)
    before = {file.relative_to(tmp_path) for file in tmp_path.rglob("date=*/*.parquet")}
    saturday = (pl.col(SYMBOL) == "COIN0001") & (pl.col(DATE) == dt.date(2016, 2, 27))
    restated = bars.with_columns(pl.when(saturday).then(pl.col("close") * 1.1).otherwise("close").alias("close"))
    found = read_features(build_features(tmp_path, restated, FEATURES, decided=decided))
    again = {file.relative_to(tmp_path) for file in tmp_path.rglob("date=*/*.parquet")} - before
    assert {file.parent.name for file in again} == {
        f"date={night}" for night in decided[DATE].unique() if night >= dt.date(2016, 2, 29)
    }
    assert found.filter(pl.col(DATE) == dt.date(2016, 2, 29)).height == 5
