"""TA-Lib on each run of bars: its C functions called from compiled code.

Its Python functions spend more time on their arguments than a short run takes to compute, and let no other thread run
meanwhile: of one more night that was most of the time that recursive indicators took.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import talib
import talib.abstract
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from nightdesk.errors import BadInput
from nightdesk.features.kernels import shared
from nightdesk.features.primitives import Runs, Values


def per_run(function: Callable[..., Values], runs: Runs, *columns: Values, settings: tuple[float, ...]) -> Values:
    """Call a function of TA-Lib on each run's slice of `columns`, then `settings`; NaN on bars outside every run.

    TA-Lib lets one NaN poison all that follows, and knows no symbols: a run has neither problem, but for leading
    NaN, which are skipped. `settings` are whole numbers or floats, as the function takes them.
    """
    found: Values = per_run_outputs(function, runs, *columns, settings=settings, outputs=1)[0]
    return found


def per_run_outputs(
    function: Callable[..., Any], runs: Runs, *columns: Values, settings: tuple[float, ...], outputs: int
) -> Values:
    """As `per_run`, of a function that gives several `outputs`: a row each.

    Raises BadInput where the function takes or gives another number of them, its values are no floats, or a setting is
    beyond its limits.
    """
    address, look_back, own_settings = _found(function.__name__, len(columns), settings, outputs)
    own = tuple(np.ascontiguousarray(column, dtype=np.float64) for column in columns)
    out = np.full((outputs, own[0].size), np.nan)
    read, written = tuple(one.ctypes.data for one in own), tuple(row.ctypes.data for row in out)
    failed = _each_run(address, look_back, runs, own, read, own_settings, written)
    if failed:
        raise BadInput(
            f"TA-Lib's {function.__name__} must take what it is given, got its error {failed}: see its manual"
        )
    return out


@shared
def exponential_mean(runs: Runs, values: Values, window: int) -> Values:
    """Exponential mean (TA-Lib's EMA): weight 2 / (window + 1), begun at the mean of a run's first known values."""
    return per_run(talib.EMA, runs, values, settings=(window,))


@shared
def average_true_range(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Wilder's average true range (TA-Lib's ATR), in the unit of prices."""
    return per_run(talib.ATR, runs, high, low, close, settings=(window,))


@lru_cache(maxsize=256)
def _found(name: str, inputs: int, settings: tuple[float, ...], outputs: int) -> tuple[int, int, tuple[float, ...]]:
    """Where TA-Lib's function begins, how many bars it needs before its first value, and settings of its own types.

    C checks nothing that it is given, so all of it is checked here.
    """
    told = talib.abstract.Function(name)
    wanted = sum(1 if isinstance(one, str) else len(one) for one in told.input_names.values())
    counts = (wanted, len(told.parameters), len(told.output_names))
    if counts != (inputs, len(settings), outputs) or name.startswith("CDL") or name.endswith("INDEX"):
        raise BadInput(
            f"TA-Lib's {name} must be given {wanted} columns and {counts[1]} settings for {counts[2]} outputs "
            f"of floats, got {inputs}, {len(settings)} and {outputs}: see its manual"
        )
    own = tuple(type(usual)(one) for usual, one in zip(told.parameters.values(), settings, strict=True))
    # The library that the Python package brings, whatever its file is called: it stands behind the extension.
    library = ctypes.CDLL(talib._ta_lib.__file__)
    given = (ctypes.c_int(one) if isinstance(one, int) else ctypes.c_double(one) for one in own)
    look_back: int = getattr(library, f"TA_{name}_Lookback")(*given)
    if look_back < 0:
        raise BadInput(f"settings of TA-Lib's {name} must be within its limits, got {settings}: see its manual")
    return ctypes.cast(getattr(library, f"TA_{name}"), ctypes.c_void_p).value or 0, look_back, own


def _calling(
    _: Any, address: Any, bars: Any, read: Any, begin: Any, settings: Any, told: Any, written: Any, into: Any
) -> Any:
    """Call the C function at `address` on `bars` values, from place `begin` on in memory at each of `read`.

    It writes to memory at each of `written`, from place `into` on, and at `told` where its values begin, and how many.
    """
    signature = types.int32(address, bars, read, begin, settings, told, written, into)

    def made(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        number, double = ir.IntType(32), ir.DoubleType()
        start, length, sources, source, chosen, tale, targets, target = arguments

        def at(address: Any, value: Any) -> Any:
            offset = builder.mul(value, ir.Constant(value.type, 8))
            return builder.inttoptr(builder.add(address, offset), double.as_pointer())

        def parts(group: Any) -> Any:
            return cgutils.unpack_tuple(builder, group)  # type: ignore[no-untyped-call]

        numbers = [one if one.type == double else builder.trunc(one, number) for one in parts(chosen)]
        given = [
            ir.Constant(number, 0),
            builder.sub(builder.trunc(length, number), ir.Constant(number, 1)),
            *(at(one, source) for one in parts(sources)),
            *numbers,
            builder.inttoptr(tale, number.as_pointer()),
            builder.inttoptr(builder.add(tale, ir.Constant(tale.type, 4)), number.as_pointer()),
            *(at(one, target) for one in parts(targets)),
        ]
        function = ir.FunctionType(number, [one.type for one in given])
        return builder.call(builder.inttoptr(start, function.as_pointer()), given)

    return signature, made


_call: Any = intrinsic(_calling)


@numba.njit(nogil=True, cache=True)
def _each_run(
    address: int,
    look_back: int,
    runs: Runs,
    columns: tuple[Values, ...],
    read: tuple[int, ...],
    settings: tuple[float, ...],
    written: tuple[int, ...],
) -> int:
    """Call the C function at `address` on each run; what it says of a call that failed, 0 where none did."""
    counts = np.zeros(2, dtype=np.int32)
    for run in range(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        for column in columns:
            while first < end and np.isnan(column[first]):
                first += 1
        if end - first > look_back:
            failed = _call(address, end - first, read, first, settings, counts.ctypes.data, written, first + look_back)
            if failed != 0:
                return int(failed)
    return 0
