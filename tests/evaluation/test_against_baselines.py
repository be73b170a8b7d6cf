"""Every model against every baseline: pairs as by hand, luck counted, and the sentence that the figures call for."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from nightdesk.errors import BadInput
from nightdesk.evaluation.against_baselines import COMPARED, DAILY, against_baselines
from nightdesk.report.against_baselines import against_part, conclusion, luck
from nightdesk.scoring.intervals import paired_interval

DAYS = [dt.date(2019, 6, 3) + dt.timedelta(days=day) for day in range(400)]
RANDOM = np.random.default_rng(4)
NAMES = ("strong", "other")
MARKET = RANDOM.normal(0, 0.1, 400)


def daily(name: str, kind: str, values: np.ndarray, horizon: int = 5) -> pl.DataFrame:
    told = {"horizon": horizon, "model": name, "kind": kind, "date": DAYS, "rank_ic": pl.Series(values)}
    return pl.DataFrame(told, schema_overrides=DAILY).with_columns(pl.col("rank_ic").fill_nan(None)).select(*DAILY)


def near(lead: float, seed: int) -> np.ndarray:
    """A day's rank IC of a model that leads the market's by so much, give or take."""
    return MARKET + lead + np.random.default_rng(seed).normal(0, 0.03, 400)


def test_pairs_are_reckoned_on_the_days_that_both_have_and_by_year() -> None:
    mine, other = near(0.01, 1), near(0.0, 2)
    mine[:50], other[390:] = np.nan, np.nan
    table = against_baselines(
        pl.concat(
            [daily("one", "model", mine), daily("base", "baseline", other), daily("flat", "baseline", mine * np.nan)]
        )
    )
    assert dict(table.schema) == COMPARED
    # The one that ranks nothing is in no pair.
    assert table.select("model", "baseline", "year").rows() == [
        ("one", "base", None),
        ("one", "base", 2019),
        ("one", "base", 2020),
    ]
    whole, first, second = table.to_dicts()
    expected = paired_interval(mine[50:390], other[50:390], 5)
    assert (whole["days"], whole["difference"], whole["lower"], whole["upper"]) == (
        340,
        expected.mean,
        expected.lower,
        expected.upper,
    )
    assert whole["mean"] == pytest.approx(mine[50:390].mean())
    assert whole["baseline_mean"] == pytest.approx(other[50:390].mean())
    year = np.array([day.year for day in DAYS])[50:390] == 2019
    assert (first["days"], second["days"]) == (year.sum(), (~year).sum())
    assert first["difference"] == pytest.approx((mine - other)[50:390][year].mean())
    assert first["lower"] == paired_interval(mine[50:390][year], other[50:390][year], 5).lower
    assert first["joint_lower"] is None
    # One comparison alone needs no wider interval.
    assert (whole["joint_lower"], whole["joint_upper"]) == pytest.approx((expected.lower, expected.upper))


def test_judged_together_every_interval_is_wider() -> None:
    models = [daily(f"m{n}", "model", near(0.004, n)) for n in range(4)]
    bases = [daily(f"b{n}", "baseline", near(0.0, 20 + n)) for n in range(3)]
    table = against_baselines(pl.concat([*models, *bases])).filter(pl.col("year").is_null())
    assert table.height == 12
    row = table.row(0, named=True)
    expected = paired_interval(near(0.004, 0), near(0.0, 20), 5, 1 - 0.05 / 12)
    assert (row["joint_lower"], row["joint_upper"]) == pytest.approx((expected.lower, expected.upper))
    assert (table["joint_lower"] < table["lower"]).all()
    assert (table["joint_upper"] > table["upper"]).all()


def test_too_few_days_have_means_and_no_interval() -> None:
    short = [daily("one", "model", near(0.01, 1), 60).head(100), daily("base", "baseline", near(0.0, 2), 60).head(100)]
    row = against_baselines(pl.concat(short)).row(0, named=True)
    assert (row["days"], row["difference"], row["lower"], row["joint_lower"]) == (100, None, None, None)
    assert row["mean"] is not None
    assert "too few days" in luck(against_baselines(pl.concat(short)))


@pytest.mark.parametrize(
    ("leads", "says"),
    [
        ((0.05, 0.0), "strong at 5 days beats every baseline, all comparisons judged together."),
        ((0.05, 0.04), "strong at 5 days and other at 5 days beat every baseline, all comparisons judged together."),
        ((0.0, 0.0), "No model beats every baseline at any horizon."),
        ((-0.05, -0.05), "No model beats every baseline at any horizon."),
    ],
)
def test_the_conclusion_is_what_the_figures_say(leads: tuple[float, float], says: str) -> None:
    models = [daily(name, "model", near(lead, n)) for n, name, lead in zip((0, 1), NAMES, leads, strict=True)]
    bases = [daily(f"b{n}", "baseline", near(0.0, 20 + n)) for n in range(3)]
    assert conclusion(against_baselines(pl.concat([*models, *bases]))) == says


def test_one_that_beats_by_its_own_intervals_alone_is_told_so() -> None:
    row = {"horizon": 5, "model": "lucky", "baseline": "b", "year": None, "days": 400, "mean": 0.02}
    ends = {"baseline_mean": 0.0, "difference": 0.02, "lower": 0.001, "upper": 0.04}
    joint = {"joint_lower": -0.01, "joint_upper": 0.05}
    table = pl.DataFrame([{**row, **ends, **joint}, {**row, **ends, **joint, "baseline": "c"}], schema=COMPARED)
    assert conclusion(table).startswith("lucky at 5 days beats every baseline by the 95 % intervals of each comparison")
    assert luck(table).startswith("Of 2 differences between a model and a baseline over all days, 2 lie above zero")
    assert "about 0.1 would lie on each side by luck alone" in luck(table)
    assert "(Bonferroni), 0 lie above and 0 below" in luck(table)
    # It must beat each of them, not some.
    half = table.with_columns(lower=pl.when(pl.col("baseline") == "c").then(-0.001).otherwise("lower"))
    assert conclusion(half) == "No model beats every baseline at any horizon."
    gap = table.with_columns(lower=pl.when(pl.col("baseline") == "c").then(None).otherwise("lower"))
    assert conclusion(gap) == "No model beats every baseline at any horizon."


def test_nothing_to_compare_is_nothing_to_show() -> None:
    empty = against_baselines(pl.DataFrame(schema=DAILY))
    assert dict(empty.schema) == COMPARED
    assert against_part(empty) is None
    assert against_part(None) is None


def test_what_breaks_a_rule_is_refused() -> None:
    one = daily("one", "model", MARKET)
    for frame, says in (
        (one.drop("kind"), "the frame must hold kind"),
        (pl.concat([one, one]), "one rank IC a day and horizon, got two"),
        (daily("one", "other", MARKET), "kind must be model or baseline, got other"),
    ):
        with pytest.raises(BadInput, match=says):
            against_baselines(frame)
