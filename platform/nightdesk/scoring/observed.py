"""Values without their nulls: a series, array or list becomes a NumPy array of what was observed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from nightdesk.errors import BadInput

FloatArray: TypeAlias = npt.NDArray[np.float64]
Values: TypeAlias = pl.Series | npt.NDArray[Any] | Sequence[float | None]
Classes: TypeAlias = pl.Series | npt.NDArray[Any] | Sequence[str | int | bool | None]


def observed(values: Values) -> FloatArray:
    """Return `values` as float64, null and NaN dropped, order kept.

    Raises
    ------
    BadInput
        A value is infinite: no mean over it has a meaning, and dropping it would hide a fault.
    """
    array = _floats(values)
    _refuse_infinite(array)
    return array[~np.isnan(array)]


def observed_pairs(first: Values, second: Values) -> tuple[FloatArray, FloatArray]:
    """Return both as float64, without the places where either is null or NaN, order kept.

    Raises
    ------
    BadInput
        The lengths differ, or a value is infinite.
    """
    a, b = _floats(first), _floats(second)
    check_lengths(len(a), len(b))
    _refuse_infinite(a)
    _refuse_infinite(b)
    kept = ~(np.isnan(a) | np.isnan(b))
    return a[kept], b[kept]


def observed_classes(truth: Classes, forecast: Classes) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return both class columns (strings, integers, Enum), without the places where either is null.

    Raises
    ------
    BadInput
        The lengths differ.
    """
    a, b = pl.Series("truth", truth), pl.Series("forecast", forecast)
    check_lengths(len(a), len(b))
    pairs = pl.DataFrame([a, b]).drop_nulls()
    return np.asarray(pairs["truth"].to_list()), np.asarray(pairs["forecast"].to_list())


def check_lengths(first: int, second: int) -> None:
    """Raise BadInput unless two paired columns are equally long."""
    if first != second:
        raise BadInput(f"paired values must be equally long, got {first} and {second}: align them by date first")


def _floats(values: Values) -> FloatArray:
    return pl.Series(values).cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _refuse_infinite(array: FloatArray) -> None:
    if np.isinf(array).any():
        raise BadInput(f"values must be finite or null, got {int(np.isinf(array).sum())} infinite: find their cause")
