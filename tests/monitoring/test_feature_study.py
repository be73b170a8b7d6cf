"""What features say together: copies are found, gaps are counted, and what changes with the years is told."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from nightdesk.errors import BadInput
from nightdesk.monitoring.feature_study import clusters, missing, stability
from nightdesk.report.feature_study import clusters_picture, missing_picture, stability_picture
from nightdesk.tables import DATE, SYMBOL

DAYS = [dt.date(2015, 1, 5) + dt.timedelta(days=7 * week) for week in range(104)]
SYMBOLS = [f"S{number:02}" for number in range(30)]


@pytest.fixture(scope="module")
def sample() -> pl.DataFrame:
    """`one` and its monotone copies, `other`, one alike for all symbols, a steady one, and one that grows in 2016."""
    random = np.random.default_rng(7)
    shape = (len(SYMBOLS), len(DAYS))
    one, other = random.normal(size=(2, *shape))
    later = np.array([day.year == 2016 for day in DAYS])
    slow = np.cumsum(random.normal(size=shape), axis=1) * 0.1 + random.normal(size=(len(SYMBOLS), 1)) * 5.0
    columns = {
        "one": one,
        "copy": np.exp(one),
        "mirror": -(one**3),
        "other": other,
        "weekday": np.zeros(shape) + np.arange(len(DAYS)) % 5,
        "slow": slow,
        "grown": random.normal(size=shape) + 4.0 * later,
    }
    frame = pl.DataFrame({SYMBOL: np.repeat(SYMBOLS, len(DAYS)), DATE: DAYS * len(SYMBOLS)})
    values = frame.with_columns(pl.Series(name, own.ravel(), dtype=pl.Float32) for name, own in columns.items())
    gone = (pl.col(DATE) < dt.date(2015, 2, 1)) & (pl.col(SYMBOL) < "S15")
    return values.with_columns(pl.when(gone).then(None).otherwise(pl.col(name)).alias(name) for name in ("one", "copy"))


def test_copies_stand_together_and_what_has_no_rank_is_left_out(sample: pl.DataFrame) -> None:
    found = clusters(sample)
    assert found.left_out == ("weekday",)
    assert sorted(found.names) == ["copy", "grown", "mirror", "one", "other", "slow"]
    number = dict(zip(found.names, found.cluster.tolist(), strict=True))
    assert number["one"] == number["copy"] == number["mirror"]
    assert len(set(number.values())) == 4
    places = sorted(found.names.index(name) for name in ("one", "copy", "mirror"))
    assert places == list(range(places[0], places[0] + 3))
    at = found.names.index
    assert found.correlation[at("one"), at("copy")] == pytest.approx(1.0)
    assert found.correlation[at("one"), at("mirror")] == pytest.approx(-1.0, abs=0.02)
    assert abs(found.correlation[at("one"), at("other")]) < 0.1


def test_of_too_many_features_those_that_say_the_same_are_one_row(sample: pl.DataFrame) -> None:
    found = clusters(sample, most=3)
    assert sorted(found.members) == [1, 1, 3]
    assert found.names[found.members.index(3)] in ("one", "copy", "mirror")
    assert found.alone == 1


def test_clusters_need_two_features(sample: pl.DataFrame) -> None:
    with pytest.raises(BadInput, match=r"clusters need two features that differ .* got 1 of 2"):
        clusters(sample.select(SYMBOL, DATE, "one", "weekday"))


def test_gaps_are_counted_by_month_and_equal_ones_are_one_row(sample: pl.DataFrame) -> None:
    found = missing(sample)
    assert found.months[0] == "2015-01"
    assert (found.names, found.members) == (("one", "mirror"), (2, 5))
    assert found.shares[0].tolist() == [0.5] + [0.0] * (len(found.months) - 1)
    assert not found.shares[1].any()


def test_what_keeps_its_rank_and_what_changes_with_the_years_is_told(sample: pl.DataFrame) -> None:
    found = stability(sample, 5, (5, 60))
    at = found.names.index
    assert found.names[0] == "grown"
    assert found.years == (2015, 2016)
    assert found.shift[0].min() > 2.0
    assert found.shift[at("other")].max() < 0.1
    assert found.persistence[at("slow"), 1] > 0.8 > 0.2 > abs(found.persistence[at("other"), 0])
    assert np.isnan(found.persistence[at("weekday")]).all()
    days = [spearmanr(*(sample.filter(pl.col(DATE) == day)["slow"] for day in DAYS[n - 12 : n + 1 : 12]))[0]
        for n in range(12, len(DAYS))]  # fmt: skip
    assert found.persistence[at("slow"), 1] == pytest.approx(np.mean(days), abs=1e-6)


def test_each_picture_is_whole_and_the_same_twice(sample: pl.DataFrame) -> None:
    drawn = {
        "clusters": lambda: clusters_picture("What says the same", clusters(sample)),
        "gaps": lambda: missing_picture("What is missing", missing(sample)),
        "stability": lambda: stability_picture("What is steady", stability(sample, 5, (5, 20, 60))),
    }
    words = {"clusters": ("mirror", "weekday"), "gaps": ("mirror +4", "2015-01"), "stability": ("grown", "60 days")}
    for kind, draw in drawn.items():
        picture = draw()
        assert picture == draw()
        assert picture.rstrip().endswith("</svg>")
        assert all(f">{word}" in picture or f" {word}" in picture for word in words[kind]), kind
