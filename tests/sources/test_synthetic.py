"""The synthetic market is what its settings say: signal, regimes, factor, order, prefix, faults."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from nightdesk.errors import UnknownName
from nightdesk.sources.market import simulate
from nightdesk.sources.synthetic import SyntheticMarket, SyntheticSource, synthetic
from nightdesk.tables import CLOSE, DATE, HIGH, LOW, OPEN, PRICES, SYMBOL, VOLUME

Floats = NDArray[np.float64]
SYMBOLS, DAYS = 600, 800


def wide(frame: pl.DataFrame, column: str) -> Floats:
    """(days, symbols) of a frame that has every cell."""
    return frame.get_column(column).to_numpy().reshape(frame.get_column(SYMBOL).n_unique(), -1).T


def open_to_open(opens: Floats, horizon: int) -> Floats:
    """Return from the open of t+1 to the open of t+1+horizon; the last horizon+1 days have none."""
    return opens[1 + horizon :] / opens[1:-horizon] - 1


def daily_rank_ic(score: Floats, label: Floats) -> Floats:
    ranks = [rows.argsort(axis=1).argsort(axis=1).astype(float) for rows in (score[: len(label)], label)]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    return (centred[0] * centred[1]).sum(axis=1) / np.sqrt(
        (centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1)
    )


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("planted", [0.0, 0.03, 0.08])
def test_the_oracles_rank_ic_is_the_planted_one(planted: float, horizon: int) -> None:
    source = synthetic(symbols=SYMBOLS, days=DAYS, signal_ic=planted, horizon=horizon, regimes=3)
    opens = wide(source.bars(None, source.last_day()), OPEN)
    found = daily_rank_ic(wide(source.oracle(), "score"), open_to_open(opens, horizon))
    sampling_error = np.sqrt(horizon / (SYMBOLS * len(found)))  # overlapping labels: one in `horizon` days counts
    assert abs(found.mean() - planted) < 3 * sampling_error
    assert 3 * sampling_error < 0.011  # so that 0, 0.03 and 0.08 cannot be taken for each other


def test_volume_shows_the_signal_to_a_plain_indicator() -> None:
    source = synthetic(symbols=SYMBOLS, days=DAYS, signal_ic=0.08, horizon=5)
    bars = source.bars(None, source.last_day())
    volume = wide(bars, VOLUME)
    total = np.vstack([np.zeros((1, SYMBOLS)), volume.cumsum(axis=0)])
    indicator = np.log(volume[59:] / ((total[60:] - total[:-60]) / 60))
    found = daily_rank_ic(indicator, open_to_open(wide(bars, OPEN)[59:], 5)).mean()
    assert found == pytest.approx(0.08 * 5 / 6, abs=0.012)


@pytest.mark.parametrize("horizon", [1, 5])
def test_pure_noise_has_nothing_for_past_returns_or_volume(horizon: int) -> None:
    source = synthetic(symbols=SYMBOLS, days=DAYS, signal_ic=0.0)
    bars = source.bars(None, source.last_day())
    close, label = wide(bars, CLOSE), open_to_open(wide(bars, OPEN), horizon)
    bound = 4 * np.sqrt(horizon / (SYMBOLS * DAYS))
    assert bound < 0.013
    for days in (1, 5, 20):
        found = daily_rank_ic(close[days:] / close[:-days], label[days:]).mean()
        assert abs(found) < bound
    assert abs(daily_rank_ic(wide(bars, VOLUME), label).mean()) < bound


def test_the_same_settings_give_the_same_bars_and_another_seed_others() -> None:
    one, same, other = (SyntheticSource(SyntheticMarket(seed=seed, faults=True)) for seed in (3, 3, 4))
    assert simulate(one.market).close.tobytes() == simulate(same.market).close.tobytes()
    assert one.bars(None, one.last_day()).equals(same.bars(None, same.last_day()))
    assert not one.bars(None, one.last_day()).equals(other.bars(None, other.last_day()))
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
    assert synthetic(signal_ic=0).fingerprint() == synthetic(signal_ic=0.0).fingerprint()


@pytest.mark.parametrize("days", [2, 61, 150, 299])
def test_a_longer_market_begins_as_the_shorter_one(days: int) -> None:
    options = {"symbols": 400, "signal_ic": 0.05, "regimes": 3, "faults": True}
    long, short = synthetic(days=300, **options), synthetic(days=days, **options)
    last = short.last_day()
    assert short.bars(None, last).equals(long.bars(None, last))
    assert short.oracle().equals(long.oracle(last=last))
    assert short.regimes().equals(long.regimes().head(days))


def test_prices_are_in_order_and_positive() -> None:
    source = synthetic(symbols=100, days=300)
    bars = source.bars(None, source.last_day())
    assert bars.height == 100 * 300
    assert bars.select((pl.min_horizontal(*PRICES) > 0).all()).item()
    assert bars.select((pl.col(HIGH) >= pl.max_horizontal(*PRICES)).all()).item()
    assert bars.select((pl.col(LOW) <= pl.min_horizontal(*PRICES)).all()).item()
    assert bars.select((pl.col(HIGH) > pl.col(LOW)).mean()).item() == 1
    assert bars.select((pl.col(VOLUME) > 0).all()).item()


def test_regimes_differ_in_volatility_and_last() -> None:
    source = synthetic(symbols=100, days=2000, regimes=2)
    regime = source.regimes().get_column("regime").to_numpy()[:-1]
    daily = np.abs(np.diff(np.log(wide(source.bars(None, source.last_day()), OPEN)), axis=0)).mean(axis=1)
    calm, wild = daily[regime == 0].mean(), daily[regime == 1].mean()
    assert wild / calm == pytest.approx(3.0, rel=0.1)
    changes = np.count_nonzero(np.diff(regime))
    assert 5 <= changes <= 40  # about 2000 x 0.02 / 2


def test_one_factor_moves_all_symbols() -> None:
    def mean_correlation(market_volatility: float) -> float:
        source = synthetic(symbols=60, days=1500, market_volatility=market_volatility, regimes=1)
        returns = np.diff(np.log(wide(source.bars(None, source.last_day()), OPEN)), axis=0)
        correlation = np.corrcoef(returns.T)
        return float((correlation.sum() - 60) / (60 * 59))

    assert mean_correlation(0.0) == pytest.approx(0.0, abs=0.01)
    assert mean_correlation(0.3) == pytest.approx(0.5, abs=0.1)


def test_volatility_is_the_stated_one_a_year() -> None:
    source = synthetic(symbols=300, days=1000, annual_volatility=0.4, market_volatility=0.0, regimes=1)
    returns = np.diff(np.log(wide(source.bars(None, source.last_day()), OPEN)), axis=0)
    assert np.median(returns.std(axis=0) * np.sqrt(252)) == pytest.approx(0.4, rel=0.05)


def test_no_faults_unless_asked_for() -> None:
    source = synthetic(symbols=50, days=200)
    assert source.planted_faults().is_empty()
    assert source.bars(None, source.last_day()).null_count().row(0) == (0,) * 7


def test_every_kind_of_fault_is_planted_where_the_list_says() -> None:
    source = synthetic(symbols=300, days=600, faults=True)
    bars, planted = source.bars(None, source.last_day()), source.planted_faults()
    assert set(planted.get_column("fault")) == {
        *("ohlc_order", "missing_price", "zero_volume", "missing_row", "late_listing", "delisting")
    }
    keys = {name: set(part.select(SYMBOL, DATE).iter_rows()) for (name,), part in planted.group_by("fault")}
    order = bars.filter(pl.col(HIGH) < pl.max_horizontal(OPEN, CLOSE))
    assert set(order.select(SYMBOL, DATE).iter_rows()) == keys["ohlc_order"]
    missing = bars.filter(pl.any_horizontal(pl.col(*PRICES).is_null()))
    assert set(missing.select(SYMBOL, DATE).iter_rows()) == keys["missing_price"]
    assert set(bars.filter(pl.col(VOLUME) == 0).select(SYMBOL, DATE).iter_rows()) == keys["zero_volume"]
    assert not keys["missing_row"] & set(bars.select(SYMBOL, DATE).iter_rows())


def test_crypto_never_closes_and_an_unknown_calendar_is_named() -> None:
    source = synthetic(symbols=2, days=10, calendar="24/7")
    assert (source.last_day() - source.first_day()).days == 9
    with pytest.raises(UnknownName, match=r"exchange calendar must be one of .* got 'XNYZ'"):
        synthetic(symbols=2, days=10, calendar="XNYZ").first_day()
