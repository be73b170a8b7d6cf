"""Date-block bootstrap: whole stretches of days drawn again, so that overlap and cross-section stay as they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from nightdesk.errors import BadInput
from nightdesk.scoring.observed import Values, observed

MIN_BLOCKS: Final = 5


@dataclass(frozen=True, slots=True)
class BootstrapInterval:
    """A mean over days and its percentile interval, in the unit of the values; None all three where undefined."""

    mean: float | None
    lower: float | None
    upper: float | None
    days: int


def block_days(days: int, block: int, samples: int, seed: int) -> npt.NDArray[np.intp]:
    """Draw days in circular blocks (Politis & Romano 1992).

    Take every row of a drawn day, all symbols of it, to keep the cross-section: the day is what is drawn, not the row.

    Returns
    -------
    Positions of days, 0 to days - 1, shape (samples, days); the last block of a sample is cut to fit.

    Raises
    ------
    BadInput
        A count is below 1, or the block is longer than all days.
    """
    if samples < 1 or not 1 <= block <= days:
        raise BadInput(
            f"samples must be 1 or more and the block 1 to {days} days, got {samples} and {block}: choose for example "
            "1000 samples of twice the horizon"
        )
    starts = np.random.default_rng(seed).integers(0, days, (samples, -(-days // block)))
    drawn = (starts[:, :, None] + np.arange(block)) % days
    return drawn.reshape(samples, -1)[:, :days]


def block_interval(
    values: Values, block: int, level: float = 0.95, samples: int = 2000, seed: int = 0
) -> BootstrapInterval:
    """Percentile interval of a mean over days; for reading, beside `scoring.intervals.mean_interval`.

    Parameters
    ----------
    values
        One value a trading day, in order of time; null and NaN are dropped, and their neighbours close up.
    block
        Days drawn at a time: at least the overlap of the labels behind the values, better twice that.
    level
        Confidence, a fraction: 0.95 leaves 2.5 % on each side.

    Returns
    -------
    BootstrapInterval
        Undefined on fewer than 5 blocks of days. It is too narrow where blocks are few: it decides nothing.

    Raises
    ------
    BadInput
        The level, the block or a value (infinite) breaks its rule.
    """
    if not 0.0 < level < 1.0:
        raise BadInput(f"level must lie between 0 and 1, got {level}: choose 0.95 for 95 %")
    known = observed(values)
    if len(known) < MIN_BLOCKS * max(1, block):
        return BootstrapInterval(None, None, None, len(known))
    means = known[block_days(len(known), block, samples, seed)].mean(axis=1)
    lower, upper = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return BootstrapInterval(float(known.mean()), float(lower), float(upper), len(known))
