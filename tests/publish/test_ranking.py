"""The ranking puts the best served score first at each horizon, and leaves out what is not served."""

from __future__ import annotations

import polars as pl
from polars.testing import assert_frame_equal

from nightdesk.publish.ranking import ranking

Row = tuple[int, str, str, float | None, bool]
CLOSES = pl.DataFrame({"symbol": ["AAA", "BBB", "CCC", "DDD"], "close": [1.0, 2.0, 3.0, 4.0]})


def forecasts(*rows: Row) -> pl.DataFrame:
    """Forecasts: horizon, model, symbol, score, served."""
    names = {"horizon": pl.Int64, "model": pl.String, "symbol": pl.String, "score": pl.Float64, "served": pl.Boolean}
    return pl.DataFrame(list(rows), schema=names, orient="row")


def test_the_best_score_is_first_at_each_horizon() -> None:
    ranked = ranking(
        forecasts(
            (20, "gbm", "AAA", -0.5, True),
            (5, "ridge", "BBB", -0.1, True),
            (5, "ridge", "AAA", 0.0, True),
            (20, "gbm", "BBB", 0.7, True),
            (5, "ridge", "CCC", 0.3, True),
        ),
        CLOSES,
    )
    assert ranked.rows() == [
        (5, 1, "CCC", 0.3, 1.0, 3.0, "ridge"),
        (5, 2, "AAA", 0.0, 0.5, 1.0, "ridge"),
        (5, 3, "BBB", -0.1, 0.0, 2.0, "ridge"),
        (20, 1, "BBB", 0.7, 1.0, 2.0, "gbm"),
        (20, 2, "AAA", -0.5, 0.0, 1.0, "gbm"),
    ]
    assert ranked.columns == ["horizon", "rank", "symbol", "score", "percentile", "close", "model"]


def test_equal_scores_are_ranked_by_symbol_each_with_a_rank_of_its_own() -> None:
    rows = [(5, "ridge", symbol, 0.5, True) for symbol in ("CCC", "AAA", "DDD", "BBB")]
    ranked = ranking(forecasts(*rows), CLOSES)
    assert ranked.select("rank", "symbol").rows() == [(1, "AAA"), (2, "BBB"), (3, "CCC"), (4, "DDD")]
    assert_frame_equal(ranking(forecasts(*reversed(rows)), CLOSES), ranked)


def test_what_is_not_served_is_left_out_of_rank_and_count() -> None:
    rows: list[Row] = [
        (5, "gbm", "AAA", 9.0, False),
        (5, "ridge", "AAA", 0.1, True),
        (5, "ridge", "BBB", 0.2, True),
        (20, "gbm", "AAA", 1.0, False),
    ]
    assert ranking(forecasts(*rows), CLOSES).select("horizon", "rank", "symbol", "percentile", "model").rows() == [
        (5, 1, "BBB", 1.0, "ridge"),
        (5, 2, "AAA", 0.0, "ridge"),
    ]


def test_a_symbol_alone_is_best() -> None:
    assert ranking(forecasts((5, "ridge", "AAA", -3.0, True)), CLOSES)["percentile"].to_list() == [1.0]


def test_a_symbol_without_a_close_keeps_its_rank_and_has_none() -> None:
    ranked = ranking(forecasts((5, "ridge", "ZZZ", 1.0, True), (5, "ridge", "AAA", 0.5, True)), CLOSES)
    assert ranked.select("rank", "symbol", "close").rows() == [(1, "ZZZ", None), (2, "AAA", 1.0)]


def test_a_missing_score_is_never_ranked_best() -> None:
    ranked = ranking(forecasts((5, "ridge", "AAA", None, True), (5, "ridge", "BBB", -0.5, True)), CLOSES)
    assert ranked.select("rank", "symbol").rows() == [(1, "BBB"), (2, "AAA")]


def test_nothing_served_is_an_empty_ranking_with_its_columns() -> None:
    nothing = ranking(forecasts((5, "ridge", "AAA", 1.0, False)), CLOSES)
    assert nothing.is_empty()
    assert nothing.schema == ranking(forecasts((5, "ridge", "AAA", 1.0, True)), CLOSES).schema
