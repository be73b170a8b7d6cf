"""The feature matrix: its shape, what it refuses, and the version of its definitions."""

import dataclasses
import datetime as dt

import polars as pl
import pytest

from nightdesk.errors import BadInput, UnknownName
from nightdesk.features import DEFAULT, INDICATORS, bars
from nightdesk.features.indicator import Indicator
from nightdesk.features.matrix import feature_matrix, feature_version, max_look_back, version_of
from nightdesk.tables import BARS, CLOSE, DATE, SYMBOL, VOLUME

DAYS = [dt.date(2016, 1, day) for day in (4, 5, 6)]


@pytest.fixture
def table() -> pl.DataFrame:
    close = [10.0, 11.0, 12.1, 5.0, 4.0, 8.0]
    return pl.DataFrame(
        {
            SYMBOL: ["A"] * 3 + ["B"] * 3,
            DATE: DAYS * 2,
            "open": close,
            "high": [value + 1.0 for value in close],
            "low": [value - 1.0 for value in close],
            CLOSE: close,
            VOLUME: [100.0] * 6,
        },
        schema=BARS,
    )


def test_columns_in_registry_order_as_float32(table: pl.DataFrame) -> None:
    found = feature_matrix(table, ["range_position", "return_1", "return_1"])
    assert found.schema == {
        SYMBOL: pl.String(),
        DATE: pl.Date(),
        "return_1": pl.Float32(),
        "range_position": pl.Float32(),
    }
    assert found.select(SYMBOL, DATE).equals(table.select(SYMBOL, DATE))
    assert found["return_1"].to_list() == pytest.approx([None, 0.1, 0.1, None, -0.2, 1.0])
    assert found["range_position"].to_list() == [0.5] * 6


def test_the_default_features_without_names(table: pl.DataFrame) -> None:
    names = [indicator.name for indicator in DEFAULT]
    assert feature_matrix(table).columns[2 : 2 + len(DEFAULT)] == names
    assert list(INDICATORS)[: len(DEFAULT)] == names


def test_no_bars_give_no_rows(table: pl.DataFrame) -> None:
    found = feature_matrix(table.clear(), ["adx_14", "volatility_60"])
    assert found.height == 0
    assert found.schema == {
        SYMBOL: pl.String(),
        DATE: pl.Date(),
        "adx_14": pl.Float32(),
        "volatility_60": pl.Float32(),
    }


def test_symbols_may_be_an_enum_and_volume_whole(table: pl.DataFrame) -> None:
    other = table.cast({SYMBOL: pl.Enum(["A", "B"]), VOLUME: pl.Int64})
    names = ["return_1", "volume_ratio_20"]
    assert feature_matrix(other, names).drop(SYMBOL).equals(feature_matrix(table, names).drop(SYMBOL))


def test_only_columns_that_are_read_are_needed(table: pl.DataFrame) -> None:
    assert feature_matrix(table.select(SYMBOL, DATE, CLOSE), ["return_1"]).height == 6
    with pytest.raises(BadInput, match="got none called high, low: add them"):
        feature_matrix(table.select(SYMBOL, DATE, CLOSE), ["range_position"])


def test_unsorted_and_repeated_bars_are_refused(table: pl.DataFrame) -> None:
    with pytest.raises(BadInput, match="sorted by symbol and date, got symbol 'A' after 'B'"):
        feature_matrix(pl.concat([table[3:], table[:3]]), ["return_1"])
    with pytest.raises(BadInput, match="got symbol 'A' after 'B'"):
        feature_matrix(pl.concat([table[:2], table[3:], table[2:3]]), ["return_1"])
    with pytest.raises(BadInput, match="got A 2016-01-05 after 2016-01-06"):
        feature_matrix(table[[0, 2, 1]], ["return_1"])
    with pytest.raises(BadInput, match="got B 2016-01-05 after 2016-01-05"):
        feature_matrix(table[[0, 1, 4, 4]], ["return_1"])


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        (CLOSE, 0.0, "close must be finite and above 0"),
        (CLOSE, float("nan"), "close must be finite and above 0"),
        ("low", -1.0, "low must be finite and above 0"),
        (VOLUME, -5.0, "volume must be finite and at least 0"),
        (VOLUME, float("inf"), "volume must be finite and at least 0"),
    ],
)
def test_impossible_values_are_refused(table: pl.DataFrame, column: str, value: float, rule: str) -> None:
    broken = table.with_columns(pl.when(pl.int_range(6) == 4).then(value).otherwise(pl.col(column)).alias(column))
    with pytest.raises(BadInput, match=f"{rule}.* for B on 2016-01-05: let the quality gate"):
        feature_matrix(broken, ["mfi_14"])


def test_null_keys_and_text_are_refused(table: pl.DataFrame) -> None:
    with pytest.raises(BadInput, match="date must be known on every bar"):
        feature_matrix(table.with_columns(pl.lit(None, pl.Date).alias(DATE)), ["return_1"])
    with pytest.raises(BadInput, match="close must be numeric, got String"):
        feature_matrix(table.cast({CLOSE: pl.String}), ["return_1"])


def test_unknown_feature(table: pl.DataFrame) -> None:
    with pytest.raises(UnknownName, match=r"feature must be one of .* got 'rsi_41': choose .*rsi_14"):
        feature_matrix(table, ["rsi_41"])
    with pytest.raises(BadInput, match="features must be at least one"):
        feature_matrix(table, [])


def test_max_look_back_is_the_longest() -> None:
    assert max_look_back(["return_1", "momentum_252_21", "rsi_14"]) == INDICATORS["rsi_14"].look_back
    assert max_look_back(["return_1"]) == 2


def test_version_is_stable_and_ignores_order() -> None:
    version = feature_version(["rsi_14", "return_1"])
    assert version == feature_version(["return_1", "rsi_14"])
    assert len(version) == 16
    assert int(version, 16) >= 0
    assert version != feature_version(["return_1"])


def changed(indicator: Indicator, **fields: object) -> Indicator:
    return dataclasses.replace(indicator, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "sma_gap"},
        {"inputs": ("open",)},
        {"parameters": {"window": 21}},
        {"warm_up": 20, "look_back": 21},
        {"look_back": 22, "tolerance": 1e-6},
        {"compute": bars.position_in_range},
    ],
)
def test_version_changes_with_the_definition(fields: dict[str, object]) -> None:
    indicator = INDICATORS["sma_gap_20"]
    assert version_of([changed(indicator, **fields)]) != version_of([indicator])


def test_version_ignores_the_wording() -> None:
    indicator = INDICATORS["sma_gap_20"]
    assert version_of([changed(indicator, meaning="else", unit="else", source="else")]) == version_of([indicator])
