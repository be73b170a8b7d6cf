"""Alpha158 against qlib's own values, where its windows have no gap and are not flat.

pyqlib cannot live among nightdesk's pins: NIGHTDESK_TEST_QLIB_PYTHON names the Python of an environment that has it
(make qlib: .peers/beside/bin/python). qlib keeps its prices as float32: ours get the same ones.
"""

import os
import subprocess
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest

from nightdesk.features import registered
from nightdesk.features.matrix import feature_matrix
from nightdesk.tables import BARS, DATE, PRICES, SYMBOL, VOLUME

PYTHON = os.environ.get("NIGHTDESK_TEST_QLIB_PYTHON")
SCRIPT = Path(__file__).with_name("qlib_alpha158.py")
SYMBOLS = ("AAPL", "AMD", "BAC", "CVX", "GE", "JNJ", "KO", "XOM")
NAMES = [name for name, indicator in registered().items() if indicator.group == "alpha158"]
LONGEST = 61
# qlib computes bars in float32, sums in float64: what divides by a small difference of prices is the least alike.
ABSOLUTE, RELATIVE = 5e-5, 5e-4

pytestmark = pytest.mark.skipif(PYTHON is None, reason="NIGHTDESK_TEST_QLIB_PYTHON names no Python that has pyqlib")


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    sample = pl.read_parquet(str(files("nightdesk.sources") / "data/sp500_daily_2013_2017.parquet"))
    own = sample.filter(pl.col(SYMBOL).is_in(SYMBOLS)).drop_nulls().select(*BARS).cast(dict(BARS)).sort(SYMBOL, DATE)
    last = own[DATE].unique().sort().tail(400)
    own = own.filter(pl.col(DATE).is_in(last.implode()))
    assert own.height == len(SYMBOLS) * 400
    return own.with_columns(pl.col(*PRICES, VOLUME).cast(pl.Float32).cast(pl.Float64))


@pytest.fixture(scope="module")
def theirs(bars: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("qlib")
    typical = (pl.col("high") + pl.col("low") + pl.col("close")) / 3.0
    bars.with_columns(typical.alias("vwap")).write_parquet(folder / "bars.parquet")
    command = [
        str(PYTHON),
        str(SCRIPT),
        str(folder / "bars.parquet"),
        str(folder / "store"),
        str(folder / "out.parquet"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    found = pl.read_parquet(folder / "out.parquet").with_columns(
        pl.col(DATE).cast(pl.Date), pl.col(SYMBOL).cast(pl.String)
    )
    return bars.select(SYMBOL, DATE).join(found, on=[SYMBOL, DATE], how="left", maintain_order="left")


def test_qlib_has_the_same_names_in_the_same_order(theirs: pl.DataFrame) -> None:
    assert [name for name in theirs.columns if name not in (SYMBOL, DATE)] == NAMES


def test_values_equal_qlibs(bars: pl.DataFrame, theirs: pl.DataFrame) -> None:
    ours = feature_matrix(bars, NAMES)
    full = (pl.int_range(pl.len()).over(SYMBOL) >= LONGEST).alias("full")
    rows = bars.select(full)["full"]
    apart, compared = {}, 0
    for name in NAMES:
        pair = pl.DataFrame({"ours": ours[name], "theirs": theirs[name].cast(pl.Float64).fill_nan(None)}).filter(rows)
        pair = pair.drop_nulls().cast(pl.Float64)
        compared += pair.height
        gap = (pair["ours"] - pair["theirs"]).abs() - RELATIVE * pair["theirs"].abs()
        if not (gap <= ABSOLUTE).all():
            apart[name] = (gap.max(), (gap > ABSOLUTE).sum())
    assert apart == {}
    assert compared > 0.99 * len(NAMES) * rows.sum()
