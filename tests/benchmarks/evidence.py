"""Evidence: the backtest of a decile strategy on the panel, the drift gate over 250 features, a night's e-process."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import numpy as np
import polars as pl

from nightdesk.evaluation.backtest import Costs, backtest, decile_weights
from nightdesk.evaluation.e_process import e_path
from nightdesk.evaluation.trading_panel import TradingPanel, trading_panel
from nightdesk.features.matrix import feature_matrix
from nightdesk.monitoring.drift import WINDOW, DriftReference, bin_edges, drift_reference, judge_drift, night_counts
from nightdesk.tables import DATE, SYMBOL
from tests.benchmarks.page import Section, Target, seconds
from tests.benchmarks.sample import sample
from tests.benchmarks.timing import Case, interleaved

FEATURES = 250
REFERENCE_NIGHTS = 300
BACKTEST, GATE = "deciles by 20-day reversal, filled and charged", f"drift gate over {FEATURES} features"


def measure(symbols: int | None) -> list[Section]:
    """Seconds of each, warm; what is prepared once stands beside."""
    given = sample(symbols)
    bars, days = given.verdict.good, given.days
    panel = trading_panel(bars, days)
    scores = np.full(panel.marks.shape, np.nan)
    scores[20:] = -(panel.marks[20:] / panel.marks[:-20] - 1.0)
    history = _many_features(bars)
    nights = history[DATE].unique().sort()
    recent = history.filter(pl.col(DATE) >= nights[-WINDOW])
    reference = _reference(history.filter(pl.col(DATE) < nights[-WINDOW]))
    differences = np.random.default_rng(0).normal(0.0, 0.08, 504)
    cases = [
        Case(BACKTEST, partial(nullcontext, scores), partial(_backtest, panel)),
        Case("its panel of prices, once a night", nullcontext, lambda _: trading_panel(bars, days)),
        Case(GATE, partial(nullcontext, recent), partial(_gate, reference)),
        Case("its reference, once a training", partial(nullcontext, history), _reference),
        Case("e-process of 504 nights at 60 days", partial(nullcontext, differences), partial(e_path, horizon=60)),
    ]
    timings = interleaved(cases)
    rows = tuple((one.name, seconds(one.median), seconds(one.best)) for one in timings.values())
    sentence = (
        f"{bars.height:,} bars of {panel.marks.shape[1]} symbols. The gate counts {recent.height:,} rows of {WINDOW} "
        f"nights in the bins of a reference of {len(nights) - WINDOW}; its features are the registered ones and copies "
        "with noise."
    )
    targets = (
        Target("a decile strategy backtested on the panel", 0.100, timings[BACKTEST].median, "s", most=True),
        Target(f"{FEATURES} features judged for drift", 1.0, timings[GATE].median, "s", most=True),
    )
    return [Section("Evidence", sentence, ("what", "median s", "best s"), rows, targets)]


def _backtest(panel: TradingPanel, scores: np.ndarray) -> None:
    backtest(decile_weights(scores), panel, Costs()).summary()


def _gate(reference: DriftReference, recent: pl.DataFrame) -> None:
    judge_drift(reference, night_counts(recent, reference.features, reference.edges))


def _reference(history: pl.DataFrame) -> DriftReference:
    names = history.columns[2:]
    edges = bin_edges(history, names)
    return drift_reference(names, edges, night_counts(history, names, edges))


def _many_features(bars: pl.DataFrame) -> pl.DataFrame:
    features = feature_matrix(bars)
    nights = features[DATE].unique().sort()
    features = features.filter(pl.col(DATE) >= nights[-min(REFERENCE_NIGHTS + WINDOW, len(nights))])
    random, own = np.random.default_rng(0), features.columns[2:]
    copies = [
        (pl.col(own[number % len(own)]) + pl.Series(0.1 * random.standard_normal(features.height, np.float32))).alias(
            f"{own[number % len(own)]}_{number}"
        )
        for number in range(FEATURES)
    ]
    return features.select(SYMBOL, DATE, *copies)
