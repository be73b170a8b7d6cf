"""The page says what the record says, and shows no gap as a number."""

from __future__ import annotations

import re

import polars as pl
import pytest
from page_reader import Page
from report_samples import AS_OF, FRAMES, HORIZONS, matured, minimal, quarantined, ranking, rich

from nightdesk.errors import UnknownName
from nightdesk.evaluation.against_baselines import COMPARED
from nightdesk.evaluation.sight import SIGHT
from nightdesk.report.contents import ServedModel, Survivorship
from nightdesk.report.page import render

HEADINGS = [
    "nightdesk",
    "The ranking",
    "How far to trust it",
    "What came of earlier forecasts",
    "Drift, and how the models hold up",
    "The data",
    "The features",
]


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(rich()))


@pytest.fixture(scope="module")
def bare() -> Page:
    return Page(render(minimal()))


def test_tells_everything_in_order(page: Page) -> None:
    assert page.headings == HEADINGS
    for said in (
        "Friday, 30 June 2017 · realm live · source sample",
        "lightgbm at 5 and 20 days and ridge at 60 days",
        "Unproven: no evidence yet that it beats the best baseline.",
        "not as a reason to trade",
        "walk-forward, as of 2017-06-30, on 795 to 850 days",
        "equal-weighted cosine variance, Lazarus et al. 2018",
        "501 symbols over 1,107 trading days since 2013-02-08",
        "502 rows came in, 501 of them new",
        "152 of 653 symbols that were members of SP500 at some time have no bars: every result here is",
        "only scale-free features are used",
        "Prices exclude dividends",
        "Research, not advice",
        "Times are UTC",
        "Code nightdesk 0.1.0 (3f1c2ab)",
    ):
        assert said in page.text


def test_ranking_shows_both_ends_of_every_horizon(page: Page) -> None:
    shown = [int(row[0]) for row in page.rows if len(row) == 5 and row[0].isdigit()]
    assert shown == [*range(1, 11), *range(497, 502)] * len(HORIZONS)
    assert page.text.count("486 between") == len(HORIZONS)
    first = ranking().row(0, named=True)
    expected = ["1", first["symbol"], f"{first['score']:+.4f}", "100.0", f"{first['close']:,.2f}"]
    assert expected in page.rows
    assert "close, USD" in page.text


@pytest.mark.parametrize(("symbols", "rows", "between"), [(1, 1, None), (13, 13, None), (15, 15, None), (16, 15, 1)])
def test_a_short_ranking_names_nobody_twice(symbols: int, rows: int, between: int | None) -> None:
    short = ranking(max(symbols, 2)).filter(pl.col("rank") <= symbols, pl.col("horizon") == 5)
    found = Page(render(rich(ranking=short)))
    assert sum(len(row) == 5 and row[0].isdigit() for row in found.rows) == rows
    assert ("between" in found.text) is (between is not None)


def test_a_symbol_without_forecast_or_price_is_not_zero() -> None:
    frame = pl.DataFrame(
        [
            (5, 1, "AAA", 0.01, 1.0, None),
            (5, 2, "BBB", 1e-6, None, 0.000012),
            (5, None, "CCC", None, None, 3.0),
        ],
        schema=FRAMES["ranking"],
        orient="row",
    )
    found = Page(render(rich(ranking=frame)))
    assert ["1", "AAA", "+0.0100", "100.0", "–"] in found.rows
    assert ["2", "BBB", "+1.0e−06", "–", "1.2e-05"] in found.rows
    assert "1 without a forecast" in found.text
    assert "CCC" not in found.text


def test_undefined_is_undefined_and_a_beaten_baseline_is_named(page: Page) -> None:
    assert [row[1] for row in page.rows_of("constant")] == ["undefined"] * len(HORIZONS)
    assert [row[1] for row in page.rows_of("equal_weight")] == ["undefined"] * len(HORIZONS)
    boosted = [row for row in page.rows_of("lightgbm") if row[0].startswith("lightgbm")]
    assert [row[-1] for row in boosted] == [
        "beats it (momentum)",
        "does not beat it (momentum)",
        "does not beat it (momentum)",
    ]
    assert boosted[0][1] == "+0.034 +0.023 to +0.045"
    assert page.rows_of("reversal")[0][1] == "−0.008 −0.019 to +0.003"


def test_every_model_stands_beside_every_baseline_whichever_way_it_comes_out() -> None:
    row = {"horizon": 5, "model": "ridge", "baseline": "momentum", "year": None, "days": 850, "mean": 0.021}
    luckless = {**row, "baseline_mean": 0.015, "difference": 0.006, "lower": -0.01, "upper": 0.022}
    worse = {**luckless, "baseline": "linear", "difference": -0.03, "lower": -0.05, "upper": -0.01}
    rows = [
        {**luckless, "joint_lower": -0.02, "joint_upper": 0.03},
        {**luckless, "year": 2016, "days": 252, "joint_lower": None, "joint_upper": None},
        {**luckless, "year": 2017, "days": 9, "difference": None, "lower": None, "upper": None},
        {**worse, "joint_lower": -0.06, "joint_upper": -0.001},
    ]
    found = Page(render(rich(compared=pl.DataFrame(rows, schema=COMPARED))))
    assert "No model beats every baseline at any horizon." in found.text
    assert "Of 2 differences between a model and a baseline over all days, 0 lie above zero" in found.text
    assert "95 % interval and 1 below" in found.text
    cells = ["ridge", "momentum", "850", "+0.021", "+0.015", "+0.006 −0.010 to +0.022", "not told apart"]
    assert cells in found.rows
    assert ["ridge", "linear", "850", "+0.021", "+0.015", "−0.030 −0.050 to −0.010", "below"] in found.rows
    assert ["ridge", "momentum", "2016", "252", "+0.021", "+0.015", "+0.006 −0.010 to +0.022"] in found.rows
    assert ["ridge", "momentum", "2017", "9", "+0.021", "+0.015", "undefined"] in found.rows
    assert ("details", "open", "") not in found.attributes


def test_a_walk_forward_whose_days_are_gone_is_compared_with_nothing(page: Page) -> None:
    assert "Every model against every baseline" not in page.text


@pytest.mark.parametrize("gap", [None, float("nan")])
def test_a_model_without_interval_or_rival_beats_nobody(gap: float | None) -> None:
    row = (5, "young", "model", gap, gap, gap, 12, gap, gap, gap, None)
    found = Page(render(rich(walk_forward=pl.DataFrame([row], FRAMES["walk_forward"], orient="row"))))
    assert found.rows_of("young") == [["young", "undefined", "12", "undefined", "undefined"]]
    assert "nan" not in found.text.lower()


def test_an_edge_of_exactly_zero_does_not_beat() -> None:
    row = (5, "even", "model", 0.02, 0.01, 0.03, 500, 0.01, 0.0, 0.02, "momentum")
    found = Page(render(rich(walk_forward=pl.DataFrame([row], FRAMES["walk_forward"], orient="row"))))
    assert found.rows_of("even")[0][-1] == "does not beat it (momentum)"


def test_matured_counts_served_nights_only(page: Page) -> None:
    rows = [row for row in page.rows if len(row) == 5 and row[2].startswith("60 1 undefined")]
    values = matured().filter(pl.col("served"), pl.col("horizon") == 5)["rank_ic"].drop_nulls()
    assert [row[:2] for row in rows] == [[f"{horizon} days", "lightgbm"] for horizon in HORIZONS]
    assert rows[0][3] == str((values > 0).sum())
    assert rows[0][4].startswith(f"{float(values.to_numpy().mean()):+.3f}".replace("-", "−"))
    # 59 nights are too few for 20 and 60 days, of which an interval needs at least three spans.
    assert ["too few nights" in row[4] for row in rows] == [False, True, True]
    assert "shadow" not in page.text


def test_matured_without_a_defined_night_has_no_picture() -> None:
    silent = matured(3).with_columns(pl.lit(None).alias("rank_ic"))
    found = Page(render(rich(matured=silent, walk_forward=pl.DataFrame(schema=FRAMES["walk_forward"]))))
    assert "3 matured, but the rank IC of none of them is defined" in found.text
    assert "svg" not in found.tags
    assert [row[-1] for row in found.rows if "3 3 undefined" in row] == ["undefined"] * len(HORIZONS)


def test_matured_but_never_served_says_so() -> None:
    shadows = matured(4).filter(~pl.col("served"))
    assert "none of them was served" in Page(render(rich(matured=shadows))).text


def test_quarantine_is_counted_by_reason_and_collapsed_when_long(page: Page) -> None:
    assert page.rows_of("missing_price")[0] == ["missing_price", "17"]
    assert page.rows_of("ohlc_order")[0] == ["ohlc_order", "5"]
    assert page.rows_of("price_range")[0] == ["price_range", "5"]
    assert ["Q00", "2017-05-01", "ohlc_order, price_range"] in page.rows
    assert ("details", "open", "") not in page.attributes
    short = Page(render(rich(quarantined=quarantined(15))))
    assert ("details", "open", "") in short.attributes
    assert sum(row[0].startswith("Q") for row in short.rows) == 15


def test_a_flood_of_quarantine_is_cut_and_says_so() -> None:
    many = pl.concat([quarantined(50)] * 11)
    found = Page(render(rich(quarantined=many)))
    assert "The first 500 of 550 rows in quarantine" in found.text
    assert sum(bool(re.match(r"Q\d\d$", row[0])) for row in found.rows) == 500


def test_features_show_what_is_missing(page: Page) -> None:
    assert page.rows_of("momentum_252_21")[0][-1] == "0.0"
    assert page.rows_of("reversal_5")[0][-1] == "2.5"
    assert page.rows_of("volatility_60")[0][-1] == "–"
    assert "3 features; 1 of them lack a value" in page.text


def test_a_night_with_nothing_says_so_everywhere(bare: Page) -> None:
    assert bare.headings == HEADINGS
    for said in (
        "refused",
        "thin_day: 3 of 501 symbols have a bar",
        "Nothing was published for Friday, 30 June 2017",
        "Do not act on this page",
        "No model was trained this night: the data was refused",
        "its ranking is not published, and not shown",
        "No walk-forward result exists",
        "No served forecast has matured yet",
        "Survivorship is unknown",
        "No row is in quarantine",
        "No features were made this night",
    ):
        assert said in bare.text
    assert "svg" not in bare.tags
    assert "table" not in bare.tags


def test_a_refused_night_shows_no_ranking_even_if_there_is_one() -> None:
    text = Page(render(rich(status="refused", status_reasons=("smoke prediction failed",)))).text
    assert ranking().row(0, named=True)["symbol"] not in text
    assert "Who would be served; nothing of theirs was published" in text
    assert "Take it as a list" not in text


def test_a_stale_night_says_so_before_anything_else() -> None:
    found = Page(render(rich(status="stale", status_reasons=("ridge failed: the model of 2017-06-23 answered",))))
    assert ("span", "class", "badge stale") in found.attributes
    assert "ridge failed: the model of 2017-06-23 answered" in found.text
    assert "It is stale: read the reasons" in found.text
    assert "no reason was recorded" in Page(render(rich(status="stale"))).text


def test_skill_is_proven_only_where_it_is_called_so() -> None:
    served = tuple(
        ServedModel(h, "ridge", "1", AS_OF, AS_OF, skill)
        for h, skill in zip(HORIZONS, ("proven", "unproven", ""), strict=True)
    )
    text = Page(render(rich(serving=served))).text
    assert "Proven at 5 days: it beat the best baseline" in text
    assert "Unproven at 20 and 60 days: no evidence yet that it beats the best baseline" in text
    nobody = Page(render(rich(serving=()))).text
    assert "No model is served as of Friday, 30 June 2017" in nobody
    assert "Nothing here is to be acted on yet" in nobody


def test_survivorship_in_full_and_a_price_basis_of_each_kind() -> None:
    full = Page(render(rich(survivorship=Survivorship("SP500", 653, 0), price_basis="raw"))).text
    assert "All 653 symbols that were members of SP500 at some time have bars." in full
    assert "Prices are raw" in full
    assert "scale-free" not in full


def test_unknown_words_are_refused() -> None:
    with pytest.raises(UnknownName, match="status must be one of 3 known ones, got 'done'"):
        render(rich(status="done"))
    with pytest.raises(UnknownName, match="price basis must be one of 3 known ones, got 'guessed'"):
        render(rich(price_basis="guessed"))


def test_what_a_gate_can_see_and_who_broke_the_seal_is_told() -> None:
    rows = [
        (5, "ridge", "lightgbm", 597, 0.122, 0.57, 205.4, 0.0475),
        (60, "ridge", "flat", 90, 0.1, None, None, float("inf")),
    ]
    told = Page(render(rich(sight=pl.DataFrame(rows, schema=SIGHT, orient="row"), openings=("me <b>, why: 'so'",))))
    assert ["5 days", "ridge less lightgbm", "597", "205", "0.122", "+0.57", "0.048"] in told.rows
    assert ["60 days", "ridge less flat", "90", "undefined", "0.100", "undefined", "none up to 0.4"] in told.rows
    assert "The sealed stretch was opened" in told.text
    assert "me <b>, why: 'so'" in told.text
    assert "me <b>, why" in Page(render(minimal(openings=("me <b>, why",)))).text
    for silent in ("What a gate can see", "sealed"):
        assert silent not in Page(render(rich())).text
