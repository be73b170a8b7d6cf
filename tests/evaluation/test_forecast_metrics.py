"""Each metric of an evaluation equals scikit-learn, scipy or a plain loop on the same rows."""

from __future__ import annotations

import datetime as dt
import statistics

import numpy as np
import polars as pl
import pytest
from scipy import stats
from sklearn import metrics as sk

from nightdesk.evaluation.forecast_metrics import MEANINGS, forecast_metrics, ic_within_markets, return_metrics, targets
from nightdesk.scoring.rank_ic import daily_ic

DAYS = [dt.date(2020, 1, 1) + dt.timedelta(days=day) for day in range(12)]


def scored(seed: int, market: str | None = None) -> pl.DataFrame:
    """Twelve days of 20 symbols, some without a score or a return."""
    random, rows = np.random.default_rng(seed), []
    for day in DAYS:
        returns = random.normal(0.0, 0.02, 20)
        scores = 3 * returns + random.normal(0.01, 0.1, 20)
        for number in range(20):
            gap = random.random()
            came = None if gap < 0.1 else float(returns[number])
            said = float("nan") if gap > 0.95 else float(scores[number])
            rows.append((f"{market or ''}S{number:02}", day, said, came))
    schema = {"symbol": pl.String, "date": pl.Date, "score": pl.Float64, "forward_return": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame if market is None else frame.with_columns(market=pl.lit(market))


def by_hand(frame: pl.DataFrame) -> dict[str, list]:
    """Rows day by day in plain Python: target, score, halves, and the correlations of each day."""
    found: dict[str, list] = {
        name: [] for name in ("target", "score", "excess", "came", "put", "place", "rank_ic", "ic")
    }
    for day in DAYS:
        rows = [
            r for r in frame.filter(date=day).to_dicts() if r["forward_return"] is not None and r["score"] == r["score"]
        ]
        returns, scores = [r["forward_return"] for r in rows], [r["score"] for r in rows]
        middle, half = statistics.median(returns), statistics.median(scores)
        for row in rows:
            below = sum(one < row["forward_return"] for one in returns)
            found["target"].append((below + 0.5) / len(rows) - 0.5)
            found["place"].append((sum(one < row["score"] for one in scores) + 0.5) / len(rows))
            found["score"].append(row["score"])
            found["excess"].append(row["forward_return"] - middle)
            found["came"].append(int(row["forward_return"] > middle))
            found["put"].append(int(row["score"] > half))
        found["rank_ic"].append(stats.spearmanr(scores, returns).statistic)
        found["ic"].append(stats.pearsonr(scores, returns).statistic)
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_metrics_of_forecasts(seed: int) -> None:
    hand, found = by_hand(scored(seed)), forecast_metrics(scored(seed))
    wanted = {
        "mse": sk.mean_squared_error(hand["target"], hand["score"]),
        "mae": sk.mean_absolute_error(hand["target"], hand["score"]),
        "r2": sk.r2_score(hand["target"], hand["score"]),
        "direction_accuracy": np.mean(
            [np.sign(s) == np.sign(e) for s, e in zip(hand["score"], hand["excess"], strict=True) if e != 0.0]
        ),
        "accuracy": sk.accuracy_score(hand["came"], hand["put"]),
        "precision": sk.precision_score(hand["came"], hand["put"]),
        "recall": sk.recall_score(hand["came"], hand["put"]),
        "f1": sk.f1_score(hand["came"], hand["put"]),
        "auc": sk.roc_auc_score(hand["came"], hand["place"]),
        "rank_ic": np.mean(hand["rank_ic"]),
        "ic": np.mean(hand["ic"]),
        "rank_icir": np.mean(hand["rank_ic"]) / np.std(hand["rank_ic"], ddof=1),
        "icir": np.mean(hand["ic"]) / np.std(hand["ic"], ddof=1),
    }
    assert found == {name: pytest.approx(value) for name, value in wanted.items()}
    assert 0.5 < found["auc"] < 1.0


def test_metrics_of_returns() -> None:
    random = np.random.default_rng(3)
    gross, net = random.normal(0.001, 0.01, 300), random.normal(0.0005, 0.01, 300)
    found = return_metrics(gross, net, 365)
    value = np.concatenate([[1.0], np.cumprod(1 + net)])
    worst = np.sort(net)[:15]
    assert found == {
        "sharpe_gross": pytest.approx(stats.trim_mean(gross, 0) / gross.std(ddof=1) * 365**0.5),
        "sharpe": pytest.approx(365**0.5 / stats.variation(net, ddof=1)),
        "sortino": pytest.approx(net.mean() / np.sqrt(np.mean(np.minimum(net, 0) ** 2)) * 365**0.5),
        "max_drawdown": pytest.approx(max(1 - value[j] / value[i] for i in range(301) for j in range(i, 301))),
        "hit_rate": pytest.approx(sum(one > 0 for one in net) / 300),
        "value_at_risk": pytest.approx(-worst[-1]),
        "expected_shortfall": pytest.approx(-worst.mean()),
    }


def test_every_metric_has_a_meaning_and_is_undefined_without_a_row() -> None:
    nothing = forecast_metrics(scored(0).clear()) | return_metrics([], [], 252)
    assert set(nothing) == set(MEANINGS)
    assert set(nothing.values()) == {None}


def test_symbols_of_two_markets_are_never_compared() -> None:
    both = pl.concat([scored(1, "a"), scored(2, "b").with_columns(pl.col("forward_return") + 1.0)])
    apart = [targets(scored(seed, name)) for seed, name in ((1, "a"), (2, "b"))]
    assert targets(both)["target"].to_list() == pl.concat(apart)["target"].to_list()
    each = [daily_ic(scored(seed)) for seed in (1, 2)]
    weights = [one["symbols"].to_numpy() for one in each]
    wanted = sum(one["ic"].to_numpy() * weight for one, weight in zip(each, weights, strict=True)) / sum(weights)
    assert ic_within_markets(both)["ic"].to_numpy() == pytest.approx(wanted)
