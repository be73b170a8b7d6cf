"""What a gate can see: pairs measured as by hand, and a table of edges that simulation gives again (`make proof`)."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest

from nightdesk.errors import BadInput
from nightdesk.evaluation.power import effective_days, minimum_detectable_edge
from nightdesk.evaluation.sight import ALPHA, DEVIATIONS, EDGES, SIGHT, sight_of_pairs, smallest_edge

DAYS = [dt.date(2020, 1, 1) + dt.timedelta(days=day) for day in range(300)]


def daily(values: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"date": DAYS, "rank_ic": pl.Series(values, nan_to_null=True)})


def test_a_pair_is_measured_on_the_days_that_both_have() -> None:
    random = np.random.default_rng(0)
    market = random.normal(0, 0.08, 300)
    one, other = market + random.normal(0, 0.05, 300), market + random.normal(0, 0.05, 300)
    gappy = np.where(np.arange(300) % 10 == 0, np.nan, other)
    known = np.arange(300) % 10 != 0
    frames = {"one": daily(one), "other": daily(gappy), "silent": daily(np.full(300, np.nan)), "flat": daily(one + 0.1)}
    found = sight_of_pairs(frames, [("one", "other"), ("one", "silent"), ("one", "flat")], 5)
    assert dict(found.schema) == SIGHT
    row, flat = found.to_dicts()
    difference = (one - other)[known]
    assert (row["model"], row["rival"], row["days"]) == ("one", "other", 270)
    assert row["deviation"] == pytest.approx(difference.std(ddof=1))
    assert row["correlation"] == pytest.approx(np.corrcoef(one[known], other[known])[0, 1])
    assert row["worth"] == pytest.approx(effective_days(difference, 5))
    assert row["edge"] == smallest_edge(5, row["deviation"])
    assert flat["correlation"] == pytest.approx(1.0)
    with pytest.raises(BadInput, match="the frame must hold rank_ic, got date"):
        sight_of_pairs({"one": daily(one), "odd": daily(one).drop("rank_ic")}, [("one", "odd")], 5)


def test_between_the_tables_values_edges_rise_with_deviation_and_horizon() -> None:
    assert smallest_edge(1, 0.08) == EDGES[1][DEVIATIONS.index(0.08)]
    assert smallest_edge(1, 0.001) == EDGES[1][0]
    fine = np.linspace(0.01, 0.5, 200)
    for horizon in range(1, 61):
        edges = [smallest_edge(horizon, deviation) for deviation in fine]
        assert edges == sorted(edges)
        assert horizon == 1 or edges[50] >= smallest_edge(horizon - 1, fine[50])
    assert math.isinf(smallest_edge(60, 0.12))
    for deviation in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(BadInput, match="deviation must be above 0"):
            smallest_edge(5, deviation)


def test_an_edge_of_the_table_is_what_simulation_gives() -> None:
    assert smallest_edge(5, 0.12) == pytest.approx(minimum_detectable_edge(5, 0.12, ALPHA), abs=1e-4)


@pytest.mark.proof
@pytest.mark.parametrize("horizon", EDGES)
def test_the_whole_table_is_what_simulation_gives(horizon: int) -> None:
    for deviation, edge in zip(DEVIATIONS, EDGES[horizon], strict=True):
        found = minimum_detectable_edge(horizon, deviation, ALPHA)
        assert edge == (math.inf if found is None else pytest.approx(found, abs=1e-4))


@pytest.mark.proof
@pytest.mark.parametrize(("horizon", "deviation"), [(3, 0.07), (7, 0.11), (15, 0.18), (30, 0.09)])
def test_between_its_values_the_table_is_within_a_tenth(horizon: int, deviation: float) -> None:
    found = minimum_detectable_edge(horizon, deviation, ALPHA)
    print(
        f"\n{horizon} days, deviation {deviation}: simulated {found:.4f}, read {smallest_edge(horizon, deviation):.4f}"
    )
    assert smallest_edge(horizon, deviation) == pytest.approx(found, rel=0.1)
