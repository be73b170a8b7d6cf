"""Features of sessions against plain loops, from half-hours to values: on walks, and where a session has a fault."""

from __future__ import annotations

import polars as pl
import pytest
from bar_samples import synthetic_bars
from session_features import SLOW, slow_values
from session_samples import of_new_york, slow_measures

from nightdesk.errors import BadInput
from nightdesk.features import intraday
from nightdesk.features.matrix import matrix_of
from nightdesk.sources.intraday import daily
from nightdesk.sources.session_measures import session_measures
from nightdesk.tables import DATE, MEASURES, PRICES, SYMBOL, VOLUME


def half_hours() -> pl.DataFrame:
    """Of three symbols: a walk, one with a faulty bar, and one that stands still and is not traded for a month."""
    whole = of_new_york(synthetic_bars(faults=False, symbols=3, days=90))
    one, other, _ = whole[SYMBOL].unique().sort()
    days = whole[DATE].unique().sort()
    calm = (pl.col(SYMBOL) == one) & pl.col(DATE).is_between(days[30], days[55])
    place = pl.int_range(pl.len()).over(SYMBOL, DATE)
    faulty = (pl.col(SYMBOL) == other) & (pl.col(DATE) == days[40]) & (place == 3)
    return whole.with_columns(
        *(pl.when(calm).then(20.0).otherwise(name).alias(name) for name in PRICES),
        pl.when(calm).then(0.0).otherwise(VOLUME).alias(VOLUME),
        pl.when(faulty).then(pl.lit("prices out of order")).otherwise("fault").alias("fault"),
    )


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    return half_hours()


@pytest.fixture(scope="module")
def panel(bars: pl.DataFrame) -> pl.DataFrame:
    return daily(bars).join(session_measures(bars, "XNYS", 30), on=[SYMBOL, DATE], how="left", maintain_order="left")


def test_every_feature_of_sessions_has_a_slow_reference() -> None:
    assert set(SLOW) == {one.name for one in intraday.INDICATORS}
    assert {one.name: (one.warm_up + 1, one.inputs) for one in intraday.INDICATORS} == {
        name: (window, inputs) for name, (window, inputs, _) in SLOW.items()
    }


def test_features_of_sessions_equal_their_definitions(bars: pl.DataFrame, panel: pl.DataFrame) -> None:
    slow, found = slow_measures(bars), matrix_of(panel, intraday.INDICATORS)
    wrong = []
    for (symbol,), own in found.partition_by(SYMBOL, as_dict=True).items():
        sessions = [slow[symbol, day] for day in own[DATE]]  # type: ignore[index]
        for name, (window, inputs, value) in SLOW.items():
            for day, ours, theirs in zip(
                own[DATE], own[name], slow_values(sessions, window, inputs, value), strict=True
            ):
                same = (
                    ours is None
                    if theirs is None
                    else ours is not None and abs(ours - theirs) <= 1e-9 + 2e-7 * abs(theirs)
                )
                wrong += [] if same else [(symbol, day, name, ours, theirs)]
    assert wrong == []
    assert all(found[name].drop_nulls().n_unique() > 50 for name in SLOW)


def test_a_fault_leaves_its_day_and_the_windows_over_it_unknown(panel: pl.DataFrame) -> None:
    found = matrix_of(panel, intraday.INDICATORS).filter(pl.col(SYMBOL) == panel[SYMBOL].unique().sort()[1])
    unknown = {name: found[name].is_null().arg_true().to_list() for name in SLOW}
    assert unknown == {
        name: [*range(window - 1), *range(max(40, window - 1), 40 + window)] for name, (window, _, _) in SLOW.items()
    }


def test_bars_without_measures_are_refused_by_name(panel: pl.DataFrame) -> None:
    with pytest.raises(BadInput, match="got none called realized_variance: add them, or choose features that do not"):
        matrix_of(panel.drop(*MEASURES), intraday.INDICATORS[:1])
